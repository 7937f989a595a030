"""Pictures of a sweep: a map of two axes, lines over one or two, lines across many, the luck of seeds, and every curve.

`rows` is a list with a flat dict a trial, as in the table of the sweep: its value on each axis (absent where it does not
read it), `trial`, `seed`, `status`, `epochs_run`, `best_epoch`, `validation_loss`, `validation_accuracy`, and perhaps
`sparsity`. `axes` are full keys such as `hyper.learning_rate`; rows that agree on all of them differ in their seed.
`best` is the number of the best trial, or None. Every function writes one PNG; `draw` chooses among them.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxmlp.plots.canvas import DPI, INK, QUIET, TRAIN, VALIDATION, page, panel, write
from jaxmlp.plots.curves import Curves, learning_curves, parallel_coordinates, varying
from jaxmlp.plots.marks import (
    ACCURACY,
    LOSS,
    apart,
    below,
    best_of,
    best_words,
    ceiling,
    crosses,
    diverged,
    dots,
    heading,
    legend,
    measured,
    number,
    plain,
    subtitle,
)
from jaxmlp.plots.means import HUES, Cells, heat_map, lines_over_axis
from jaxmlp.plots.scale import Rows, Scale, distinct
from jaxmlp.statistics import SeedStatistics
from jaxmlp.text import count


def draw(folder: Path, rows: Rows, axes: Sequence[str], curves: Curves, best: int | None, pruned: bool) -> list[str]:
    """Every picture that suits this sweep, as PNGs in `folder`; the names of the files, the most telling first."""
    if not rows:
        return []
    names = []
    if not axes:
        names.append("seeds_spread.png")
        seeds_spread(folder / names[-1], rows, best)
    elif len(axes) == 1:
        names.append("lines_over_axis.png")
        lines_over_axis(folder / names[-1], rows, axes[0], best)
    elif len(axes) == 2 and (turned := as_lines(rows, axes)):
        names.append("lines_over_axis.png")
        lines_over_axis(folder / names[-1], rows, turned[0], best, by=turned[1])
    elif len(axes) == 2 and is_grid(rows, axes):
        names.append("heat_map.png")
        heat_map(folder / names[-1], rows, axes, best)
    else:
        names += ["parallel_coordinates.png", "scatter.png"]
        parallel_coordinates(folder / names[-2], rows, axes, best)
        scatter(folder / names[-1], rows, axes, best)
    if any(curves.get(row["trial"]) for row in rows):
        names.append("learning_curves.png")
        learning_curves(folder / names[-1], rows, axes, curves, best)
    if pruned:
        names.append("cost_against_quality.png")
        cost_against_quality(folder / names[-1], rows, axes, best)
    return names


def is_grid(rows: Rows, axes: Sequence[str]) -> bool:
    """Whether the trials fill more than half of the map of their two axes; samples of a number and two words fill half."""
    cells = Cells.of(rows, axes)
    return 2 * len(cells.trials) > len(cells.up) * len(cells.across)


def as_lines(rows: Rows, axes: Sequence[str]) -> list[str]:
    """Two axes as `lines_over_axis` takes them, the longer one of numbers first; empty where a map is better, or neither is.

    Lines are for what is no grid, or has one row only, and for no more than HUES values to be told apart by colour.
    """
    levels = {key: distinct([row.get(key) for row in rows]) for key in axes}
    along, hues = sorted(axes, key=lambda key: (Scale.of(rows, key).kind == "text", -len(levels[key])))
    suits = Scale.of(rows, along).kind != "text" and len(levels[hues]) <= len(HUES)
    return [along, hues] if suits and (len(levels[hues]) == 1 or not is_grid(rows, axes)) else []


def seeds_spread(path: Path, rows: Rows, best: int | None) -> None:
    """How much is luck: validation accuracy and loss of every seed as dots in a heap, with mean and deviation."""
    figure = page(1000, 440)
    lost, chosen = sum(map(diverged, rows)), best_of(rows, best)
    spread = measured(rows, ACCURACY)
    found = f": accuracy {_plus_minus(spread, ACCURACY)}" if spread.size else ""
    also = f" ({lost} diverged)" if lost else ""
    heading(figure, f"The luck of {count(len(rows), 'seed')}{also}{found}", best_words(rows, [], best))
    for left, key, name in ((45, ACCURACY, "Validation accuracy"), (545, LOSS, "Validation loss")):
        place = panel(figure, (left, 55, 435, 275))
        values = measured(rows, key)
        subtitle(place, name)
        place.spines[["top", "left", "right"]].set_visible(False)
        place.set_yticks([])
        if not values.size:
            place.set_xticks([])
            continue
        middle = SeedStatistics.of(values.tolist())
        place.axvspan(middle.mean - middle.std, middle.mean + middle.std, color=TRAIN, alpha=0.1, lw=0)
        place.axvline(middle.mean, color=TRAIN, lw=1.5)
        bins = int(np.clip(1.8 * math.sqrt(values.size) + 4, 8, 80))
        x, y = heaps(values, bins)
        dot = min(22, 0.86 * 435 / bins, 275 / (y.max() + 1.5))  # pixels from one to the next
        size = 0.92 * dot * 72 / DPI
        place.plot(x, y, "o", color=TRAIN, ms=size, mew=0, alpha=0.75)
        if chosen is not None and math.isfinite(at := number(chosen.get(key))):
            i = int(np.flatnonzero(values == at)[-1])
            place.plot([x[i]], [y[i]], "o", ms=max(size + 1.5, 7), mfc="none", mec=VALIDATION, mew=2.2, gid="best")
        rim = 0.08 * (middle.max - middle.min) or 0.01 * abs(middle.mean) or 0.01
        place.set_xlim(middle.min - rim, middle.max + rim)
        place.set_ylim(-0.8, 275 / dot - 0.8)
        place.set_title(f"mean {_plus_minus(values, key)}", loc="right", y=1.0, fontsize=10, color=TRAIN)
        if key == ACCURACY:
            place.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.6g} %")
    write(path, figure)


def scatter(path: Path, rows: Rows, axes: Sequence[str], best: int | None) -> None:
    """The validation loss of every trial over each axis, a small panel an axis; the best ringed, pruned ones purple."""
    names = varying(rows, axes)
    columns = min(len(names), 3 if len(names) in (5, 6, 9) else 4)
    down = math.ceil(len(names) / columns)
    winner, losses = best_of(rows, best), measured(rows, LOSS)
    top = ceiling(losses)
    cut = f" (cut at {top:.2g})" if losses.size and losses.max() > top else ""
    scales = [Scale.of(rows, key) for key in names]
    depth = max(scale.depth(255) for scale in scales)
    figure = page(max(85 + 290 * columns, 520), 80 + (250 + depth) * down)
    heading(figure, f"Validation loss over each axis{cut}", best_words(rows, axes, best))
    for index, scale in enumerate(scales):
        under, across = divmod(index, columns)
        place = panel(figure, (75 + 290 * across, depth + (250 + depth) * (down - 1 - under), 255, 215))
        spread = scale.positions + np.ptp(scale.limits) * apart(scale)
        plain(place, np.minimum(losses, top))
        heights = np.array([min(number(row.get(LOSS)), top) for row in rows])
        dots(place, spread, heights, rows, size=4 if len(rows) < 400 else 2.5)
        crosses(place, spread[[diverged(row) for row in rows]])
        if winner is not None:
            at = rows.index(winner)
            place.plot([spread[at]], [heights[at]], "o", ms=9, mfc="none", mec=VALIDATION, mew=2, gid="best")
        place.margins(y=0.12)
        below(place, scale)
        if across:
            place.tick_params(labelleft=False)
        if not index:
            legend(place, left=True)
    write(path, figure)


def cost_against_quality(path: Path, rows: Rows, axes: Sequence[str], best: int | None) -> None:
    """What each trial cost and how good it became, and how many were still training: the rungs of pruning are steps."""
    from matplotlib.ticker import MaxNLocator

    epochs = np.array([row["epochs_run"] for row in rows], float)
    early = np.array([row["status"] == "pruned" for row in rows])
    losses = measured(rows, LOSS)
    top, longest = ceiling(losses), int(epochs.max(initial=1))
    winner = best_of(rows, best)
    figure = page(1000, 440)
    spent = f"{int(epochs.sum()):,} trial-epochs spent ({len(rows):,} × {longest:,} are {len(rows) * longest:,})"
    heading(figure, f"{count(len(rows), 'trial')}, {int(early.sum()):,} pruned: {spent}", best_words(rows, axes, best))
    sideways = min(0.6 * longest, 15) * apart(Scale.of(rows, "epochs_run"))  # at most 0.15 of an epoch

    place = panel(figure, (70, 55, 405, 275))
    plain(place, np.minimum(losses, top))
    heights = np.array([min(number(row.get(LOSS)), top) for row in rows])
    dots(place, epochs + sideways, heights, rows, size=5)
    crosses(place, (epochs + sideways)[[diverged(row) for row in rows]])
    if winner is not None:
        mark = {"ms": 10, "mfc": "none", "mec": VALIDATION, "mew": 2, "gid": "best"}
        index = list(rows).index(winner)
        place.plot([epochs[index] + sideways[index]], [heights[index]], "o", **mark)
    place.margins(y=0.12)
    subtitle(place, "Validation loss" + (f" (cut at {top:.2g})" if losses.size and losses.max() > top else ""))
    legend(place)

    stairs = panel(figure, (575, 55, 405, 275))
    plain(stairs, np.empty(0))
    training = [(epochs > epoch).sum() for epoch in range(longest)]
    stairs.stairs(training, np.arange(longest + 1), fill=True, color=TRAIN, alpha=0.25)
    stairs.stairs(training, np.arange(longest + 1), color=TRAIN, lw=1.8)
    stairs.set_ylim(0, 1.1 * len(rows))
    stairs.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    subtitle(stairs, "Trials still training")
    rungs = np.unique(epochs[early]).astype(int)
    for rung in rungs:
        place.axvline(rung, color=QUIET, lw=0.8, ls=":", zorder=0)
        stairs.axvline(rung, color=QUIET, lw=0.8, ls=":", zorder=0)
        if len(rungs) <= 8 and (left := int((epochs > rung).sum())):
            beside = {"textcoords": "offset points", "fontsize": 9, "color": INK}
            stairs.annotate(f"{left:,}", (rung, left), (4, 4), **beside)
    for axis in (place, stairs):
        axis.set_xlabel("epochs trained", color=QUIET)
        axis.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
        axis.set_xlim(0, longest * 1.05)
    write(path, figure)


def heaps(values: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Where dots lie that are heaped in so many bins: the middle of its bin, and its place in the heap from 0."""
    low, width = values.min(), np.ptp(values) / bins
    which = np.minimum((values - low) // width, bins - 1).astype(int) if width > 0 else np.zeros(len(values), int)
    heights = np.empty(len(values))
    for heap in np.unique(which):
        here = np.flatnonzero(which == heap)
        heights[here[np.argsort(values[here], kind="stable")]] = np.arange(len(here))
    return low + (which + 0.5) * width, heights


def _plus_minus(values: np.ndarray, key: str) -> str:
    """Mean and deviation: accuracies in percent to two digits, losses to two digits of their deviation."""
    spread = SeedStatistics.of(((100 if key == ACCURACY else 1) * values).tolist())
    digits = 2 if key == ACCURACY else 4
    if key != ACCURACY and spread.std > 0:
        digits = int(np.clip(1 - math.floor(math.log10(spread.std)), 0, 12))
    deviation = f" ± {spread.std:.{digits}f}" if len(values) > 1 else ""
    return f"{spread.mean:.{digits}f}{deviation}{' %' if key == ACCURACY else ''}"
