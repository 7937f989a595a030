"""The rows of a sweep, and how their values on one of its axes lie on a line and are written."""

import math
import re
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Literal, NamedTuple

import numpy as np

Row = Mapping[str, Any]
Rows = Sequence[Row]
Kind = Literal["log", "linear", "text"]
ABSENT = "–"  # the label where a trial does not read an axis


class Scale(NamedTuple):
    """Where the trials stand along an axis: at their logarithm, at their value, or evenly if it is text."""

    name: str
    kind: Kind
    positions: np.ndarray  # [rows]
    levels: dict[float, str]  # position and label of every distinct value, in order

    @classmethod
    def of(cls, rows: Rows, key: str, kind: Kind | None = None) -> "Scale":
        """Of the kind that suits the values unless it is given; 0 on a logarithmic axis, and absent ones, stand apart."""
        values = [row.get(key) for row in rows]
        order = distinct(values)
        numbers = [value for value in order if value is not None]
        kind = kind or _kind(numbers)
        if kind == "text":
            places = {label(value): float(i) for i, value in enumerate(order)}
            positions = [places[label(value)] for value in values]
            return cls(last(key), kind, np.array(positions), {place: short(text, 22) for text, place in places.items()})
        places = {value: _place(value, kind) for value in numbers}
        real = [place for place in places.values() if math.isfinite(place)]
        step = 0.15 * (max(real) - min(real)) or 1.0
        places = {value: place if math.isfinite(place) else min(real) - step for value, place in places.items()}
        places |= {None: min(places.values()) - step} if None in order else {}
        levels = {place: label(value) for value, place in sorted(places.items(), key=lambda item: item[1])}
        return cls(last(key), kind, np.array([places[value] for value in values]), levels)

    @property
    def gap(self) -> float | None:
        """Where the line is broken between 0 and the logarithms, or beside the trials without the key."""
        apart = [place for place, text in self.levels.items() if text == ABSENT or (self.kind == "log" and text == "0")]
        if self.kind == "text" or not apart or len(apart) == len(self.levels):
            return None
        return (max(apart) + list(self.levels)[len(apart)]) / 2

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the axis: half a place beyond the outer words, a little beyond the outer numbers.

        A single number stands in the middle of an axis as wide as it is large: beside 1e30, 0.5 is nothing.
        """
        low, high = min(self.levels), max(self.levels)
        rim = 0.5 if self.kind == "text" else 0.05 * (high - low) or 0.5 * abs(low) or 0.5
        return low - rim, high + rim

    def ticks(self, room: float | int, across: bool) -> dict[float, str]:
        """Position and label of as many ticks as fit into so many pixels without touching."""
        low, high = self.limits
        ticks = self.levels if self.kind == "text" or len(self.levels) <= 10 else self._round()
        kept, end = {}, -math.inf
        for place, text in sorted(ticks.items()):
            half = 3.6 * len(text) + 3 if across else 7
            middle = (place - low) / (high - low) * room
            if middle - half >= end:
                kept[place], end = text, middle + half
        return kept

    def upright(self, room: float | int) -> bool:
        """Whether its words are too long to stand side by side in so many pixels."""
        return self.kind == "text" and len(self.ticks(room, across=True)) < len(self.levels)

    def depth(self, room: float | int) -> int:
        """Pixels below a panel of that width, for the ticks and the name."""
        return 55 + (7 * max(map(len, self.levels.values())) if self.upright(room) else 0)

    def _round(self) -> dict[float, str]:
        """Round numbers between the smallest and the largest, and what stands apart from them."""
        from matplotlib.ticker import LogLocator, MaxNLocator

        apart = {} if self.gap is None else {place: text for place, text in self.levels.items() if place < self.gap}
        real = [place for place in self.levels if place not in apart]
        low, high = min(real), max(real)
        if self.kind == "log":
            subs = (1.0,) if high - low > 2 else (1.0, 2.0, 5.0)
            found = np.log10(LogLocator(subs=subs, numticks=9).tick_values(10**low, 10**high))
        else:
            found = MaxNLocator(6).tick_values(low, high)
        rim = 1e-9 * (high - low)
        inside = [float(place) for place in found if low - rim <= place <= high + rim]
        return apart | {place: label(10**place if self.kind == "log" else round(place, 12)) for place in inside}


def label(value: Any) -> str:
    """A value as it is written on an axis: 0.001, relu, 64-32, true."""
    if value is None:
        return ABSENT
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, Real):
        return _digits(float(value))
    return "-".join(map(label, value)) or "none" if isinstance(value, list | tuple) else str(value)


def distinct(values: Sequence[Any]) -> list[Any]:
    """Every value once: numbers in order of size, anything else as it comes, None last."""
    found = {identity(value): value for value in values if value is not None}
    order = list(found.values())
    return (sorted(order) if all(map(is_number, order)) else order) + [None] * any(value is None for value in values)


def identity(value: Any) -> Any:
    """What makes two values of an axis the same."""
    return value if is_number(value) else label(value)


def is_number(value: Any) -> bool:
    """A finite one; true and false are words."""
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_) and math.isfinite(value)


def last(key: str) -> str:
    """The name of an axis: learning_rate of hyper.learning_rate."""
    return key.rsplit(".", 1)[-1]


def short(text: str, most: int) -> str:
    """If it is longer, the middle is left out: names often differ at their ends."""
    tail = most // 3
    return text if len(text) <= most else text[: most - 1 - tail] + "…" + text[len(text) - tail :]


def _digits(value: float) -> str:
    """Three digits, but more where they tell 0.9995 from 1, and no power of ten for 1024; 1e-06 is 1e-6."""
    text = f"{value:.3g}"
    if value.is_integer() or abs(float(text) - value) > 0.02 * abs(1 - value):
        text = f"{value:.6g}"
    return re.sub(r"e([+-])0", r"e\1", text)


def _kind(values: Sequence[Any]) -> Kind:
    """Logarithmic where that is wide and puts the middle value nearer to the middle."""
    if not values or not all(map(is_number, values)):
        return "text"
    sizes = np.array(values, float)
    positive = sizes[sizes > 0]
    if (sizes < 0).any() or not positive.size or positive.max() < 20 * positive.min():
        return "linear"
    off = [abs(np.median(x) - (x.min() + x.max()) / 2) / np.ptp(x) for x in (np.log(positive), positive)]
    return "log" if off[0] <= off[1] else "linear"


def _place(value: float | int, kind: str) -> float:
    if kind == "linear":
        return float(value)
    return math.log10(value) if value > 0 else -math.inf
