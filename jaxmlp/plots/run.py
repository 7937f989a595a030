"""Pictures of a run: how it learnt, what it confuses, what its first layer looks for, and where it is surely wrong.

Every function takes arrays and writes one PNG.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxmlp.plots.canvas import (
    DPI,
    INK,
    QUIET,
    RULE,
    TRAIN,
    VALIDATION,
    fitted,
    mosaic,
    page,
    panel,
    picture,
    stretched,
    write,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_UNITS, MOST_MISTAKES = 256, 40


def learning_curves(path: Path, rows: Sequence[Mapping[str, Any]], best_epoch: int) -> None:
    """Loss and accuracy of an epoch on training and validation data, from rows as in metrics.jsonl.

    A loss of None or NaN (a diverged epoch) leaves a gap, and is said; a `best_epoch` not among the rows is not marked.
    """
    from matplotlib.ticker import MaxNLocator

    figure = page(1000, 400)
    epochs = [row["epoch"] for row in rows]
    panels = [panel(figure, (70, 55, 405, 290)), panel(figure, (575, 55, 405, 290))]
    for axes, measure in zip(panels, ("loss", "accuracy"), strict=True):
        _curves(axes, rows, measure)
        _mark_best(axes, epochs, _column(rows, "validation", measure), best_epoch, measure)
        axes.set_title(measure.capitalize(), loc="left", y=1.0, fontsize=12, color=INK)
        axes.set_xlabel("epoch", color=QUIET)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
        axes.set_xlim(min(epochs, default=1) - 0.5, max(epochs, default=1) + 0.5)
    panels[1].yaxis.set_major_formatter(lambda share, _: f"{100 * share:.10g} %")
    losses = np.array([_column(rows, which, "loss") for which in ("train", "validation")])  # [2, epochs]
    if (lost := np.flatnonzero(~np.isfinite(losses).all(axis=0))).size:
        which = ", ".join(str(epochs[i]) for i in lost[:3]) + ", …" * (lost.size > 3)
        panels[0].set_xlabel(f"epoch (no finite loss in epoch {which})", color=QUIET)
    write(path, figure)


def confusion_matrix(path: Path, counts: np.ndarray, classes: Sequence[Any]) -> None:
    """How often a true class (row) was predicted as each class (column), from counts [K, K].

    The colour is the share of the row, on a square-root scale so that rare mistakes show; up to 20 classes
    have their counts written out.
    """
    K = len(classes)
    names = [_short(name, 14) for name in classes]
    room = 30 + 8 * max(map(len, names))
    side = min(max(K * 52, 280), 640)
    upright = max(map(len, names)) * 8 > side / K  # names too wide to stand side by side
    below = room + 20 if upright else 60
    figure = page(room + 30 + side + 40, below + side + 50)
    axes = panel(figure, (room + 30, below, side, side))
    rows = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(rows, 1)  # [K, K]
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1.15, aspect="auto", interpolation="nearest")
    if K <= 20:
        cell = 72 / DPI * side / K  # in points
        for row, column in np.argwhere(counts):
            ink = "white" if shares[row, column] > 0.45 else INK
            text = str(counts[row, column])
            size = min(11, 0.42 * cell, 1.35 * cell / len(text))
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=size)
    ticks = np.arange(0, K, math.ceil(K / 25))
    shown = [names[i] for i in ticks]
    axes.set_xticks(ticks, shown, rotation=90 if upright else 0, parse_math=False)  # a $ in a name is a $
    axes.set_yticks(ticks, shown, parse_math=False)
    axes.set_xlabel("predicted", color=QUIET)
    axes.set_ylabel("true", color=QUIET)
    axes.spines[:].set_visible(False)
    correct, total = int(np.trace(counts)), int(counts.sum())
    axes.set_title(
        f"{correct:,} / {total:,} correct ({100 * correct / max(total, 1):.2f} %)",
        loc="left",
        y=1.0,
        fontsize=12,
        color=INK,
    )
    write(path, figure)


def first_layer_weights(path: Path, weights: np.ndarray, image_shape: Sequence[int]) -> None:
    """The weights [D, H] into each hidden unit as an image of `image_shape`; of colour images, the mean over channels.

    One scale for all, symmetric around 0; a few in a thousand of the weights may lie beyond its ends.
    """
    H = weights.shape[1]
    shown = min(H, MOST_UNITS)
    tiles = weights[:, :shown].T.reshape(shown, *image_shape)  # [units, h, w(, channels)]
    tiles = tiles if tiles.ndim == 3 else tiles.mean(axis=-1)
    h, w = tiles.shape[1:]
    square = math.sqrt(shown * h / w)  # so many columns make a square sheet; up to 16 may make it twice as wide as high
    columns = min(math.ceil(square * math.sqrt(2)), max(math.ceil(square), 16), shown)
    sheet = mosaic(tiles, columns, (1, 1), np.nan)
    sizes = np.abs(tiles[np.isfinite(tiles)])
    limit = float(np.quantile(sizes, 0.998)) if sizes.size and sizes.any() else 1.0
    width, height = fitted(sheet.shape[1], sheet.shape[0], 930, 12)
    room = max(height, 80)  # for the bar
    figure = page(max(width, 260) + 130, room + 70)
    axes = panel(figure, (20, 20 + room - height, width, height))
    import matplotlib

    colours = matplotlib.colormaps["RdBu_r"].with_extremes(bad="#b3b3b3")
    image = picture(axes, sheet, cmap=colours, vmin=-limit, vmax=limit)
    units = f"first {shown} of {H}" if shown < H else f"{H}"
    axes.set_title(f"Weights into {units} unit{'s' * (H > 1)}", loc="left", y=1.0, fontsize=12, color=INK)
    bar = figure.colorbar(
        image, cax=panel(figure, (20 + width + 20, 20 + room - min(room, 300), 14, min(room, 300))), extend="both"
    )
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    write(path, figure)


def confident_mistakes(
    path: Path,
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    confidence: np.ndarray,
    classes: Sequence[Any],
    image_shape: Sequence[int],
) -> None:
    """The wrongly predicted among images [M, D], the surest first, with what was true, what was said and how surely.

    labels and predictions [M] are indices into `classes`, confidence [M] is the probability of what was
    predicted. Right predictions are left out, so all examples may be given. Every image is stretched to its own darkest
    and brightest pixel, so normalised ones will do.
    """
    wrong = np.flatnonzero(np.asarray(labels) != np.asarray(predictions))
    worst = wrong[np.argsort(-np.asarray(confidence)[wrong], kind="stable")][:MOST_MISTAKES]
    if not worst.size:
        figure = page(500, 140)
        figure.text(
            0.5, 0.5, f"No mistakes in {len(labels):,} examples", ha="center", va="center", fontsize=13, color=INK
        )
        return write(path, figure)
    tiles = stretched(np.asarray(images)[worst]).reshape(len(worst), *image_shape)
    names = [_short(name, 11) for name in classes]
    lines = "true {}, said {}\n{} %" if max(map(len, names)) < 4 else "true {}\nsaid {}\n{} %"
    columns = min(8, len(worst))
    h, w = tiles.shape[1:3]
    gap = (math.ceil(h * (0.2 + 0.14 * len(lines.split("\n")))), math.ceil(w * 0.16))  # room for the captions
    sheet = mosaic(tiles[..., 0] if tiles.shape[3:] == (1,) else tiles, columns, gap, 1.0)
    width, height = fitted(sheet.shape[1], sheet.shape[0], round(120 * columns - 120 * 0.16 / 1.16), 100)
    figure = page(max(width, 260) + 40, height + 100)
    axes = panel(figure, (20, 20, width, height))
    picture(axes, sheet, cmap="gray", vmin=0, vmax=1)
    for place, i in enumerate(worst):
        row, column = divmod(place, columns)
        sure = math.floor(1000 * float(confidence[i])) / 10  # 99.97 is not 100
        caption = lines.format(names[labels[i]], names[predictions[i]], sure)
        x, y = column * (w + gap[1]) - 0.5, row * (h + gap[0]) - 0.5 - 0.03 * h
        axes.text(x, y, caption, va="bottom", fontsize=8, color=INK, linespacing=1.1, parse_math=False)
    if len(worst) < len(wrong):
        title = f"The {len(worst)} most confident of {len(wrong):,} mistakes"
    else:
        title = f"All {len(wrong)} mistakes, the most confident first" if len(wrong) > 1 else "The only mistake"
    figure.text(20 / figure.bbox.width, 1 - 18 / figure.bbox.height, title, va="top", fontsize=12, color=INK)
    return write(path, figure)


def _curves(axes: "Axes", rows: Sequence[Mapping[str, Any]], measure: str) -> None:
    epochs = [row["epoch"] for row in rows]
    for which, colour, style in (("train", TRAIN, (0, (4, 1.5))), ("validation", VALIDATION, "-")):
        values = _column(rows, which, measure)
        lonely = np.isfinite(values).sum() < 2  # a line through one point is invisible
        axes.plot(epochs, values, color=colour, linestyle=style, lw=1.8, marker="o" if lonely else "", label=which)
    axes.legend(frameon=False, labelcolor=INK, loc="best")
    axes.grid(axis="y", color=RULE, lw=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def _mark_best(axes: "Axes", epochs: list[int], values: np.ndarray, best_epoch: int, measure: str) -> None:
    if best_epoch not in epochs or not np.isfinite(value := values[epochs.index(best_epoch)]):
        return
    axes.axvline(best_epoch, color=QUIET, lw=0.9, ls=":", zorder=1)
    axes.plot([best_epoch], [value], "o", ms=7, mfc="white", mec=VALIDATION, mew=1.8, gid="best")
    text = f"{value:.4g}" if measure == "loss" else f"{100 * value:.4g} %"
    axes.set_title(f"best epoch {best_epoch}: {text}", loc="right", y=1.0, fontsize=10, color=VALIDATION)


def _column(rows: Sequence[Mapping[str, Any]], which: str, measure: str) -> np.ndarray:
    """One value per epoch; NaN where there is none."""
    values = [row[which][measure] for row in rows]
    return np.array([value if value is not None and math.isfinite(value) else np.nan for value in values], dtype=float)


def _short(name: object, most: int) -> str:
    text = str(name)
    return text if len(text) <= most else text[: most - 1] + "…"
