"""Successive halving: after so many epochs only the best configurations go on (Jamieson and Talwalkar 2016).

All trials reach a rung before any is pruned, so the result depends on nothing but the losses: not on time, devices or
processes. Li et al. 2020 (ASHA) promote without waiting; that is faster where workers are many, and not reproducible.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Interval

from jaxmlp.errors import UsageError
from jaxmlp.fields import FLOAT64


@dataclass(frozen=True)
class Prune:
    """Successive halving: after so many epochs, the best share of the configurations goes on."""

    rung_epochs: tuple[Annotated[int, Ge(1)], ...]
    """Epochs at which configurations are compared, rising, and below max_epochs."""
    keep: Annotated[float, Interval(gt=0, lt=1), FLOAT64]
    """Share of the configurations that goes on from each rung."""


def check_rungs(field: str, rungs: Sequence[int], max_epochs: int) -> None:
    """Raise UsageError if the rungs do not rise, or the last is not below the `max_epochs` of every trial."""
    listed = list(rungs)
    if not listed or listed != sorted(set(listed)):
        raise UsageError(f"{field} is {listed}; accepted are one or more numbers that rise, as in [1, 3, 9]")
    if listed[-1] >= max_epochs:
        raise UsageError(
            f"{field} ends at {listed[-1]}; accepted is a last rung below training.max_epochs, which is {max_epochs}"
        )


def kept(count: int, keep: float) -> int:
    """How many of so many configurations go on at a rung."""
    return max(1, math.ceil(keep * count - 1e-9))


def most_epochs(configurations: int, rung_epochs: Sequence[int], keep: float, max_epochs: int) -> int:
    """Epochs of all configurations together, one trial each, if none stops but at a rung."""
    total = before = 0
    for until in (*rung_epochs, max_epochs):
        total += configurations * (until - before)
        before, configurations = until, kept(configurations, keep)
    return total


def survivors(scores: Mapping[int, Sequence[float]], keep: float) -> set[int]:
    """The configurations that go on: the share `keep` (at least one) with the lowest mean score over their seeds.

    A score is the lowest validation loss of a trial so far; infinite where there is no finite one, or the trial has
    diverged. Of equal means the lower number goes on.
    """
    count = kept(len(scores), keep)
    means = {configuration: float(np.mean(seed_scores)) for configuration, seed_scores in scores.items()}
    return set(sorted(scores, key=lambda configuration: (means[configuration], configuration))[:count])
