"""The paper that pictures are drawn on: one style, sizes in pixels, mosaics of small images, and files that never break.

matplotlib takes half a second to load, so it waits for the first picture.
"""

import io
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxmlp.runs.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# blue, vermilion, green, purple of Okabe and Ito: distinct for every kind of colour vision
TRAIN, VALIDATION, THIRD, FOURTH = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
INK, QUIET, RULE = "#262626", "#6b6b6b", "#e6e6e6"
DPI = 100


def mosaic(tiles: np.ndarray, columns: int, gap: tuple[int, int], fill: float) -> np.ndarray:
    """Images [M, h, w, ...] in rows of `columns`, `gap` pixels between and no rim; gaps and empty places are `fill`."""
    M, h, w = tiles.shape[:3]
    rows = math.ceil(M / columns)
    step = (h + gap[0], w + gap[1])
    sheet = np.full((rows * columns, *step, *tiles.shape[3:]), fill, dtype=np.result_type(tiles.dtype, np.float32))
    sheet[:M, :h, :w] = tiles
    sheet = sheet.reshape(rows, columns, *sheet.shape[1:]).swapaxes(1, 2)  # [rows, h, columns, w, ...]
    sheet = sheet.reshape(rows * step[0], columns * step[1], *tiles.shape[3:])
    return sheet[: rows * step[0] - gap[0], : columns * step[1] - gap[1]]


def stretched(images: np.ndarray) -> np.ndarray:
    """Each row [M, D] moved and scaled to 0..1; a constant one to 0."""
    low, high = images.min(axis=1, keepdims=True), images.max(axis=1, keepdims=True)
    return (images - low) / np.where(high > low, high - low, 1)


def fitted(width: int, height: int, most: int, largest: int) -> tuple[int, int]:
    """The size of a sheet on the page: where there is room, each of its pixels a whole number of times, all alike."""
    factor = min(most / max(width, height), largest)
    factor = math.floor(factor) if factor >= 1 else factor
    return math.ceil(width * factor), math.ceil(height * factor)


def page(width: int, height: int) -> "Figure":
    """A blank page of so many pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")


def panel(figure: "Figure", box: tuple[int, int, int, int]) -> "Axes":
    """Axes at left, bottom, width, height in pixels."""
    whole = figure.bbox
    axes = figure.add_axes((box[0] / whole.width, box[1] / whole.height, box[2] / whole.width, box[3] / whole.height))
    axes.tick_params(colors=QUIET, labelsize=9, length=3, width=0.6)
    for spine in axes.spines.values():
        spine.set(color=QUIET, linewidth=0.6)
    return axes


def picture(axes: "Axes", sheet: np.ndarray, **colours: Any) -> "AxesImage":
    """A sheet that fills its axes: every pixel a sharp square where it is enlarged, averaged where it is reduced."""
    enlarged = axes.bbox.height > sheet.shape[0] - 1
    image = axes.imshow(sheet, aspect="auto", interpolation="nearest" if enlarged else "antialiased", **colours)
    axes.set_axis_off()
    return image


def write(path: Path, figure: "Figure") -> None:
    """As PNG, or as SVG if the name ends so; the same picture has the same bytes."""
    buffer = io.BytesIO()
    options: dict[str, Any] = {"format": "png", "metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}}
    if path.suffix == ".svg":
        options = {"format": "svg", "metadata": {"Date": None, "Creator": None}}
    import matplotlib

    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "jaxmlp"}):
        warnings.filterwarnings("ignore", "Glyph")  # a class name in a script that the font lacks is drawn as boxes
        figure.savefig(buffer, dpi=DPI, **options)
    write_atomically(path, buffer.getvalue())
