"""What the page of a network of images holds: its shape, how what is drawn is placed in it, and examples."""

from typing import Any

import numpy as np

from jaxmlp.data.preparing import Preparation
from jaxmlp.data.sources import Dataset
from jaxmlp.demo.numbers import packed
from jaxmlp.demo.source import Source
from jaxmlp.errors import UsageError
from jaxmlp.nn.losses import CLASSES
from jaxmlp.training.model import Model

MOST_INPUTS = 64 * 64 * 3
LOOKED_AT = 2000  # test images among which examples are chosen
NONE = "none"
FRAMINGS = ("mnist", "digits", "fashion", NONE)  # how the pictures of a set were made; none: the whole picture, scaled
FRAMED = {"mnist": "mnist", "mnist5k": "mnist", "emnist": "mnist", "kmnist": "mnist", "digits": "digits"}
FRAMED["fashion_mnist"] = "fashion"
PENS = {"mnist": 0.08, "digits": 0.16, "fashion": 0.08, NONE: 0.06}  # widths, as shares of the side
TEXTS = {  # title, heading, what stands where nothing is drawn
    "mnist": ("A network that reads digits", "Draw a digit", "Draw a digit here"),
    "digits": ("A network that reads digits", "Draw a digit", "Draw a digit here"),
    "fashion": ("A network that knows clothes", "Give it a picture", "Open, paste or draw one here"),
    NONE: ("", "Give it a picture", "Open, paste or draw one here"),
}
CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)  # Xiao et al. 2017, "Fashion-MNIST"


def check(shape: tuple[int, ...]) -> None:
    """Raise UsageError for inputs that the page cannot show as one picture."""
    if len(shape) > 3 or (len(shape) == 3 and shape[2] not in (1, 3)):
        raise UsageError(
            f"the network takes inputs {list(shape)}; a page shows images [height, width], and 1 or 3 channels"
        )
    if np.prod(shape) > MOST_INPUTS:
        raise UsageError(f"the network takes {int(np.prod(shape)):,} inputs; a page draws at most {MOST_INPUTS:,}")


def class_names(preparation: Preparation, key: str) -> list[str]:
    """What the outputs are called; the classes of Fashion-MNIST have names that its files lack."""
    if key == "fashion_mnist" and preparation.classes == tuple(range(10)):
        return list(CLOTHES)
    return [str(label) for label in preparation.classes]


def content(trained: Model, source: Source, names: list[str], examples: int, framing: str | None) -> dict[str, Any]:
    """What the script of the page reads of the images.

    Args:
        trained: The network.
        source: What is known of its run.
        names: Of the classes.
        examples: How many test images are put in.
        framing: One of `FRAMINGS`; None goes by the name of the data, or else by the shape and the classes.
    """
    height, width, *channels = trained.preparation.input_shape
    framing = framing or _framing(trained.preparation, source.key)
    dataset = source.data if isinstance(source.data, Dataset) else None
    low, high, whole = _range(trained.preparation, framing, dataset)
    return {
        "height": height,
        "width": width,
        "channels": channels[0] if channels else 1,
        "low": low,
        "high": high,
        "whole": whole,
        "pen": PENS[framing],
        "framing": "" if framing == NONE else framing,
        "examples": [] if dataset is None else _examples(trained, dataset, names, examples),
    }


def texts(image: dict[str, Any]) -> dict[str, str]:
    """What the template says of them."""
    title, heading, hint = TEXTS[image["framing"] or NONE]
    return {"title": title, "heading": heading, "hint": hint}


def _framing(preparation: Preparation, key: str) -> str:
    if key in FRAMED:
        return FRAMED[key]
    if preparation.classes != tuple(range(10)) or len(preparation.input_shape) != 2:
        return NONE
    return {(28, 28): "mnist", (8, 8): "digits"}.get(preparation.input_shape, NONE)


def _range(preparation: Preparation, framing: str, dataset: Dataset | None) -> tuple[float, float, bool]:
    """The numbers of black and of white, and whether pixels are whole numbers."""
    if dataset is not None:
        pixels = dataset.train_images
        if pixels.dtype == np.uint8:
            return 0.0, 255.0, True
        low, high = min(float(pixels.min()), 0.0), float(pixels.max())
        return low, max(high, low + 1e-6), bool((pixels == np.round(pixels)).all())
    if framing == "digits":
        return 0.0, 16.0, True
    if preparation.normalise == "unit":
        return 0.0, float(preparation.std[0]), float(preparation.std[0]) == 255.0
    return 0.0, 255.0, True


def _examples(trained: Model, dataset: Dataset, names: list[str], count: int) -> list[dict[str, Any]]:
    """One of each class that the network recognises, then some that it does not."""
    images, labels = dataset.test_images[:LOOKED_AT], dataset.test_labels[:LOOKED_AT]
    order = np.arange(len(images))
    if trained.preparation.kind == CLASSES:
        right = trained.predict(images) == labels
        firsts = [np.flatnonzero(right & (labels == label))[:1] for label in trained.preparation.classes]
        order = np.concatenate([*firsts, np.flatnonzero(~right)])
    chosen = order[:count]
    pixels = images[chosen]
    if ((pixels == np.round(pixels)) & (pixels >= 0) & (pixels <= 255)).all():
        pixels = pixels.astype(np.uint8)
    return [
        {"label": _label(trained.preparation, names, label), "pixels": packed(image.ravel())}
        for image, label in zip(pixels, labels[chosen], strict=True)
    ]


def _label(preparation: Preparation, names: list[str], label: Any) -> str:
    """What is true of an example."""
    if preparation.kind == CLASSES:
        classes = list(preparation.classes)
        return names[classes.index(label.item())] if label.item() in classes else str(label)
    return ", ".join(f"{value:g}" for value in np.ravel(label).tolist())
