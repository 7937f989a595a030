"""Successive halving: after so many epochs only the best configurations go on (Jamieson and Talwalkar 2016).

A rung is met by all members before any is taken out, so the result depends on nothing but the losses: not on time, devices
or processes. Li et al. 2020 (ASHA) promote without waiting; that is faster where workers are many, and not reproducible.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np


def kept(count: int, keep: float) -> int:
    """How many of so many configurations go on at a rung."""
    return max(1, math.ceil(keep * count - 1e-9))


def most_epochs(configurations: int, rung_epochs: Sequence[int], keep: float, max_epochs: int) -> int:
    """Epochs of all configurations together, one member each, if none stops but at a rung."""
    total = before = 0
    for until in (*rung_epochs, max_epochs):
        total += configurations * (until - before)
        before, configurations = until, kept(configurations, keep)
    return total


def survivors(scores: Mapping[int, Sequence[float]], keep: float) -> set[int]:
    """The configurations that go on: the share `keep` (at least one) with the lowest mean score over their seeds.

    A score is the lowest validation loss of a member so far; infinite where there is no finite one, or the member has
    diverged. Of equal means the lower number goes on.
    """
    count = kept(len(scores), keep)
    means = {configuration: float(np.mean(of_seeds)) for configuration, of_seeds in scores.items()}
    return set(sorted(scores, key=lambda configuration: (means[configuration], configuration))[:count])
