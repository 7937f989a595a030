"""What the pictures of a sweep share: losses as colours and along axes, and the marks of diverged and pruned trials."""

import math
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from jaxmlp.plots.picture import FOURTH, TRAIN, per_cent, powers
from jaxmlp.plots.trials import Rows, ceiling, diverged, logarithmic, pruned
from jaxmlp.plots.values import label

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


def colour_bar(place: Axes, shown: Any, extend: Any) -> Colorbar:
    """The colours of what is shown as a bar at the right of a panel, with round numbers."""
    bar = place.figure.colorbar(shown, ax=place, extend=extend, pad=0.02, aspect=25)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    low, high = shown.norm.vmin, shown.norm.vmax
    subs = (1.0,) if high > 1e3 * low else (1.0, 2.0, 5.0)
    logs = isinstance(shown.norm, LogNorm)
    bar.locator = LogLocator(subs=subs, numticks=9) if logs else MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
    bar.minorlocator = NullLocator()
    bar.formatter = FuncFormatter(lambda value, _: label(value))
    bar.update_ticks()
    return bar


def measure_axis(place: Axes, losses: np.ndarray | None) -> None:
    """The y-axis of losses, logarithmic if they differ much and without ticks where there are none; or of shares."""
    place.margins(y=0.08)
    if losses is None:
        per_cent(place.yaxis)
    elif not losses.size:
        place.set_yticks([])
    elif logarithmic(losses):
        place.set_yscale("log")
        powers(place.yaxis, losses.min(), losses.max())


def crosses(place: Axes, x: np.ndarray) -> None:
    """Diverged trials, as a row along the top of a panel."""
    if len(x):
        style = {"color": LOST, "ms": 5, "mew": 1.1, "label": f"diverged ({len(x)})", "gid": "diverged"}
        place.plot(x, np.full(len(x), 0.97), "x", transform=place.get_xaxis_transform(), **style)


def dots(place: Axes, x: np.ndarray, y: np.ndarray, rows: Rows, size: float | int) -> None:
    """Every trial that did not diverge as a dot; pruned ones have a colour of their own."""
    early, lost = (np.array([of(row) for row in rows], bool) for of in (pruned, diverged))
    style = {"ms": size, "mew": 0, "alpha": opacity(rows)}
    place.plot(x[~early & ~lost], y[~early & ~lost], "o", color=TRAIN, **style)
    if early.any():
        text = f"pruned ({early.sum():,}): the loss of fewer epochs"
        place.plot(x[early], y[early], "o", color=PRUNED, label=text, gid="pruned", **style)
    crosses(place, x[lost])


def opacity(rows: Rows) -> float:
    """The more there are, the more transparent."""
    return float(np.clip(9 / math.sqrt(max(len(rows), 1)), 0.3, 0.9))
