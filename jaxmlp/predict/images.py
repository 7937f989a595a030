"""What a network sees in images: reading them, and its classes of each."""

import json
import math
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from jaxmlp.errors import DataError, line_of, printable
from jaxmlp.nn.losses import loss
from jaxmlp.reading import PILLOW_MODES, open_regular
from jaxmlp.run.answers import Answers
from jaxmlp.run.sealed import finite
from jaxmlp.training.model import Model

FORMATS = (
    "PNG",
    "JPEG",
    "GIF",
    "BMP",
    "WEBP",
    "PPM",
)  # Pillow's names; its other decoders are little used, and less safe
MEGABYTES = 64


def answer(trained: Model, paths: tuple[Path, ...], images: np.ndarray, top: int, *, as_json: bool) -> None:
    """Print the `top` classes of each image, the likeliest first, as a table or as JSON."""
    rankings: list[list[tuple[Any, float]]] = []
    if paths:
        outputs = Answers.of(trained, trained.preparation.apply(images)).of_classes()  # [N, K]
        logits = trained.logits(images)
        order = np.argsort(-(logits if logits.shape == outputs.shape else outputs), axis=1, kind="stable")
        rankings = [
            [(trained.preparation.classes[k], float(outputs[n, k])) for k in classes]
            for n, classes in enumerate(order[:, :top].tolist())
        ]
    if as_json:
        _print_json(trained, paths, rankings)
    elif paths:
        _print_table(trained, paths, rankings)


def mode_of(shape: tuple[int, ...]) -> str:
    """Pillow's name for the pixels of a network's inputs. Raises DataError for a `shape` that no image has."""
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in PILLOW_MODES):
        raise DataError(
            f"this network takes inputs of shape {shape}, which are no images: use jaxmlp.load(RUN).predict"
        )
    return PILLOW_MODES[shape[2] if len(shape) == 3 else 1]


def read_image(
    path: Path, shape: tuple[int, ...], *, invert: bool, resize: bool, most_megabytes: int = MEGABYTES
) -> np.ndarray:
    """The pixels of an image file, uint8 in the `shape` that a network takes: [height, width] or [height, width, channels].

    Raises DataError for a file that is no image, an image of another size (unless it is to be resized), one that takes
    more memory than `most_megabytes` when it is decoded, and a `shape` that no image has.
    """
    mode = mode_of(shape)
    from PIL import Image, UnidentifiedImageError

    try:
        with (
            warnings.catch_warnings(action="ignore"),
            open_regular(path) as file,
            _unlimited(Image),
            Image.open(file, formats=FORMATS) as image,
        ):
            taken = image.width * image.height * (1 if image.mode in ("1", "L") else 4) / 1e6  # as Pillow keeps it
            if taken > most_megabytes:
                raise DataError(
                    f"{path} has {image.width:,} x {image.height:,} pixels, {taken:,.0f} MB: make it smaller first, or"
                    f" allow that by --max-megabytes {math.ceil(taken)}"
                )
            if (image.height, image.width) != shape[:2] and not resize:
                raise DataError(
                    f"{path} has {image.width} x {image.height} pixels, the network takes {shape[1]} x {shape[0]}:"
                    " crop it, or let it be scaled by --resize"
                )
            plain = _flat(image, mode)
            if (plain.height, plain.width) != shape[:2]:
                plain = plain.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(f"{path} is no image of a kind that is read ({', '.join(FORMATS)})") from None
    except MemoryError:
        raise DataError(f"{path} does not fit into memory: make it smaller first") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or line_of(error)}") from None
    except Exception as error:  # what the decoders raise on damaged files
        raise DataError(f"{path} is damaged: {line_of(error)}") from None
    pixels = np.asarray(plain).reshape(shape)
    return 255 - pixels if invert else pixels


@contextmanager
def _unlimited(pillow: Any) -> Iterator[None]:
    """Let the limit of --max-megabytes stand alone: Pillow has one of its own."""
    before, pillow.MAX_IMAGE_PIXELS = pillow.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        pillow.MAX_IMAGE_PIXELS = before


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
    json.dump(finite(results), sys.stdout, indent=2, allow_nan=False)
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
        listed = ", ".join(f"{printable(str(label))} ({shown(other)})" for label, other in runners_up)
        table.add_row(
            escape(printable(str(path))),
            escape(printable(str(best))),
            shown(value),
            *([escape(listed)] if others else []),
        )
    console = Console()
    if not console.is_terminal:
        console.width = 10_000  # a table is as wide as it needs to be; long file names are not folded
    console.print(table)
