"""How the values of a sweep lie along one of its axes: at their logarithm, at their value, or evenly if they are words."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from jaxmlp.plots.picture import QUIET
from jaxmlp.plots.trials import Rows
from jaxmlp.plots.values import ABSENT, comparable, distinct, is_number, label, last, short

Kind = Literal["log", "linear", "text"]


class Scale(NamedTuple):
    """An axis of a sweep; 0 on a logarithmic one, and the level of trials that do not read it, stand apart at its left."""

    name: str
    kind: Kind
    positions: np.ndarray  # [rows], as matplotlib takes them
    levels: dict[float, str]  # position and label of every distinct value, in order

    @classmethod
    def of(cls, rows: Rows, key: str, kind: Kind | None = None) -> "Scale":
        """The scale of the values under `key`, of the kind that suits them unless it is given."""
        values = [row.get(key) for row in rows]
        order = distinct(values)
        real = [value for value in order if value is not None]
        kind = kind or _kind(real)
        if kind == "text":
            positions = {comparable(value): float(i) for i, value in enumerate(order)}
        else:
            positions = {value: float(value) for value in real if kind == "linear" or value > 0}
            low, high = min(positions.values()), max(positions.values())
            for step, value in enumerate((value for value in order if comparable(value) not in positions), 1):
                by = (low / high) ** 0.15 if low < high else 0.1
                positions[comparable(value)] = (
                    low * by**step if kind == "log" else low - step * (0.15 * (high - low) or 1.0)
                )
        levels = {positions[comparable(value)]: short(label(value), 22) for value in order}
        return cls(
            last(key), kind, np.array([positions[comparable(value)] for value in values]), dict(sorted(levels.items()))
        )

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the axis: half a step beyond the outer words, a little beyond the outer numbers."""
        low, high = min(self.levels), max(self.levels)
        if self.kind == "log":
            rim = (high / low) ** 0.05 if low < high else 2
            return low / rim, high * rim
        rim = 0.5 if self.kind == "text" else 0.05 * (high - low) or 0.5 * abs(low) or 0.5
        return low - rim, high + rim

    def shares(self, positions: np.ndarray) -> np.ndarray:
        """How far along the axis they are: 0 at its lower end, 1 at its upper."""
        low, high = np.log(self.limits) if self.kind == "log" else self.limits
        return ((np.log(positions) if self.kind == "log" else positions) - low) / (high - low)

    def positions_at(self, shares: np.ndarray) -> np.ndarray:
        """The inverse of `shares`."""
        low, high = np.log(self.limits) if self.kind == "log" else self.limits
        positions = low + shares * (high - low)
        return np.exp(positions) if self.kind == "log" else positions

    def jittered(self) -> np.ndarray:
        """The shares of all trials, those of one value moved apart a little, so that all are seen."""
        width = min(0.15 / len(self.levels), 0.03) if self.kind == "text" else 0.01
        return self.shares(self.positions) + sidesteps(self.positions, width)

    def on(self, axis: XAxis | YAxis, letters: int = 22) -> None:
        """Make it the x-axis or y-axis of a panel: its limits, and its ticks with labels of at most so many letters."""
        axis.axes.set(**{f"{axis.axis_name}scale": "log" if self.kind == "log" else "linear"})
        axis.axes.set(**{f"{axis.axis_name}lim": self.limits})
        ticks = self.levels if self.kind == "text" or len(self.levels) <= 10 else self._round()
        axis.set_ticks(list(ticks), [short(text, letters) for text in ticks.values()])
        axis.set_minor_locator(NullLocator())

    def below(self, axes: Axes) -> None:
        """Make it the x-axis of a panel, broken between its values and what stands apart."""
        self.on(axes.xaxis)
        axes.set_xlabel(short(self.name, 40))
        apart, real = self._parts()
        if apart and real:
            middle = self.shares(np.array([max(apart), min(real)])).mean()
            axes.text(middle, 0, "//", transform=axes.transAxes, color=QUIET, ha="center", va="center", fontsize=9)

    def _parts(self) -> tuple[list[float], list[float]]:
        """The positions of 0 on a logarithmic axis and of trials without the key; all others."""
        aside = () if self.kind == "text" else (ABSENT, "0") if self.kind == "log" else (ABSENT,)
        apart = [x for x, text in self.levels.items() if text in aside]
        return apart, [x for x in self.levels if x not in apart]

    def _round(self) -> dict[float, str]:
        """Round numbers between the smallest and the largest, and what stands apart from them."""
        apart, real = self._parts()
        low, high = min(real), max(real)
        subs = (1.0,) if high > 100 * low else (1.0, 2.0, 5.0)
        locator = LogLocator(subs=subs, numticks=9) if self.kind == "log" else MaxNLocator(6)
        rim = 1e-9 * (high - low)
        inside = [float(x) for x in locator.tick_values(low, high) if low - rim <= x <= high + rim]
        return {x: self.levels[x] for x in apart} | {x: label(float(f"{x:.9g}")) for x in inside}


def sidesteps(positions: np.ndarray, width: float | int) -> np.ndarray:
    """Offsets that separate trials at one position, by up to `width` to both sides; 0 where positions are many."""
    moved, levels = np.zeros(len(positions)), np.unique(positions)
    for level in levels if len(levels) <= 20 else ():
        here = np.flatnonzero(positions == level)
        moved[here] = np.linspace(-width, width, len(here)) if len(here) > 1 else 0
    return moved


def _kind(values: Sequence[Any]) -> Kind:
    """Logarithmic where the values span a factor of 20 and the median of the logarithms is nearer to the middle."""
    if not values or not all(map(is_number, values)):
        return "text"
    sizes = np.array(values, float)
    positive = sizes[sizes > 0]
    if (sizes < 0).any() or not positive.size or positive.max() < 20 * positive.min():
        return "linear"
    off = [abs(np.median(x) - (x.min() + x.max()) / 2) / np.ptp(x) for x in (np.log(positive), positive)]
    return "log" if off[0] <= off[1] else "linear"
