"""Statistics of results: over seeds, the interval of an accuracy, and whether two results differ."""

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


class McNemar(NamedTuple):
    """Whether two networks differ in how many of the same test examples they get right: counts and p-value."""

    first_only: int  # examples that only the first network gets right
    second_only: int
    p: float  # of as unequal counts or more, if both networks were equally good


def mcnemar(first: np.ndarray, second: np.ndarray) -> McNemar:
    """McNemar's exact test on the examples [N] that each of two networks gets right (McNemar 1947; Dietterich 1998).

    Examples that both get right, or neither, say nothing. Of the n others each is as likely to be won by either, if both
    are equally good: the count of those that the first wins is binomial with n and 1/2, and p is two-sided.

    Example:
        mcnemar(first.predict(x) == y, second.predict(x) == y).p < 0.05
    """
    from scipy.stats import binomtest  # takes a second to load

    first_only, second_only = int(np.sum(first & ~second)), int(np.sum(~first & second))
    n = first_only + second_only
    return McNemar(first_only, second_only, float(binomtest(first_only, n, 0.5).pvalue) if n else 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several tests, made larger so that the chance of any false alarm stays below the level (Holm 1979).

    The i-th smallest of m (from 0) is multiplied by m - i; none is below a smaller one, or above 1.

    Example:
        holm([0.01, 0.04, 0.03])  # [0.03, 0.06, 0.06]
    """
    order, adjusted, largest = np.argsort(p_values, kind="stable"), [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min((len(p_values) - rank) * float(p_values[index]), 1.0))
        adjusted[index] = largest
    return adjusted


class PairedDifference(NamedTuple):
    """The mean of differences between pairs, its 95 % interval, and the p-value of a mean of 0."""

    pairs: int
    mean: float
    std: float
    low: float
    high: float
    p: float


def paired_difference(first: Sequence[float], second: Sequence[float]) -> PairedDifference:
    """Student's t-test of first - second over at least two pairs, such as two configurations with the same seeds.

    With d the n differences, t = mean(d) / (std(d) / sqrt(n)) has n - 1 degrees of freedom if d is normal with mean 0
    (Student 1908). Equal differences leave no doubt: p is 1 if they are 0, else 0.

    Example:
        paired_difference([0.95, 0.96, 0.94], [0.93, 0.95, 0.91]).low > 0
    """
    from scipy.stats import t

    d = np.subtract(first, second)
    n, mean, std = len(d), float(np.mean(d)), float(np.std(d, ddof=1))
    error = std / math.sqrt(n)
    if error <= 1e-12 * abs(mean) or not error:
        return PairedDifference(n, mean, std, mean, mean, float(mean == 0))
    half = float(t.ppf(0.975, n - 1)) * error
    return PairedDifference(n, mean, std, mean - half, mean + half, float(2 * t.sf(abs(mean) / error, n - 1)))
