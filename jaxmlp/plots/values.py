"""How the values on the axes of a sweep are written, ordered and distinguished."""

import math
import re
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

ABSENT = "–"  # the label where a trial does not read an axis


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
    first = {comparable(value): value for value in values if value is not None}
    order = list(first.values())
    return (sorted(order) if all(map(is_number, order)) else order) + [None] * any(value is None for value in values)


def comparable(value: Any) -> Any:
    """What makes two values of an axis the same."""
    return value if is_number(value) else label(value)


def is_number(value: Any) -> bool:
    """A finite one; true and false are words."""
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_) and math.isfinite(value)


def last(key: str) -> str:
    """The name of an axis: learning_rate of hyper.learning_rate."""
    return key.rsplit(".", 1)[-1]


def short(text: str, most: int) -> str:
    """The text; its middle is omitted where it is longer than `most`: names often differ at their ends."""
    tail = most // 3
    return text if len(text) <= most else text[: most - 1 - tail] + "…" + text[len(text) - tail :]


def _digits(value: float) -> str:
    """Three digits, but more where they tell 0.9995 from 1, and no power of ten for 1024; 1e-06 is 1e-6."""
    text = f"{value:.3g}"
    if value.is_integer() or abs(float(text) - value) > 0.02 * abs(1 - value):
        text = f"{value:.6g}"
    return re.sub(r"e([+-])0", r"e\1", text)
