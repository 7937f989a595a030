"""The trials of a sweep: configurations of its axes, with the experiment of each, made when it is used."""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from jaxmlp.errors import UsageError
from jaxmlp.fields import changed, shown
from jaxmlp.grid.trials import Base, Trials, coded, product_codes
from jaxmlp.run import config
from jaxmlp.run.config import Experiment
from jaxmlp.spec import Hyper
from jaxmlp.sweep import space
from jaxmlp.sweep.space import MOST, Axis, Sample


class SweepTrial(NamedTuple):
    """One training of a sweep: its number from 0, the values of the axes that it reads, and its experiment."""

    number: int
    values: dict[str, Any]
    experiment: Experiment


class SweepTrials(Sequence[SweepTrial]):
    """The trials of a sweep, or of one `group` of it, each made when it is used."""

    def __init__(self, grid: Trials[Experiment], group: int | None = None) -> None:
        self.grid = grid
        self.configurations = np.arange(len(grid.codes)) if group is None else grid.configurations_of(group)

    def __len__(self) -> int:
        return len(self.configurations) * len(self.grid.seeds)

    def __getitem__(self, index: Any) -> Any:
        position, seed = divmod(range(len(self))[index], len(self.grid.seeds))
        configuration = int(self.configurations[position])
        number, seed = configuration * len(self.grid.seeds) + seed, self.grid.seeds[seed]
        experiment = self.grid.base(configuration).described
        experiment = replace(experiment, hyper=self.grid.hyper(configuration), seed=seed)
        return SweepTrial(number, self.grid.values(configuration), experiment)


def count_of(axes: Sequence[Axis], seeds: int, sample: Sample | None) -> int:
    """How many trials there are, with those that equal others."""
    return seeds * (sample.count if sample else math.prod(len(axis.values) for axis in axes))


def trials_of(experiment: Experiment, axes: Sequence[Axis], seeds: int, sample: Sample | None) -> SweepTrials:
    """The product of the axes, or what is drawn of it, over the experiment, with `seeds` from its own seed upwards.

    Raises UsageError for a trial that `config.check` refuses, and for more than MOST trials.
    """
    count = count_of(axes, seeds, sample)
    if count > MOST:
        raise UsageError(
            f"the sweep has {count:,} trials; accepted are at most {MOST:,}: take fewer values or seeds, or draw some of"
            " them with [sample]"
        )
    for axis in axes:
        space.check_axis(axis)
    if sample is None:
        values = {axis.key: axis.values for axis in axes}
        codes = product_codes(values)
    else:
        values, codes = coded(space.drawn(axes, sample))
    first = experiment.seed
    return SweepTrials(Trials(values, codes, range(first, first + seeds), partial(_base, experiment)))


def _base(experiment: Experiment, values: dict[str, Any]) -> Base[Experiment]:
    """The experiment of a group, with the hyperparameters that it reads, and defaults for the rest."""
    described = changed(experiment, values)
    try:
        config.check(described, ())
    except UsageError as error:
        listed = ", ".join(f"{key} {shown(value)}" for key, value in values.items())
        raise UsageError(f"{error} (in the trial with {listed})" if values else str(error)) from None
    hyper = only(described.hyper, described.reads())
    return Base(replace(described, hyper=hyper), hyper, described.reads())


def only(hyper: Hyper, names: Collection[str]) -> Hyper:
    """The hyperparameters with defaults for all but those named."""
    return Hyper(**{name: value for name, value in hyper._asdict().items() if name in names})
