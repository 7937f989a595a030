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


NORMAL_95 = 1.959963984540054  # standard deviations


def accuracy_interval(correct: int, count: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy, from exact counts (Wilson 1927): scipy.stats has it, and takes a second to load."""
    z, share = NORMAL_95, correct / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return middle - half, middle + half


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of values [N] by their standard deviation; of a single one from -inf to inf."""
    if len(values) < 2:
        return -math.inf, math.inf
    mean, half = float(np.mean(values)), NORMAL_95 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean - half, mean + half


def r2_interval(targets: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of R2, its mean over the outputs, of targets and predictions [N, K], by the delta method.

    R2 = 1 - A/B, with A the mean of (t - y)^2 and B that of (t - mean of t)^2. To first order example i moves it by
    (A/B (t_i - mean)^2 - (t_i - y_i)^2) / B, whose mean is 0 (van der Vaart 1998, Asymptotic Statistics, chapter 3).
    """
    errors, spread = (targets - predicted) ** 2, (targets - targets.mean(axis=0)) ** 2  # [N, K]
    A, B = errors.mean(axis=0), spread.mean(axis=0)
    if not (B > 0).all():
        return -math.inf, 1.0
    moves = ((A / B * spread - errors) / B).mean(axis=1)  # [N]
    low, high = mean_interval(moves + float(np.mean(1 - A / B)))
    return low, min(high, 1.0)
