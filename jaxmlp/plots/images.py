"""Pictures of a network for images: its confusions, its first-layer weights, and its most confident mistakes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np

from jaxmlp.plots.picture import INK, Picture, styled
from jaxmlp.plots.values import short
from jaxmlp.text import count

MOST_MISTAKES = 40


@styled
def confusion_matrix(counts: np.ndarray, classes: Sequence[Any]) -> Picture:
    """How often a true class (row) was predicted as each class (column), from counts [K, K].

    The colour is the share of the row, on a square-root scale so that rare mistakes show; up to 20 classes
    have their counts written out.
    """
    K, names = len(classes), [short(str(name), 14) for name in classes]
    side = min(max(0.52 * K, 2.8), 6.4)  # inches
    figure = Picture(side + 0.08 * max(map(len, names)) + 1, side + 0.8)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # [K, K]
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1.15)
    for row, column in np.argwhere(counts) if K <= 20 else ():
        text, ink = str(counts[row, column]), "white" if shares[row, column] > 0.45 else INK
        size = min(11, 90 * side / K / max(len(text), 3))
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=size)
    ticks = np.arange(0, K, math.ceil(K / 50))
    axes.set_xticks(ticks, [names[i] for i in ticks])
    axes.set_yticks(ticks, [names[i] for i in ticks])
    axes.set(xlabel="predicted", ylabel="true")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    correct, total = int(np.trace(counts)), int(counts.sum())
    axes.set_title(f"{correct:,} / {total:,} correct ({100 * correct / max(total, 1):.2f} %)")
    return figure


@styled
def first_layer_weights(
    weights: np.ndarray | Mapping[str, np.ndarray], image_shape: Sequence[int], units: int = 256
) -> Picture:
    """The weights [D, H] into each hidden unit as an image of `image_shape`; of colour images, the mean over channels.

    Given several networks by title, they stand side by side. At most `units` of each are shown, on one scale for all that
    is symmetric around 0: two in a thousand of the weights may lie beyond its ends.
    """
    several = isinstance(weights, Mapping)
    layers = weights if isinstance(weights, Mapping) else {_units(weights.shape[1], units): weights}
    sheets = [_sheet(w[:, :units].T.reshape(-1, *image_shape), 1 if several else 2) for w in layers.values()]
    sizes = [np.abs(sheet[np.isfinite(sheet)]) for sheet in sheets]
    limit = max(float(np.quantile(size, 0.998)) if size.any() else 0 for size in sizes) or 1.0
    h, w = sheets[0].shape
    pixel = min((3.0 if several else 9.0) / max(h, w), 0.12)  # inches
    figure = Picture(len(layers) * max(pixel * w, 2.4) + 1.2, max(pixel * h, 0.8) + 0.6)
    panels = figure.subplots(1, len(layers), squeeze=False)[0]
    colours = matplotlib.colormaps["RdBu_r"].with_extremes(bad="#b3b3b3")
    for axes, title, sheet in zip(panels, layers, sheets, strict=True):
        axes.imshow(sheet, cmap=colours, vmin=-limit, vmax=limit)
        axes.set_axis_off()
        axes.set_title(title)
    bar = figure.colorbar(
        panels[0].images[0], ax=list(panels), extend="both", shrink=min(1, 3 / figure.get_figheight())
    )
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    return figure


@styled
def confident_mistakes(
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    confidence: np.ndarray,
    classes: Sequence[Any],
    image_shape: Sequence[int],
) -> Picture:
    """The wrongly predicted examples, the surest first, with what was true, what was predicted and how surely.

    images: [M, D]; right predictions among them are left out. Each is stretched to its own darkest and brightest pixel.
    labels, predictions: [M], indices into `classes`.
    confidence: [M], the probability of what was predicted.
    image_shape: (height, width) or (height, width, channels).
    """
    wrong = np.flatnonzero(np.asarray(labels) != np.asarray(predictions))
    confidence = np.nan_to_num(confidence)  # outputs of a network that overflows
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:MOST_MISTAKES]
    if not worst.size:
        figure = Picture(5, 1)
        figure.head(f"No mistakes in {len(labels):,} examples")
        return figure
    names = [short(str(name), 11) for name in classes]
    lines = "true {}, said {}\n{} %" if max(map(len, names)) < 4 else "true {}\nsaid {}\n{} %"
    columns, (h, w) = min(8, len(worst)), image_shape[:2]
    gap = math.ceil((0.1 + 0.14 * len(lines.split("\n"))) * w), math.ceil(0.16 * w)  # room for the captions
    tiles = _stretched(np.asarray(images)[worst]).reshape(len(worst), *image_shape)
    sheet = mosaic(tiles[..., 0] if tiles.shape[3:] == (1,) else tiles, columns, gap, 1.0)
    width = max(1.2 * columns, 4.4)
    figure = Picture(width, 1.2 * columns * sheet.shape[0] / sheet.shape[1] + 0.9)
    axes = figure.subplots()
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1)
    axes.set_axis_off()
    for tile, i in enumerate(worst):
        row, column = divmod(tile, columns)
        percent = math.floor(1000 * float(confidence[i])) / 10  # 99.97 is not 100
        caption = lines.format(names[labels[i]], names[predictions[i]], percent)
        x, y = column * (w + gap[1]) - 0.5, row * (h + gap[0]) - 0.5 - 0.03 * h
        axes.text(x, y, caption, va="bottom", fontsize=8, color=INK, linespacing=1.1)
    if len(worst) < len(wrong):
        figure.head(f"The {len(worst)} most confident of {len(wrong):,} mistakes")
    else:
        figure.head(f"All {len(wrong)} mistakes, the most confident first" if len(wrong) > 1 else "The only mistake")
    return figure


def mosaic(tiles: np.ndarray, columns: int, gap: tuple[int, int], fill: float) -> np.ndarray:
    """Images [M, h, w, ...] in rows of `columns`, `gap` pixels between and no rim; gaps and missing tiles are `fill`."""
    M, h, w = tiles.shape[:3]
    rows = math.ceil(M / columns)
    step = (h + gap[0], w + gap[1])
    sheet = np.full((rows * columns, *step, *tiles.shape[3:]), fill, dtype=np.result_type(tiles.dtype, np.float32))
    sheet[:M, :h, :w] = tiles
    sheet = sheet.reshape(rows, columns, *sheet.shape[1:]).swapaxes(1, 2)  # [rows, h, columns, w, ...]
    sheet = sheet.reshape(rows * step[0], columns * step[1], *tiles.shape[3:])
    return sheet[: rows * step[0] - gap[0], : columns * step[1] - gap[1]]


def _sheet(tiles: np.ndarray, wide: int) -> np.ndarray:
    """Images of units [H, h, w(, channels)] as a mosaic, square or about `wide` times as wide as high."""
    tiles = tiles if tiles.ndim == 3 else tiles.mean(axis=-1)
    H, h, w = tiles.shape
    return mosaic(tiles, min(math.ceil(math.sqrt(wide * H * h / w)), H), (1, 1), np.nan)


def _units(H: int, most: int) -> str:
    return f"Weights into {f'first {most} of ' if most < H else ''}{count(H, 'unit')}"


def _stretched(images: np.ndarray) -> np.ndarray:
    """Each image [M, D] moved and scaled to 0..1; a constant image to 0."""
    low, high = images.min(axis=1, keepdims=True), images.max(axis=1, keepdims=True)
    return (images - low) / np.where(high > low, high - low, 1)
