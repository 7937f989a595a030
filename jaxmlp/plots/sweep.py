"""Pictures of a sweep: which of them suit it; how results vary over seeds; every axis by itself; what pruning did."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes

from jaxmlp.plots.lines import Curves, learning_curves, parallel_coordinates, varying
from jaxmlp.plots.marks import dots
from jaxmlp.plots.means import HUES, Cells, heat_map, lines_over_axis
from jaxmlp.plots.picture import INK, QUIET, TRAIN, Picture, per_cent, ring, styled, whole_numbers
from jaxmlp.plots.scale import Scale, sidesteps
from jaxmlp.plots.trials import (
    LOSS,
    Row,
    Rows,
    best_label,
    best_of,
    ceiling,
    cut,
    diverged,
    failure,
    measured,
    number,
    score,
    score_key,
)
from jaxmlp.plots.values import distinct
from jaxmlp.scores import Score
from jaxmlp.statistics import SeedStatistics
from jaxmlp.text import count


def sweep_pictures(
    rows: Rows, axes: Sequence[str], curves: Curves, best: int | None, pruned: bool
) -> dict[str, Callable[[], Picture]]:
    """What draws every picture that suits this sweep, by name, the most telling first.

    rows: a flat dict a trial, as in the table of the sweep (see `trials`).
    axes: full keys such as `hyper.learning_rate`; rows that agree on all of them differ in their seed.
    curves: for each trial that has them, its numbers an epoch by name.
    best: the number of the best trial; None if every trial diverged.
    pruned: whether the sweep prunes.
    """
    pictures: dict[str, Callable[[], Picture]] = {}
    if not rows:
        return {}
    if not axes:
        pictures["seeds"] = lambda: seeds(rows, best)
    elif along := as_lines(rows, axes):
        pictures["lines_over_axis"] = lambda: lines_over_axis(rows, along[0], best, *along[1:])
    elif len(axes) == 2 and is_grid(rows, axes):
        pictures["heat_map"] = lambda: heat_map(rows, axes, best)
    else:
        pictures["parallel_coordinates"] = lambda: parallel_coordinates(rows, axes, best)
        pictures["scatter"] = lambda: scatter(rows, axes, best)
    if any(curves.get(row["trial"]) for row in rows):
        pictures["learning_curves"] = lambda: learning_curves(rows, axes, curves, best)
    if pruned:
        pictures["cost_against_quality"] = lambda: cost_against_quality(rows, axes, best)
    return pictures


def is_grid(rows: Rows, axes: Sequence[str]) -> bool:
    """Whether the trials fill more than half of the map of their two axes; samples of a number and two words fill half."""
    cells = Cells.of(rows, axes)
    return 2 * len(cells.trials) > len(cells.up) * len(cells.across)


def as_lines(rows: Rows, axes: Sequence[str]) -> list[str]:
    """The axes as `lines_over_axis` takes them, the longer one of numbers first; empty where another picture is better.

    Two axes are lines where one has numbers and the other no more values than there are HUES, and they are no grid, or
    one value is all the other has, or it has words, which a map would put in no order.
    """
    if len(axes) != 2:
        return list(axes) if len(axes) == 1 else []
    levels = {key: distinct([row.get(key) for row in rows]) for key in axes}
    kinds = {key: Scale.of(rows, key).kind for key in axes}
    along, hues = sorted(axes, key=lambda key: (kinds[key] == "text", -len(levels[key])))
    if kinds[along] == "text" or len(levels[hues]) > len(HUES):
        return []
    worded = kinds[hues] == "text" and len(levels[along]) > 2
    return [along, hues] if len(levels[hues]) == 1 or worded or not is_grid(rows, axes) else []


@styled
def seeds(rows: Rows, best: int | None) -> Picture:
    """Validation score and loss of every seed as dots in a heap, over mean ± standard deviation."""
    lost, winner, measure = sum(map(diverged, rows)), best_of(rows, best), score(rows)
    of_score = score_key(rows)
    values = measured(rows, of_score)
    figure = Picture(10, 4.2)
    for panel, key in zip(figure.subplots(1, 2), (of_score, LOSS), strict=True):
        panel.set_title(f"Validation {'loss' if key == LOSS else measure.title}")
        panel.spines.left.set_visible(False)
        panel.set_yticks([])
        if (heaped := measured(rows, key)).size:
            _heap(panel, heaped, winner, key, measure)
        else:
            panel.set_xticks([])
    if measure.unit:
        per_cent(figure.axes[0].xaxis)
    also = f" ({lost} diverged)" if lost else ""
    result = f": {measure.title} {_plus_minus(values, measure)}" if values.size else ""
    figure.head(f"The luck of {count(len(rows), 'seed')}{also}{result}{failure(rows)}")
    return figure


def _heap(panel: Axes, values: np.ndarray, winner: Row | None, key: str, measure: Score) -> None:
    statistics = SeedStatistics.of(values.tolist())
    low, high = statistics.mean - statistics.std, statistics.mean + statistics.std
    panel.axvspan(low, high, color=TRAIN, alpha=0.1, lw=0, label="mean ± standard deviation" if statistics.std else "")
    panel.axvline(statistics.mean, color=TRAIN, lw=1.5)
    bins = int(np.clip(1.8 * math.sqrt(values.size) + 4, 8, 80))
    x, y = heaps(values, bins)
    size = min(15, 290 / bins, 170 / (y.max() + 1.5))  # points, of some 310 across and 190 up
    panel.plot(x, y, "o", color=TRAIN, ms=size, mew=0, alpha=0.75)
    if winner is not None and math.isfinite(at := number(winner.get(key))):
        index = int(np.flatnonzero(values == at)[-1])
        ring(panel, x[index], y[index], best_label([winner]), size=max(size + 1.5, 7))
    rim = 0.08 * (statistics.max - statistics.min) or 0.01 * abs(statistics.mean) or 0.01
    panel.set(xlim=(statistics.min - rim, statistics.max + rim), ylim=(-0.8, max(190 / size - 1, y.max() + 0.8)))
    panel.set_title(
        f"mean {_plus_minus(values, None if key == LOSS else measure)}", loc="right", fontsize=10, color=TRAIN
    )


@styled
def scatter(rows: Rows, axes: Sequence[str], best: int | None) -> Picture:
    """The validation loss of every trial over each axis, a small panel an axis; the best ringed, pruned ones purple."""
    names = varying(rows, axes)
    columns = min(len(names), 3 if len(names) in (5, 6, 9) else 4)
    down = math.ceil(len(names) / columns)
    losses, scales = measured(rows, LOSS), [Scale.of(rows, key) for key in names]
    figure = Picture(max(2.9 * columns, 5.2) + 0.4, 2.6 * down + 0.9)
    panels = figure.subplots(down, columns, sharey=True, squeeze=False).flat
    for panel, scale in zip(panels, scales, strict=False):
        dots(panel, scale.positions_at(scale.jittered()), rows, axes, best, size=4 if len(rows) < 400 else 2.5)
        scale.below(panel)
    for panel in list(figure.axes)[len(scales) :]:
        panel.remove()
    figure.head(f"Validation loss over each axis{cut(losses, ceiling(losses))}{failure(rows)}")
    return figure


@styled
def cost_against_quality(rows: Rows, axes: Sequence[str], best: int | None) -> Picture:
    """What each trial cost and how good it became, and how many were still training: the rungs of pruning are steps."""
    epochs = np.array([row["epochs_run"] for row in rows], float)
    early = np.array([row["status"] == "pruned" for row in rows])
    losses, longest, rungs = measured(rows, LOSS), int(epochs.max(initial=1)), np.unique(epochs[early]).astype(int)
    figure = Picture(10, 4.4)
    loss_panel, count_panel = figure.subplots(1, 2)
    sideways = sidesteps(epochs, width=min(0.006 * longest, 0.15))  # of an epoch
    dots(loss_panel, epochs + sideways, rows, axes, best, size=5)
    loss_panel.set_title(f"Validation loss{cut(losses, ceiling(losses))}")

    training = [(epochs > epoch).sum() for epoch in range(longest)]
    count_panel.stairs(training, np.arange(longest + 1), fill=True, color=TRAIN, alpha=0.25)
    count_panel.stairs(training, np.arange(longest + 1), color=TRAIN, lw=1.8)
    count_panel.set(ylim=(0, 1.1 * len(rows)), title="Trials still training")
    whole_numbers(count_panel.yaxis)
    for rung in rungs if len(rungs) <= 8 else ():
        if left := int((epochs > rung).sum()):
            count_panel.annotate(f"{left:,}", (rung, left), (4, 4), textcoords="offset points", fontsize=9, color=INK)
    for panel in (loss_panel, count_panel):
        for rung in rungs:
            panel.axvline(rung, color=QUIET, lw=0.8, ls=":", zorder=0)
        panel.set(xlabel="epochs trained", xlim=(0, longest * 1.05))
        whole_numbers(panel.xaxis)
    spent = f"{int(epochs.sum()):,} trial-epochs spent ({len(rows):,} × {longest:,} are {len(rows) * longest:,})"
    figure.head(f"{count(len(rows), 'trial')}, {int(early.sum()):,} pruned: {spent}{failure(rows)}")
    return figure


def heaps(values: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Where dots lie that are heaped in so many bins: the middle of its bin, and its height in the heap from 0."""
    low, width = values.min(), np.ptp(values) / bins
    which = np.minimum((values - low) // width, bins - 1).astype(int) if width > 0 else np.zeros(len(values), int)
    heights = np.empty(len(values))
    for heap in np.unique(which):
        here = np.flatnonzero(which == heap)
        heights[here[np.argsort(values[here], kind="stable")]] = np.arange(len(here))
    return low + (which + 0.5) * width, heights


def _plus_minus(values: np.ndarray, measure: Score | None) -> str:
    """Mean ± standard deviation: of a score as it is written, of losses (None) to two digits of their standard deviation."""
    statistics = SeedStatistics.of(values.tolist())
    std = statistics.std if len(values) > 1 else None
    if measure is not None:
        return measure.pair(statistics.mean, std)
    digits = int(np.clip(1 - math.floor(math.log10(std)), 0, 12)) if std else 4
    return f"{statistics.mean:.{digits}f}" + ("" if std is None else f" ± {std:.{digits}f}")
