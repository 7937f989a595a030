"""`jaxmlp predict RUN IMAGE... [--invert] [--resize] [--top K] [--json]`: what a network sees in images."""

import json
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from annotated_types import Ge

from jaxmlp.cli import parsing
from jaxmlp.errors import DataError, UsageError
from jaxmlp.nn.losses import loss
from jaxmlp.runs import model
from jaxmlp.runs.model import Model
from jaxmlp.text import typed

MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's name for so many channels


@dataclass(frozen=True)
class Predict:
    """Classify images with a trained network."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """A run directory, or its model.safetensors."""
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...")]
    """PNG files, or what else Pillow reads. They are made grey for a network of grey images; what is transparent
    shows white."""
    invert: bool = False
    """Swap dark and light. The digits of MNIST are white on black: needed for dark ink on light paper."""
    resize: bool = False
    """Bring images of another size to that of the network, stretched if their sides have another ratio."""
    top: Annotated[int, Ge(1)] = 2
    """Classes to name for each image, the likeliest first."""
    json: bool = False
    """Print JSON instead of a table."""


COMMAND = parsing.Command(
    "predict",
    Predict,
    ("invert", "resize", "top", "json"),
    (
        "runs/relu digit.png",
        "runs/relu scans/*.png --resize --invert",
        "runs/relu digit.png --top 3 --json",
    ),
)


def main(arguments: list[str]) -> int:
    """Parse, predict, print a table or JSON."""
    command = COMMAND.parse(arguments)
    if not command.images:
        raise UsageError(f"no image is given: {typed('predict')} RUN IMAGE...")
    trained = model.load(command.run)
    shape = trained.preparation.image_shape
    pixels = [read_image(path, shape, invert=command.invert, resize=command.resize) for path in command.images]
    outputs = trained.probabilities(np.stack(pixels))  # [N, K]
    order = np.argsort(-trained.logits(np.stack(pixels)), axis=1, kind="stable")[:, : command.top]  # as Model.predict
    rankings = [
        [(trained.preparation.classes[k], float(outputs[n, k])) for k in classes]
        for n, classes in enumerate(order.tolist())
    ]
    if command.json:
        _print_json(trained, command.images, rankings)
    else:
        _print_table(trained, command.images, rankings)
    return 0


def read_image(path: Path, shape: tuple[int, ...], *, invert: bool, resize: bool) -> np.ndarray:
    """The pixels of an image file, uint8 in the `shape` that a network takes: [height, width] or [height, width, channels].

    Raises DataError for a file that is no image, an image of another size (unless it is to be resized), and a `shape`
    that no image has.
    """
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in MODES):
        raise DataError(
            f"this network takes inputs of shape {shape}, which are no images: use jaxmlp.load(RUN).predict"
        )
    mode = MODES[shape[2] if len(shape) == 3 else 1]
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if (image.height, image.width) != shape[:2] and not resize:
                    raise DataError(
                        f"{path} has {image.width} x {image.height} pixels, the network takes {shape[1]} x {shape[0]}:"
                        " crop it, or let it be scaled by --resize"
                    )
                plain = _flat(image, mode)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{path} is too large to be opened safely: make it smaller first") from None
    except Image.UnidentifiedImageError:
        raise DataError(f"{path} is no image that Pillow can read") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except (SyntaxError, ValueError, EOFError) as error:  # what Pillow raises on damaged files
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is damaged: {error}") from None
    if (plain.height, plain.width) != shape[:2]:
        plain = plain.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    pixels = np.asarray(plain).reshape(shape)
    return 255 - pixels if invert else pixels


def _flat(image: Any, mode: str) -> Any:
    """The image in 8 bits a channel and the mode that is wanted; transparent parts show white, as on paper."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits; Pillow's own conversion would clip instead of scale
        return Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8)).convert(mode)
    if image.has_transparency_data and mode != "RGBA":
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert(mode)


def _word(trained: Model) -> str:
    """What the outputs are: probabilities under cross-entropy; under squared error outputs, which need not sum to 1."""
    return loss(trained.spec.network.loss).output_name


def _print_json(trained: Model, images: tuple[Path, ...], rankings: list[list[tuple[Any, float]]]) -> None:
    word = _word(trained)
    results = [
        {
            "file": str(path),
            "class": ranking[0][0],
            word: ranking[0][1],
            "top": [{"class": c, word: p} for c, p in ranking],
        }
        for path, ranking in zip(images, rankings, strict=True)
    ]
    json.dump(results, sys.stdout, indent=2, allow_nan=False)
    print()


def _print_table(trained: Model, images: tuple[Path, ...], rankings: list[list[tuple[Any, float]]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    word = _word(trained)

    def shown(value: float) -> str:
        return f"{100 * value:.1f} %" if word == "probability" else f"{value:.3f}"

    others = len(rankings[0]) - 1
    table = Table("file", "class", word, *(["runner-up" if others == 1 else "runners-up"] if others else []))
    for path, ((best, value), *runners_up) in zip(images, rankings, strict=True):
        listed = ", ".join(f"{label} ({shown(other)})" for label, other in runners_up)
        table.add_row(escape(str(path)), escape(str(best)), shown(value), *([escape(listed)] if others else []))
    console = Console()
    if not console.is_terminal:
        console.width = 10_000  # a table is as wide as it needs to be; long file names are not folded
    console.print(table)
