"""The trials of a grid: the product of its axes and seeds, grouped by what is compiled, as arrays of small integers.

A trial is a configuration and a seed; trial number = configuration number * seeds + index of the seed. Nothing is made
for a trial before it is used: a grid of a million trials takes a few megabytes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from jaxmlp.spec import Hyper

HYPER = "hyper."
UNREAD = -1

Described = TypeVar("Described")


class Trial(NamedTuple):
    """A network to be trained: its hyperparameters, and the seed of its first weights, orders and dropout."""

    hyper: Hyper
    seed: int


@dataclass(frozen=True)
class Base(Generic[Described]):
    """What the trials of one group have in common."""

    described: Described  # all that is compiled for them
    hyper: Hyper  # with which their values of hyper axes are put together
    reads: frozenset[str]  # the fields of Hyper that are read


class Trials(Generic[Described]):
    """Configurations in the order of `codes`, each with all seeds, and their groups in the order of first configurations.

    A value that a configuration does not read is no value of it, and configurations that this makes equal are one.

    axes: the values of each key, by full name (hyper.learning_rate, network.hidden).
    codes: [configurations, axes], which of its values each axis has.
    seeds: of every configuration.
    base_of: makes the base of a group, from the values of its axes but those of Hyper; may raise UsageError.
    """

    def __init__(
        self,
        axes: Mapping[str, Sequence[Any]],
        codes: np.ndarray,
        seeds: Sequence[int],
        base_of: Callable[[dict[str, Any]], Base[Described]],
    ) -> None:
        keys = list(axes)
        fixed = [axis for axis, key in enumerate(keys) if not key.startswith(HYPER)]
        traced = [axis for axis, key in enumerate(keys) if key.startswith(HYPER)]
        first, group = _distinct(codes[:, fixed])
        self.bases = [base_of({keys[axis]: axes[keys[axis]][codes[row, axis]] for axis in fixed}) for row in first]
        for axis in traced:
            read = np.array([keys[axis].removeprefix(HYPER) in base.reads for base in self.bases])
            codes[~read[group], axis] = UNREAD
        kept, _ = _distinct(codes)
        self.axes, self.seeds = axes, seeds
        self.codes, self.group = codes[kept], group[kept]

    def __len__(self) -> int:
        return len(self.codes) * len(self.seeds)

    @property
    def reads(self) -> frozenset[str]:
        """The fields of Hyper that any trial reads."""
        return frozenset().union(*(base.reads for base in self.bases))

    @property
    def configurations(self) -> list[int]:
        """The number of the configuration of each trial."""
        return np.repeat(np.arange(len(self.codes)), len(self.seeds)).tolist()

    def split(self, trial: int) -> tuple[int, int]:
        """The configuration of a trial, and its seed."""
        configuration, seed = divmod(trial, len(self.seeds))
        return configuration, self.seeds[seed]

    def base(self, configuration: int) -> Base[Described]:
        """What the group of a configuration has in common."""
        return self.bases[self.group[configuration]]

    def values(self, configuration: int) -> dict[str, Any]:
        """The values of the axes that a configuration reads."""
        return self._values(self.codes[configuration])

    def hyper(self, configuration: int) -> Hyper:
        """The hyperparameters of a configuration."""
        values = {key.removeprefix(HYPER): value for key, value in self.values(configuration).items() if HYPER in key}
        return self.base(configuration).hyper._replace(**values)

    def configurations_of(self, group: int) -> np.ndarray:
        """The configurations of a group."""
        return np.flatnonzero(self.group == group)

    def common(self, group: int) -> dict[str, Any]:
        """The values that all configurations of a group have in common."""
        codes = self.codes[self.group == group]
        return self._values(np.where((codes == codes[0]).all(axis=0), codes[0], UNREAD))

    def numbers(self, group: int) -> list[int]:
        """The trials of a group."""
        firsts = self.configurations_of(group)[:, None] * len(self.seeds)
        return (firsts + np.arange(len(self.seeds))).ravel().tolist()

    def seed(self, trial: int) -> int:
        """The seed of a trial."""
        return self.seeds[trial % len(self.seeds)]

    def trial(self, number: int) -> Trial:
        """A trial, as it is trained."""
        return Trial(self.hyper(number // len(self.seeds)), self.seed(number))

    def _values(self, codes: np.ndarray) -> dict[str, Any]:
        pairs = zip(self.axes.items(), codes.tolist(), strict=True)
        return {key: values[code] for (key, values), code in pairs if code != UNREAD}


def product_codes(axes: Mapping[str, Sequence[Any]]) -> np.ndarray:  # [configurations, axes]
    """The product of the axes, the last the fastest."""
    sizes = [len(values) for values in axes.values()]
    return np.indices(sizes, np.int32).reshape(len(sizes), math.prod(sizes)).T.copy()


def coded(columns: Mapping[str, Sequence[Any]]) -> tuple[dict[str, list[Any]], np.ndarray]:
    """The different values of each column, and the index of the value of each configuration: [configurations, axes]."""
    axes = {key: list(dict.fromkeys(column)) for key, column in columns.items()}
    indices = [{value: index for index, value in enumerate(values)} for values in axes.values()]
    pairs = zip(indices, columns.values(), strict=True)
    return axes, np.array([[index[value] for value in column] for index, column in pairs], np.int32).T.copy()


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first of each distinct row, and for each row the number of its like; in the order of first appearance."""
    order = np.lexsort((np.zeros(len(rows)), *rows.T))  # stable: of equal rows the first comes first
    begins = np.append(True, (rows[order[1:]] != rows[order[:-1]]).any(axis=1))
    first = order[begins]
    number = np.empty(len(rows), int)
    number[order] = np.argsort(np.argsort(first))[np.cumsum(begins) - 1]
    return np.sort(first), number
