"""How a number varies over seeds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Spread(NamedTuple):
    """Of one number over several seeds; the deviation is that of a sample (n - 1)."""

    mean: float
    std: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float] | Sequence[int]) -> "Spread":
        """0 is the deviation of a single value."""
        std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        return cls(float(np.mean(values)), std, float(min(values)), float(max(values)))
