"""Statistics of results: mean and standard deviation over seeds, and the interval of an accuracy."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class SeedStatistics(NamedTuple):
    """The mean and standard deviation (n - 1 in the denominator) of one number over several seeds, and its range."""

    mean: float
    std: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float] | Sequence[int]) -> "SeedStatistics":
        """The standard deviation of a single value is 0."""
        std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        return cls(float(np.mean(values)), std, float(min(values)), float(max(values)))


def accuracy_interval(correct: int, count: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy, from exact counts (Wilson 1927): scipy.stats has it, and takes a second to load."""
    z, share = 1.959963984540054, correct / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return middle - half, middle + half
