"""Pictures of a sweep in which seeds are averaged: a map of two axes, and lines over one or two.

A group is the trials that agree on every axis; means are over those of them that did not diverge.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from jaxmlp.plots.marks import COLOURS, PRUNED, colour_bar, colouring, crosses, measure_axis, score_axis
from jaxmlp.plots.picture import FIFTH, FOURTH, INK, QUIET, SIXTH, THIRD, TRAIN, VALIDATION, Picture, ring, styled
from jaxmlp.plots.scale import Scale
from jaxmlp.plots.trials import (
    LOSS,
    Row,
    Rows,
    best_group,
    best_label,
    ceiling,
    cut,
    diverged,
    failure,
    grouped,
    mean,
    measured,
    pruned,
    score,
    score_key,
)
from jaxmlp.plots.values import comparable, distinct, is_number, label, last, short
from jaxmlp.scores import ACCURACY, Score

WRITTEN = 12  # a map of more cells a side has no numbers in them
HUES = (TRAIN, THIRD, FIFTH, SIXTH, INK, FOURTH)  # vermilion is the best


class Cells(NamedTuple):
    """The trials of a sweep over two axes by their cell in the map; levels as labels, first axis across."""

    across: list[str]
    up: list[str]
    trials: dict[tuple[int, int], list[Row]]  # (row, column), row 0 at the bottom

    @classmethod
    def of(cls, rows: Rows, axes: Sequence[str]) -> "Cells":
        """Numbers grow to the right and up; words are read from left to right and from top to bottom."""
        across, up = (distinct([row.get(key) for row in rows]) for key in axes)
        if not all(is_number(value) for value in up if value is not None):
            up.reverse()
        columns, lines = ({comparable(value): i for i, value in enumerate(levels)} for levels in (across, up))
        cells = [(lines[comparable(row.get(axes[1]))], columns[comparable(row.get(axes[0]))]) for row in rows]
        return cls([short(label(v), 22) for v in across], [short(label(v), 22) for v in up], grouped(rows, cells))

    def means(self, key: str) -> np.ndarray:
        """The mean over the seeds that did not diverge; NaN where there is none."""
        table = np.full((len(self.up), len(self.across)), np.nan)
        for cell, trials in self.trials.items():
            table[cell] = mean(trials, key)
        return table


@styled
def heat_map(rows: Rows, axes: Sequence[str], best: int | None) -> Picture:
    """Mean validation loss and score over the seeds for every pair of values on two axes; the best cell is framed.

    Up to WRITTEN x WRITTEN cells have their numbers written in. Cells of which every seed diverged are grey and hatched;
    those with pruned trials have a purple corner.
    """
    cells = Cells.of(rows, axes)
    framed = best_group(cells.trials, best)
    H, W = len(cells.up), len(cells.across)
    width, height = float(np.clip(0.62 * W, 2.4, 5.2)), float(np.clip(0.46 * H, 1.4, 5.2))  # of a map, in inches
    figure = Picture(2 * width + 0.08 * max(map(len, cells.up)) + 2.2, height + 1.5)
    panels = figure.subplots(1, 2, sharey=True)
    measure = score(rows)
    for panel, key, name in zip(panels, (LOSS, score_key(rows)), ("loss", measure.title), strict=True):
        _map(panel, cells, key, measure, (width / W, height / H))
        if framed is not None:
            text = best_label(cells.trials[framed], axes)
            frame = {"ec": VALIDATION, "fc": "none", "lw": 2.6, "zorder": 5, "clip_on": False, "gid": "best"}
            panel.add_patch(Rectangle((framed[1] - 0.5, framed[0] - 0.5), 1, 1, label=text, **frame))
        panel.set(title=name.capitalize(), xlabel=short(last(axes[0]), 40))
        panel.set_xticks(range(W), cells.across)
        panel.set_yticks(range(H), cells.up)
    panels[0].set_ylabel(short(last(axes[1]), 40))
    figure.head(
        f"Validation loss and {measure.title} over {short(last(axes[0]), 30)} and {short(last(axes[1]), 30)}{failure(rows)}"
    )
    return figure


def _map(panel: Axes, cells: Cells, key: str, measure: Score, inches: tuple[float, float]) -> None:
    """One column of all cells, each `inches` wide and high; scores are coloured by what they lack to 1, as losses are."""
    table = cells.means(key)
    shown = table if key == LOSS else 1 - table
    norm, extend = colouring(shown[np.isfinite(shown)])
    colours = matplotlib.colormaps[COLOURS].with_extremes(bad="white")
    image = panel.imshow(shown, cmap=colours, norm=norm, aspect="auto", interpolation="nearest", origin="lower")
    lost = Rectangle((0, 0), 1, 1, fc="#ededed", ec="#c4c4c4", hatch="////", lw=0, label="every seed diverged")
    for (row, column), trials in cells.trials.items():
        value, failed = table[row, column], sum(map(diverged, trials))
        if failed == len(trials):
            lost.set_xy((column - 0.5, row - 0.5))
            panel.add_patch(lost)
            lost = Rectangle((0, 0), 1, 1, fc="#ededed", ec="#c4c4c4", hatch="////", lw=0)
        elif math.isfinite(value) and max(table.shape) <= WRITTEN:
            text = _in_cell(value, None if key == LOSS else measure)
            text += f"\n{failed}/{len(trials)} div." if failed and inches[1] > 0.3 else ""
            ink = "white" if norm(shown[row, column]) < 0.6 else INK
            size = min(10, 100 * inches[0] / max(map(len, text.split("\n"))))
            panel.text(column, row, text, ha="center", va="center", color=ink, fontsize=size)
    if early := [(j, i) for (i, j), trials in cells.trials.items() if any(map(pruned, trials))]:
        corner = {"ls": "", "color": PRUNED, "ms": min(20, 72 * min(inches)), "mew": 0, "clip_on": False}
        panel.plot(*(np.array(early) + 0.5).T, marker=[(0, 0), (-1, 0), (0, -1), (0, 0)], gid="pruned", **corner)
        panel.plot([], [], "s", color=PRUNED, ms=6, mew=0, label="with pruned trials")
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
    if np.isfinite(shown).any():
        bar = colour_bar(panel, image, extend if key == LOSS else "neither")
        if key != LOSS:
            bar.formatter = FuncFormatter(lambda lack, _: f"{measure.factor * (1 - lack):.5g}{measure.unit}")
            bar.update_ticks()


def _in_cell(value: float, measure: Score | None) -> str:
    """A loss (None), or a score, in few digits."""
    if measure is None:
        return f"{value:.0f}" if 1000 <= value < 1e5 else f"{value:#.3g}".rstrip(".")
    return f"{100 * value:.1f}" if measure.unit else f"{value:.3f}" if abs(value) < 10 else f"{value:.2g}"


@styled
def lines_over_axis(rows: Rows, axis: str, best: int | None, by: str | None = None) -> Picture:
    """Validation loss and score over the values of an axis: mean ± standard deviation over seeds, each trial a point.

    Given a second axis, `by`, a line and colour for each of its values. A third panel has the sparsity of the weights if it
    varies. The best is ringed; a mean with pruned trials is hollow.
    """
    scale = Scale.of(rows, axis)
    values = [row.get(by) if by else None for row in rows]
    hues = {comparable(value): value for value in distinct(values)}
    groups = grouped(rows, list(zip(map(comparable, values), scale.positions.tolist(), strict=True)))
    ringed, losses, shares = best_group(groups, best), measured(rows, LOSS), measured(rows, "sparsity")
    measure, of_score = score(rows), score_key(rows)
    names = {LOSS: "Validation loss", of_score: f"Validation {measure.title}"}
    names |= {"sparsity": "Sparsity: weights below 1e-3"} if shares.size and np.ptp(shares) > 0.01 else {}
    width, top, seeds = 5 if len(names) == 2 else 4, ceiling(losses), max(map(len, groups.values()))
    figure = Picture(len(names) * width + (1.5 if len(hues) > 1 else 0), 4.2)
    lines = {}
    for panel, (key, name) in zip(figure.subplots(1, len(names)), names.items(), strict=True):
        high = top if key == LOSS else math.inf
        if key == LOSS or not losses.size:
            measure_axis(panel, np.minimum(losses, top))
        if key == LOSS:
            panel.set_title(name + cut(losses, top))
        else:
            panel.set_title(name + score_axis(panel, measure if key == of_score else ACCURACY, measured(rows, key)))
        for hue, colour in zip(hues, HUES, strict=False):
            part = {x: trials for (which, x), trials in groups.items() if which == hue}
            line_colour = THIRD if key == "sparsity" and len(hues) == 1 else colour
            lines[hue] = _line(panel, part, key, line_colour, scale.kind == "text", high)
        if key == LOSS:
            crosses(panel, scale.positions[[diverged(row) for row in rows]])
        if key == of_score and any(map(pruned, rows)):
            panel.plot([], [], "o", mfc="white", mec=QUIET, ms=5, label="mean with pruned trials")
        if ringed is not None and math.isfinite(at := mean(groups[ringed], key)):
            ring(panel, ringed[1], min(at, high), best_label(groups[ringed], [axis, by] if by else [axis]))
        scale.below(panel)
    if len(hues) > 1 and by:
        words = [short(label(value), 22) for value in hues.values()]
        figure.legend(
            list(lines.values()), words, title=short(last(by), 22), loc="outside right center", alignment="left"
        )
    title = f"Validation loss and {measure.title} over {short(scale.name, 40)}"
    title += f", a colour for each {short(last(by), 22)}" if len(hues) > 1 and by else ""
    title += f": mean ± standard deviation of {seeds} seeds" if seeds > 1 else ""
    figure.head(title + failure(rows))
    return figure


def _line(panel: Axes, groups: Mapping[Any, list[Row]], key: str, colour: str, words: bool, top: float | int) -> Any:
    """The mean over an axis with its standard deviation over seeds, and single trials as points where there are several."""
    at = np.array(sorted(groups))
    values = [np.minimum(measured(groups[x], key), top) for x in at]
    middle = np.array([value.mean() if value.size else np.nan for value in values])
    several, many = any(value.size > 1 for value in values), len(at) > 40
    if several:
        points = np.array([(x, y) for x, ys in zip(at, values, strict=True) for y in ys])
        panel.plot(*points.T, "o", color=colour, ms=3.5, mew=0, alpha=0.35)
    style = {"ls": "" if words else "-", "lw": 1.8, "marker": "" if many else "o", "ms": 5}
    (line,) = panel.plot(at, middle, color=colour, **style)
    early = np.array([any(map(pruned, groups[x])) for x in at])
    if early.any():
        panel.plot(at[early], middle[early], "o", mfc="white", mec=colour, ms=3 if many else 5, gid="pruned")
    if several:
        std = np.array([value.std(ddof=1) if value.size > 1 else 0 for value in values])
        least = 0.0 if np.concatenate(values).min(initial=0) == 0 else -math.inf  # of R2
        low, high = np.maximum(middle - std, least), np.minimum(middle + std, top)
        if words:
            panel.vlines(at, low, high, color=colour, alpha=0.25, lw=9)
        else:
            panel.fill_between(at, low, high, color=colour, alpha=0.15, lw=0)
    return line
