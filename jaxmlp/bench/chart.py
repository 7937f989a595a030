"""The bar chart, an epoch of one network by each entry with the machine's limit as a line; and the picture of the growth."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import NullLocator

from jaxmlp.bench.entries import FLOOR, LIMIT
from jaxmlp.bench.growth import Line
from jaxmlp.bench.measuring import Measurement
from jaxmlp.bench.programs import SETS
from jaxmlp.bench.reached import TITLES as PROGRAM_TITLES
from jaxmlp.bench.reached import Reached, reached
from jaxmlp.bench.results import Results
from jaxmlp.bench.running import Outcome
from jaxmlp.bench.shares import BATCHES, WIDTHS, Cell
from jaxmlp.bench.shares import names as names_of
from jaxmlp.bench.table import digits
from jaxmlp.bench.task import Task
from jaxmlp.plots.picture import INK, QUIET, THIRD, TRAIN, VALIDATION, Picture, powers, styled
from jaxmlp.text import count

OFF = "#8c8c8c"  # of an entry whose loss is off
PARTS = {"run": "one network", "grid": "many networks, each"}
TITLES = {**PARTS, "limits": "the machine"}
COLOURS = {"run": TRAIN, "grid": THIRD, "limits": VALIDATION}  # of ours; others are lighter
LIGHT = 0.4
WIDE = 30.0  # times the least, from which on the axis is logarithmic


@styled
def bars(results: Results) -> Picture:
    """Milliseconds an epoch: a panel for one network and one for many, the fastest at the top, least to most as a line."""
    parts = {part: _sorted(results, part) for part in PARTS}
    parts = {part: shown for part, shown in parts.items() if shown} or {"limits": _sorted(results, "limits")}
    heights = [len(shown) + 0.8 for shown in parts.values()]
    figure = Picture(8, 1.5 + 0.3 * sum(heights))
    panels = figure.subplots(len(parts), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for panel, (part, shown) in zip(panels, parts.items(), strict=True):
        for row, measurement in enumerate(shown):
            _bar(panel, row, measurement, part, results)
        panel.set_yticks(range(len(shown)), [measurement.entry.name for measurement in shown])
        panel.set(title=TITLES[part], ylim=(len(shown) - 0.4, -0.6))
        panel.tick_params(axis="y", length=0, labelcolor=INK)
        panel.grid(visible=False, axis="y")
        panel.spines["left"].set_visible(False)
        panel.margins(x=0.12)
        if _far_apart(results):
            panel.set_xscale("log")
            panel.set_xlim(left=0.5e3 * min(measurement.median for measurement in results.measured))
            powers(panel.xaxis)
    for name, colour, style in ((LIMIT, VALIDATION, "-"), (FLOOR, VALIDATION, "--")):
        if measurement := results.called(name):
            for panel in panels:
                label = "limit: the machine's large product" if name == LIMIT else "its products alone, as a scan"
                panel.axvline(1e3 * measurement.median, color=colour, ls=style, lw=1.6, label=label, gid=name, zorder=4)
    panels[-1].set_xlabel("milliseconds an epoch of one network (median; thin: least to most)")
    sizes = "-".join(map(str, results.task.sizes))
    figure.head(
        f"{sizes}, {results.task.examples:,} examples, batch {results.task.batch}: {count(results.rounds, 'round')}"
    )
    return figure


@styled
def growth(lines: Sequence[Line]) -> Picture:
    """The seconds of a training over each size, both logarithmic; the exponent is the slope."""
    columns = min(3, max(len(lines), 1))
    rows = -(-max(len(lines), 1) // columns)
    figure = Picture(3 * columns + 0.5, 2.4 * rows + 1)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel, grown in zip(panels, lines, strict=False):
        panel.loglog(grown.values, grown.seconds, "o-", color=TRAIN, ms=5, lw=1.8, gid=grown.axis)
        panel.set(title=f"{grown.axis}, exponent {grown.exponent:.2f}")
        panel.set_xticks(grown.values, [f"{value:,}" for value in grown.values])
        panel.xaxis.set_minor_locator(NullLocator())
        powers(panel.yaxis, min(grown.seconds), max(grown.seconds))
        panel.margins(y=0.15)
    for panel in panels[len(lines) :]:
        panel.set_visible(False)
    figure.head("Seconds of a training over each size")
    return figure


@styled
def programs(preset: str, task: Task, outcomes: Sequence[Outcome]) -> Picture:
    """Seconds to the goal: a panel for each part, the fastest at the top, least to most as a line."""
    parts = {part: sorted(reached(part, preset, outcomes), key=_when) for part in PROGRAM_TITLES}
    parts = {part: rows for part, rows in parts.items() if rows}
    heights = [len(rows) + 0.8 for rows in parts.values()]
    figure = Picture(8, 1.5 + 0.4 * sum(heights))
    panels = figure.subplots(max(len(parts), 1), 1, squeeze=False, height_ratios=heights or None)[:, 0]
    for panel, rows in zip(panels, parts.values(), strict=False):
        for number, row in enumerate(rows):
            _program_bar(panel, number, row)
        panel.set_yticks(range(len(rows)), [row.outcome.program.name for row in rows])
        panel.set(
            title=PROGRAM_TITLES[rows[0].outcome.program.part].format(SETS[preset][1]), ylim=(len(rows) - 0.4, -0.6)
        )
        panel.tick_params(axis="y", length=0, labelcolor=INK)
        panel.grid(visible=False, axis="y")
        panel.spines["left"].set_visible(False)
        panel.margins(x=0.12)
    panels[-1].set_xlabel("seconds (median; thin: least to most)")
    figure.head(f"Whole programs: {'-'.join(map(str, task.sizes))} on {SETS[preset][0]}")
    return figure


@styled
def shares(cells: Sequence[Cell], task: Task) -> Picture:
    """A map for each entry: the share of the machine's large product over batch and width, in per cent."""
    names = names_of(cells)
    figure = Picture(max(4.2 * len(names), 6), 4.6)
    panels = figure.subplots(1, max(len(names), 1), squeeze=False, sharey=True)[0]
    for panel, name in zip(panels, names, strict=False):
        shown = np.full((len(BATCHES), len(WIDTHS)), np.nan)
        for cell in cells:
            shown[BATCHES.index(cell.batch), WIDTHS.index(cell.width)] = 100 * cell.shares.get(name, math.nan)
        panel.imshow(shown, cmap="Blues", vmin=0, vmax=130, origin="lower", aspect="auto", gid=name)
        for (row, column), share in np.ndenumerate(shown):
            text = "–" if np.isnan(share) else f"{share:.0f}"
            panel.text(column, row, text, ha="center", va="center", color="white" if share > 75 else INK)
        panel.set_xticks(range(len(WIDTHS)), [f"{width:,}" for width in WIDTHS])
        panel.set_yticks(range(len(BATCHES)), [f"{batch:,}" for batch in BATCHES])
        panel.set(title=name, xlabel="width of the hidden layer")
        panel.grid(visible=False)
    panels[0].set_ylabel("batch")
    figure.head(f"Share of the machine's large product, in %: {task.inputs} inputs, {task.outputs} outputs")
    return figure


def _when(row: Reached) -> float:
    return math.inf if row.median is None else row.median


def _program_bar(panel, number: int, row: Reached) -> None:
    """One program, its seconds at the right."""
    program, style = row.outcome.program, {"va": "center", "color": INK, "fontsize": 9}
    if row.median is None:
        panel.annotate(f"not reached: {row.what}", (0, number), xytext=(5, 0), textcoords="offset points", **style)
        return
    alpha = LIGHT if program.peer else 1
    panel.barh(number, row.median, height=0.66, color=TRAIN, alpha=alpha, lw=0, gid=f"{program.part} {program.name}")
    panel.hlines(number, min(row.seconds), max(row.seconds), color=QUIET, lw=1)
    at = max(row.seconds), number
    panel.annotate(f"{row.median:.1f}", at, xytext=(5, 0), textcoords="offset points", **style)


def _far_apart(results: Results) -> bool:
    """Whether the shortest bars would be hidden behind the line of the limit."""
    times = [measurement.median for measurement in results.measured]
    return bool(times) and max(times) > WIDE * min(times)


def _sorted(results: Results, part: str) -> list[Measurement]:
    return sorted((m for m in results.measured if m.entry.part == part), key=lambda measurement: measurement.median)


def _bar(panel, row: int, measurement: Measurement, part: str, results: Results) -> None:
    """One entry, its number at the right."""
    off, low, high = results.off(measurement), 1e3 * min(measurement.seconds), 1e3 * max(measurement.seconds)
    colour = OFF if off else COLOURS[part]
    alpha = LIGHT if measurement.entry.peer and not off else 1
    panel.barh(row, 1e3 * measurement.median, height=0.66, color=colour, alpha=alpha, lw=0, gid=measurement.entry.name)
    panel.hlines(row, low, high, color=QUIET, lw=1)
    text = digits(measurement.median) + ("  another loss" if off else "")
    at, above = (max(high, 1e3 * measurement.median), row), {"boxstyle": "square,pad=0.1", "fc": "white", "lw": 0}
    style = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "color": INK, "fontsize": 9}
    panel.annotate(text, at, bbox=above, zorder=5, **style)  # above the lines
