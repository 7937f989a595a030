"""What the pictures of a sweep share: losses as colours and along axes, and the marks of diverged and pruned trials."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from jaxmlp.plots.picture import FOURTH, TRAIN, per_cent, powers, ring
from jaxmlp.plots.trials import (
    LOSS,
    Rows,
    best_label,
    best_of,
    ceiling,
    diverged,
    logarithmic,
    measured,
    numbers,
    pruned,
)
from jaxmlp.plots.values import label
from jaxmlp.scores import Score

LOWEST = -1.0  # score that is shown where others are above it: R2 of a network that has learnt nothing has no bound
COLOURS, LOST, PRUNED = "viridis", "#8c8c8c", FOURTH  # dark is a low loss; grey a diverged trial, purple a pruned one


def colouring(losses: np.ndarray) -> tuple[Normalize, Literal["neither", "max"]]:
    """How losses (or errors) become colours, logarithmically if they differ much, and whether some are beyond the end."""
    if not losses.size:
        return Normalize(0, 1), "neither"
    low, high = float(losses.min()), ceiling(losses)
    extend, positive = "max" if losses.max() > high else "neither", losses[losses > 0]
    if positive.size and high > 3 * positive.min():
        return LogNorm(float(positive.min()), high, clip=True), extend
    return Normalize(low, high if high > low else low + (abs(low) or 1), clip=True), extend


def colour_bar(panel: Axes, shown: Any, extend: Any) -> Colorbar:
    """The colours of what is shown as a bar at the right of a panel, with round numbers."""
    bar = panel.figure.colorbar(shown, ax=panel, extend=extend, pad=0.02, aspect=25)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    low, high = shown.norm.vmin, shown.norm.vmax
    subs = (1.0,) if high > 1e3 * low else (1.0, 2.0, 5.0)
    logs = isinstance(shown.norm, LogNorm)
    bar.locator = LogLocator(subs=subs, numticks=9) if logs else MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
    bar.minorlocator = NullLocator()
    bar.formatter = FuncFormatter(lambda value, _: label(value))
    bar.update_ticks()
    return bar


def score_axis(panel: Axes, measure: Score, values: np.ndarray) -> str:
    """The y-axis of a score. One below LOWEST is cut off, lest it flatten all others: returns the end of the title."""
    panel.margins(y=0.08)
    if measure.unit:
        per_cent(panel.yaxis)
    finite = values[np.isfinite(values)]
    if not finite.size or not finite.min() < LOWEST < finite.max():
        return ""
    panel.set_ylim(LOWEST, max(float(finite.max()), 0) + 0.08 * (float(finite.max()) - LOWEST))
    return f" (cut at {LOWEST:g})"


def measure_axis(panel: Axes, losses: np.ndarray) -> None:
    """The y-axis of losses, logarithmic if they differ much and without ticks where there are none."""
    panel.margins(y=0.08)
    if not losses.size:
        panel.set_yticks([])
    elif logarithmic(losses):
        panel.set_yscale("log")
        powers(panel.yaxis, losses.min(), losses.max())


def lost(trials: int) -> dict[str, Any]:
    """How so many diverged trials are drawn, and called in the legend."""
    return {"color": LOST, "gid": "diverged", "label": f"diverged ({trials:,})"}


def crosses(panel: Axes, x: np.ndarray) -> None:
    """Diverged trials, as a row along the top of a panel."""
    if len(x):
        panel.plot(x, np.full(len(x), 0.97), "x", ms=5, mew=1.1, transform=panel.get_xaxis_transform(), **lost(len(x)))


def dots(panel: Axes, x: np.ndarray, rows: Rows, axes: Sequence[str], best: int | None, size: float | int) -> None:
    """The loss of every trial over x: the best is ringed, pruned ones have a colour of their own, diverged ones a cross."""
    losses = measured(rows, LOSS)
    top = ceiling(losses)
    measure_axis(panel, np.minimum(losses, top))
    heights = np.minimum(numbers([row.get(LOSS) for row in rows]), top)
    early, ended = (np.array([holds(row) for row in rows], bool) for holds in (pruned, diverged))
    style = {"ms": size, "mew": 0, "alpha": opacity(rows)}
    panel.plot(x[~early & ~ended], heights[~early & ~ended], "o", color=TRAIN, **style)
    if early.any():
        text = f"pruned ({early.sum():,}): the loss of fewer epochs"
        panel.plot(x[early], heights[early], "o", color=PRUNED, label=text, gid="pruned", **style)
    crosses(panel, x[ended])
    if winner := best_of(rows, best):
        index = list(rows).index(winner)
        ring(panel, x[index], heights[index], best_label([winner], axes))


def opacity(rows: Rows) -> float:
    """The opacity of a mark: the more trials, the more transparent."""
    return float(np.clip(9 / math.sqrt(max(len(rows), 1)), 0.3, 0.9))
