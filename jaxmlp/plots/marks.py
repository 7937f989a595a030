"""What the pictures of a sweep share: who diverged, the best in words, losses as colours, headings, axes and marks.

A trial is diverged if its status says so or its loss is not finite; it is shown, and never part of a mean.
A pruned one is part of a mean, and marked: its loss is that of fewer epochs.
"""

import math
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jaxmlp.plots.canvas import FOURTH, INK, QUIET, RULE, TRAIN, VALIDATION, panel
from jaxmlp.plots.scale import Row, Rows, Scale, label, last, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

LOSS, ACCURACY = "validation_loss", "validation_accuracy"
COLOURS, LOST, PRUNED = "viridis", "#8c8c8c", FOURTH  # dark is a low loss; grey a diverged trial, purple a pruned one


def diverged(row: Row) -> bool:
    """By its own word, or for want of a finite loss."""
    return row["status"] == "diverged" or not math.isfinite(number(row.get(LOSS)))


def pruned(row: Row) -> bool:
    """Taken out at a rung, with a finite loss of its last epoch so far."""
    return row["status"] == "pruned" and not diverged(row)


def number(value: Any) -> float:
    """None, as JSON has it for what is not finite, is NaN; so is an infinity."""
    return float(value) if value is not None and math.isfinite(value) else math.nan


def measured(rows: Rows, key: str) -> np.ndarray:
    """The finite values of the trials that did not diverge; may be empty."""
    values = np.array([number(row.get(key)) for row in rows if not diverged(row)], float)
    return values[np.isfinite(values)]


def described(row: Row, axes: Sequence[str]) -> str:
    """The values of a trial on its axes: `learning_rate 0.3, momentum 0.9`."""
    named = [f"{last(key)} {short(label(row[key]), 22)}" for key in axes if row.get(key) is not None]
    return ", ".join(named) if named else f"seed {row.get('seed', 0)}"


def scores(loss: float, accuracy: float) -> str:
    """A loss and an accuracy in words."""
    known = f"loss {loss:.4g}" if math.isfinite(loss) else ""
    return known + (f", accuracy {100 * accuracy:.2f} %" if math.isfinite(accuracy) else "")


def best_of(rows: Rows, best: int | None) -> Row | None:
    """The row of the best trial, if it is there and has a loss."""
    return next((row for row in rows if row["trial"] == best and math.isfinite(number(row.get(LOSS)))), None)


def best_words(rows: Rows, axes: Sequence[str], best: int | None) -> str:
    """The line under the title."""
    row = best_of(rows, best)
    if row is None:
        return "every trial diverged" if rows and all(map(diverged, rows)) else ""
    score = scores(number(row.get(LOSS)), number(row.get(ACCURACY)))
    return f"best: {score} (trial {best}): {described(row, axes)}"


def ceiling(losses: np.ndarray) -> float:
    """Where a picture cuts off: 30 times the median, lest a single explosion flatten all others."""
    return min(float(losses.max()), 30 * float(np.median(losses)) or math.inf) if losses.size else 1.0


def logarithmic(losses: np.ndarray) -> bool:
    """Whether they differ so much that a logarithmic axis shows more."""
    return bool(losses.size and losses.min() > 0 and losses.max() > 3 * losses.min())


def colouring(losses: np.ndarray) -> tuple["Normalize", Literal["neither", "max"]]:
    """How losses (or errors) become colours, logarithmically if they differ much, and whether some are beyond the end."""
    from matplotlib.colors import LogNorm, Normalize

    if not losses.size:
        return Normalize(0, 1), "neither"
    low, high = float(losses.min()), ceiling(losses)
    positive = losses[losses > 0]
    if positive.size and high > 3 * positive.min():
        return LogNorm(float(positive.min()), high, clip=True), "max" if losses.max() > high else "neither"
    high = high if high > low else low + (abs(low) or 1)
    norm = Normalize(low, high, clip=True)
    return norm, "max" if losses.max() > high else "neither"


def heading(figure: "Figure", title: str, detail: str = "") -> None:
    """What the picture shows, and under it the best in the colour of its mark."""
    width, height = figure.bbox.width, figure.bbox.height
    figure.text(20 / width, 1 - 16 / height, title, va="top", fontsize=13, color=INK, parse_math=False)
    joined = re.sub(r" (?=\S+[,:)])", "\xa0", detail)  # a name and its value stay on one line
    lines = textwrap.wrap(joined, int((width - 40) / 7), max_lines=2, placeholder=" …")
    said = "\n".join(lines).replace("\xa0", " ")
    figure.text(20 / width, 1 - 44 / height, said, va="top", fontsize=9.5, color=VALIDATION, parse_math=False)


def subtitle(axes: "Axes", text: str) -> None:
    """The title of a panel."""
    axes.set_title(text, loc="left", y=1.0, fontsize=11, color=INK, parse_math=False)


def legend(axes: "Axes", left: bool = False) -> None:
    """In one row above the panel, at its right or left."""
    if axes.get_legend_handles_labels()[1]:
        loc, corner = ("lower left", (-0.01, 1.0)) if left else ("lower right", (1.01, 1.0))
        axes.legend(
            loc=loc, bbox_to_anchor=corner, ncols=4, frameon=False, labelcolor=INK, fontsize=8.5,
            borderaxespad=0.1, handlelength=1.4, handletextpad=0.4, columnspacing=1.1,
        )  # fmt: skip


def plain(axes: "Axes", loss: np.ndarray | None) -> None:
    """A grid and no box; given losses, their axis is logarithmic if they differ much, otherwise it is one of shares."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.grid(axis="y", color=RULE, lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if loss is None:
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.6g} %")
    elif not loss.size:
        axes.set_yticks([])
    elif logarithmic(loss):
        axes.set_yscale("log")
        subs = (1.0,) if loss.max() > 1e3 * loss.min() else (1.0, 2.0, 5.0)
        axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=9))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: label(value)))


def below(axes: "Axes", scale: Scale) -> None:
    """The axis of a sweep as the x-axis of a panel."""
    from matplotlib.ticker import FixedLocator

    axes.set_xlim(*scale.limits)
    upright = scale.upright(axes.bbox.width)
    ticks = scale.ticks(axes.bbox.width, across=not upright)
    axes.set_xticks(list(ticks), list(ticks.values()), rotation=90 if upright else 0, parse_math=False)
    axes.xaxis.set_minor_locator(FixedLocator(list(scale.levels) if len(scale.levels) <= 10 else []))
    axes.tick_params(axis="x", which="minor", length=3, width=0.6, color=QUIET)
    axes.set_xlabel(short(scale.name, 40), color=QUIET, parse_math=False)
    if scale.gap is not None:
        broken = {"color": QUIET, "ha": "center", "va": "center", "fontsize": 9, "zorder": 9}
        axes.text(scale.gap, 0, "//", transform=axes.get_xaxis_transform(), **broken)


def crosses(axes: "Axes", places: np.ndarray) -> None:
    """Diverged trials, as a row along the top of a panel."""
    if len(places):
        axes.plot(
            places, np.full(len(places), 0.97), "x", transform=axes.get_xaxis_transform(), color=LOST, ms=5, mew=1.1,
            label=f"diverged ({len(places)})", gid="diverged",
        )  # fmt: skip


def dots(axes: "Axes", x: np.ndarray, y: np.ndarray, rows: Rows, size: float | int) -> None:
    """Every trial that did not diverge as a dot; where some were pruned, those have a colour of their own."""
    early, lost = (np.array([of(row) for row in rows], bool) for of in (pruned, diverged))
    style = {"ms": size, "mew": 0, "alpha": opacity(rows)}
    axes.plot(x[~early & ~lost], y[~early & ~lost], "o", color=TRAIN, **style)
    if early.any():
        axes.plot(x[early], y[early], "o", color=PRUNED, label="pruned", gid="pruned", **style)


def colour_bar(place: "Axes", shown: Any, extend: Any, text: Callable[[float], str] = label, gap: int = 12) -> "Axes":
    """The colours of what is shown as a bar at the right of a panel, with round numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    box, figure = place.bbox, place.figure
    bar_at = panel(figure, (round(box.x1) + gap, round(box.y0), 10, round(box.height)))  # pyright: ignore[reportArgumentType]
    bar = place.figure.colorbar(shown, cax=bar_at, extend=extend)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    low, high = shown.norm.vmin, shown.norm.vmax
    wide = low > 0 and type(shown.norm).__name__ == "LogNorm"
    subs = (1.0,) if wide and high > 1e3 * low else (1.0, 2.0, 5.0)
    bar.locator = LogLocator(subs=subs, numticks=9) if wide else MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
    bar.minorlocator = NullLocator()
    bar.formatter = FuncFormatter(lambda x, _: text(x))
    bar.update_ticks()
    bar_at.tick_params(labelsize=8.5, length=2)
    return bar_at


def apart(scale: Scale) -> np.ndarray:
    """Trials of the same value move apart by a small share of the axis, so that all are seen."""
    moved = np.zeros(len(scale.positions))
    width = min(0.15 / len(scale.levels), 0.03) if scale.kind == "text" else 0.01
    for place in scale.levels if len(scale.levels) <= 20 else ():
        here = np.flatnonzero(scale.positions == place)
        moved[here] = np.linspace(-width, width, len(here)) if len(here) > 1 else 0
    return moved


def opacity(rows: Rows) -> float:
    """The more there are, the more transparent."""
    return float(np.clip(9 / math.sqrt(max(len(rows), 1)), 0.3, 0.9))
