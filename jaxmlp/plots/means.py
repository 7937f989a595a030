"""Pictures of a sweep in which seeds are averaged: a map of two axes, and lines over one or two.

A group is the trials that agree on every axis; means are over those of them that did not diverge.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxmlp.plots.canvas import DPI, FOURTH, INK, QUIET, THIRD, TRAIN, VALIDATION, page, panel, write
from jaxmlp.plots.marks import (
    ACCURACY,
    COLOURS,
    LOSS,
    PRUNED,
    below,
    best_of,
    ceiling,
    colour_bar,
    colouring,
    crosses,
    described,
    diverged,
    heading,
    legend,
    measured,
    plain,
    pruned,
    scores,
    subtitle,
)
from jaxmlp.plots.scale import Row, Rows, Scale, distinct, identity, is_number, label, last, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

WRITTEN = 12  # a map of more cells a side has no numbers in them
HUES = (TRAIN, THIRD, "#e69f00", "#56b4e9", INK, FOURTH)  # of Okabe and Ito; vermilion is the best


class Cells(NamedTuple):
    """The trials of a sweep over two axes by their place in the map; levels as labels, first axis across."""

    across: list[str]
    up: list[str]
    trials: dict[tuple[int, int], list[Row]]  # (row, column), row 0 at the bottom

    @classmethod
    def of(cls, rows: Rows, axes: Sequence[str]) -> "Cells":
        """Numbers grow to the right and up; words are read from left to right and from top to bottom."""
        across, up = (distinct([row.get(key) for row in rows]) for key in axes)
        if not all(is_number(value) for value in up if value is not None):
            up.reverse()
        columns, lines = ({identity(value): i for i, value in enumerate(levels)} for levels in (across, up))
        places = [(lines[identity(row.get(axes[1]))], columns[identity(row.get(axes[0]))]) for row in rows]
        return cls([short(label(v), 22) for v in across], [short(label(v), 22) for v in up], grouped(rows, places))

    def means(self, key: str) -> np.ndarray:
        """The mean over the seeds that did not diverge; NaN where there is none."""
        table = np.full((len(self.up), len(self.across)), np.nan)
        for place, trials in self.trials.items():
            table[place] = mean(trials, key)
        return table


def grouped(rows: Rows, places: Sequence[Any]) -> dict[Any, list[Row]]:
    """The rows at each place."""
    groups: dict[Any, list[Row]] = {}
    for row, place in zip(rows, places, strict=True):
        groups.setdefault(place, []).append(row)
    return groups


def mean(rows: Rows, key: str) -> float:
    """Over the trials that did not diverge; NaN where there is none."""
    values = measured(rows, key)
    return float(values.mean()) if values.size else math.nan


def winner(groups: Mapping[Any, list[Row]], best: int | None) -> Any | None:
    """The group to ring: that of the best trial; but where seeds are averaged, the lowest mean loss.

    A group of which a seed diverged comes after all that are whole. None if every trial diverged.
    """
    if all(len(rows) == 1 for rows in groups.values()):
        return next((place for place, rows in groups.items() if best_of(rows, best)), None)
    order = {place: (any(map(diverged, rows)), mean(rows, LOSS)) for place, rows in groups.items()}
    return min((place for place in order if math.isfinite(order[place][1])), key=order.__getitem__, default=None)


def winner_words(groups: Mapping[Any, list[Row]], axes: Sequence[str], place: Any) -> str:
    """The line under the title: what is ringed, and how good it is."""
    if place is None:
        return "every trial diverged" if all(diverged(row) for rows in groups.values() for row in rows) else ""
    rows = groups[place]
    seeds = f" (mean of {len(rows)} seeds)" if len(rows) > 1 else f" (trial {rows[0]['trial']})"
    return f"best: {scores(mean(rows, LOSS), mean(rows, ACCURACY))}{seeds}: {described(rows[0], axes)}"


def heat_map(path: Path, rows: Rows, axes: Sequence[str], best: int | None) -> None:
    """Mean validation loss and accuracy over the seeds for every pair of values on two axes; the best cell ringed.

    Up to WRITTEN x WRITTEN cells have their numbers written in. Cells of which every seed diverged are grey and hatched;
    those with pruned trials have a purple corner.
    """
    cells = Cells.of(rows, axes)
    ring = winner(cells.trials, best)
    H, W = len(cells.up), len(cells.across)
    wide = min(max(60, 7 * max(map(len, cells.across)) + 12), 120)  # a cell
    width, height = int(np.clip(wide * W, 240, 480)), int(np.clip(46 * H, 140, 480))
    upright = max(map(len, cells.across)) * 7 + 6 > width / W
    left = 50 + 7 * max(map(len, cells.up))
    under = 45 + (7 * max(map(len, cells.across)) if upright else 18)
    figure = page(left + 2 * (width + 90) + 20, under + height + 112)
    title = f"Validation loss over {short(last(axes[0]), 30)} and {short(last(axes[1]), 30)}"
    heading(figure, title, winner_words(cells.trials, axes, ring))
    for index, (key, name) in enumerate(((LOSS, "Loss"), (ACCURACY, "Accuracy"))):
        place = panel(figure, (left + index * (width + 90), under, width, height))
        _map(place, cells, key, ring)
        subtitle(place, name)
        step = 1 if upright else math.ceil(W * 12 / width)
        place.set_xticks(range(0, W, step), cells.across[::step], rotation=90 * upright, parse_math=False)
        step = math.ceil(H * 14 / height)
        place.set_yticks(range(0, H, step), [] if index else cells.up[::step], parse_math=False)
        place.set_xlabel(short(last(axes[0]), 40), color=QUIET, parse_math=False)
        if not index:
            place.set_ylabel(short(last(axes[1]), 40), color=QUIET, parse_math=False)
            legend(place)
    write(path, figure)


def lines_over_axis(path: Path, rows: Rows, axis: str, best: int | None, by: str | None = None) -> None:
    """Validation loss and accuracy over the values of an axis: mean, range over the seeds, and every trial a point.

    Given a second axis, `by`, a line and colour for each of its values. A third panel has the sparsity of the weights if it
    varies. The best is ringed; a mean with pruned trials is hollow.
    """
    scale = Scale.of(rows, axis)
    values = [row.get(by) if by else None for row in rows]
    hues = {identity(value): value for value in distinct(values)}
    of = map(identity, values)
    groups = grouped(rows, list(zip(of, scale.positions.tolist(), strict=True)))
    ring, losses = winner(groups, best), measured(rows, LOSS)
    shares = measured(rows, "sparsity")
    keys = {LOSS: ("Validation loss", TRAIN), ACCURACY: ("Validation accuracy", TRAIN)}
    keys |= {"sparsity": ("Sparsity: weights below 1e-3", THIRD)} if shares.size and np.ptp(shares) > 0.01 else {}
    width = 405 if len(keys) == 2 else 320
    under = scale.depth(width) + 10
    named, names = len(hues) > 1, [short(label(value), 22) for value in hues.values()]
    by_name = short(last(by), 22) if by and named else ""
    beside = 50 + 7 * max(map(len, [by_name, *names])) if named else 0
    figure = page(70 + len(keys) * (width + 100) - 80 + beside, under + 380)
    seeds = max(map(len, groups.values()))
    title = f"Validation loss and accuracy over {short(scale.name, 40)}"
    title += f", a colour for each {by_name}" if named else ""
    title += f": mean and range of {seeds} seeds" if seeds > 1 else ""
    heading(figure, title, winner_words(groups, [axis, by] if by else [axis], ring))
    top = ceiling(losses)
    for index, (key, (name, colour)) in enumerate(keys.items()):
        place = panel(figure, (70 + index * (width + 100), under, width, 270))
        plain(place, np.minimum(losses, top) if key == LOSS or not losses.size else None)
        high = top if key == LOSS else math.inf
        lines = []
        for hue, own in zip(hues, HUES, strict=False):
            part = {x: trials for (which, x), trials in groups.items() if which == hue}
            lines.append(_line(place, part, key, own if named else colour, scale.kind, high))
        if key == LOSS:
            crosses(place, scale.positions[[diverged(row) for row in rows]])
        elif key == ACCURACY and any(map(pruned, rows)):
            place.plot([], [], "o", mfc="white", mec=QUIET, ms=5, label="pruned")
        if ring is not None and math.isfinite(at := mean(groups[ring], key)):
            style = {"ms": 11, "mfc": "none", "mec": VALIDATION, "mew": 2, "zorder": 5, "gid": "best"}
            place.plot([ring[1]], [min(at, high)], "o", **style)
        place.margins(y=0.12)
        subtitle(place, name + (f" (cut at {top:.2g})" if key == LOSS and losses.size and losses.max() > top else ""))
        below(place, scale)
        legend(place)
        if named and index == len(keys) - 1:
            figure.legend(
                lines, names, loc="upper left", bbox_to_anchor=(1.03, 1.0), bbox_transform=place.transAxes, frameon=False,
                labelcolor=INK, fontsize=8.5, title=by_name, title_fontsize=9, handlelength=1.4, alignment="left",
            )  # fmt: skip
    write(path, figure)


def _map(place: "Axes", cells: Cells, key: str, ring: Any) -> None:
    """One measure of all cells; accuracies are coloured by their error, as losses are."""
    import matplotlib
    from matplotlib.patches import Rectangle

    table = cells.means(key)
    shown = table if key == LOSS else 1 - table
    norm, extend = colouring(shown[np.isfinite(shown)])
    colours = matplotlib.colormaps[COLOURS].with_extremes(bad="white")
    image = place.imshow(shown, cmap=colours, norm=norm, aspect="auto", interpolation="nearest", origin="lower")
    H, W = table.shape
    cell = (72 / DPI * place.bbox.width / W, 72 / DPI * place.bbox.height / H)  # in points
    fits = cell[0] > 34 and cell[1] > 10  # the word
    labels = iter([] if fits else ["diverged"])
    for (i, j), trials in cells.trials.items():
        lost = sum(map(diverged, trials))
        value = table[i, j]
        ink = "white" if math.isfinite(value) and norm(shown[i, j]) < 0.6 else INK
        if lost == len(trials):
            grey = Rectangle(
                (j - 0.5, i - 0.5), 1, 1, fc="#ededed", ec="#c4c4c4", hatch="////", lw=0, label=next(labels, None)
            )
            place.add_patch(grey)
            if fits:
                halo = {"fc": "#ededed", "ec": "none", "pad": 1.0}
                place.text(
                    j, i, "diverged", ha="center", va="center", color=QUIET, fontsize=min(9, cell[0] / 5), bbox=halo
                )
        elif math.isfinite(value) and max(H, W) <= WRITTEN:
            text = f"{value:#.3g}".rstrip(".") if key == LOSS else f"{100 * value:.1f}"
            text += f"\n{lost}/{len(trials)} div." if lost and cell[1] > 22 else ""
            size = min(10, 0.42 * cell[1], 1.5 * cell[0] / max(map(len, text.split("\n"))))
            place.text(j, i, text, ha="center", va="center", color=ink, fontsize=size)
    if ring is not None:
        edge = {"ec": VALIDATION, "fc": "none", "lw": 2.6, "zorder": 5, "clip_on": False}
        place.add_patch(Rectangle((ring[1] - 0.5, ring[0] - 0.5), 1, 1, gid="best", **edge))
    if early := [(j, i) for (i, j), trials in cells.trials.items() if any(map(pruned, trials))]:
        corner = {"ls": "", "color": PRUNED, "ms": min(20, *cell), "mew": 0, "clip_on": False}
        place.plot(*(np.array(early) + 0.5).T, marker=[(0, 0), (-1, 0), (0, -1), (0, 0)], gid="pruned", **corner)
        place.plot([], [], "s", color=PRUNED, ms=6, mew=0, label="pruned trials")
    place.spines[:].set_visible(False)
    if np.isfinite(shown).any():
        colour_bar(place, image, extend if key == LOSS else "neither", label if key == LOSS else _correct)


def _correct(error: float) -> str:
    return f"{100 * (1 - error):.5g} %"


def _line(place: "Axes", groups: Mapping[Any, list[Row]], key: str, colour: str, kind: str, top: float) -> "Line2D":
    """The mean over an axis, the range over the seeds as a band (or as bars over text), and single trials as points."""
    at = np.array(sorted(groups))
    found = [measured(groups[x], key) for x in at]
    low, middle, high = (
        np.minimum(np.array([of(values) if values.size else np.nan for values in found], float), top)
        for of in (np.min, np.mean, np.max)
    )
    several = any(values.size > 1 for values in found)
    if kind == "text":
        place.vlines(at, low, high, color=colour, alpha=0.25, lw=9)
    elif several:
        place.fill_between(at, low, high, color=colour, alpha=0.15, lw=0)
    if several:
        points = np.array([(x, min(y, top)) for x, values in zip(at, found, strict=True) for y in values])
        place.plot(*points.T, "o", color=colour, ms=3.5, mew=0, alpha=0.45)
    style = {"ls": "" if kind == "text" else "-", "lw": 1.8, "marker": "o" if len(at) <= 40 else ""}
    (line,) = place.plot(at, middle, color=colour, ms=5, **style)
    early = np.array([any(map(pruned, groups[x])) for x in at])
    if early.any():
        place.plot(at[early], middle[early], "o", mfc="white", mec=colour, ms=5 if len(at) <= 40 else 3, gid="pruned")
    return line
