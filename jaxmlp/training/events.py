"""What the events of `Callbacks` carry: how a run or a grid begins, what it writes, what is best, and how it ends."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxmlp.training.epochs import Epoch, Measured

Curve = Mapping[str, Sequence[Any]]  # columns, such as validation_loss, with a value an epoch


class RunBegin(NamedTuple):
    """A run, or a grid of trials, begins or goes on."""

    config: Mapping[str, Any]  # each key that is read, by its full name, such as hyper.learning_rate
    data: str  # where the examples came from, and how many there are
    path: Path | None = None  # its directory; None in memory
    resumed: bool = False  # it was begun before, and goes on
    epochs: Sequence[Epoch] = ()  # of a run that goes on, those that are done
    axes: Mapping[str, Sequence[Any]] | None = None  # of a grid: the values of each key, by its column; None for a run


class Checkpoint(NamedTuple):
    """The state of a run is on the disk."""

    epoch: int
    path: Path


class TrialEnd(NamedTuple):
    """A trial of a grid has finished."""

    row: Mapping[str, Any]  # of the table: trial, values, seed, status, metrics of the best epoch
    curve: Curve


class NewBest(NamedTuple):
    """An epoch of a run, or a trial of a grid, is the best so far."""

    epoch: int  # the best one of the run, or of the trial
    validation: Measured  # at that epoch
    trial: int | None = None  # None for a run
    curve: Curve | None = None  # of the trial

    @classmethod
    def of_trial(cls, row: Mapping[str, Any], curve: Curve) -> "NewBest":
        """Of a trial that has finished."""
        metrics = {name: row.get(f"validation_{name}") for name in Measured._fields}
        return cls(row["best_epoch"], Measured(**metrics), row["trial"], curve)  # pyright: ignore[reportArgumentType]


class RunEnd(NamedTuple):
    """A run or a grid is over, and its files are written; or it was stopped, and may go on; or it has failed."""

    status: str  # finished, stopped, failed
    summary: Mapping[str, Any] | None = None  # of one that has finished, as in summary.json
    path: Path | None = None  # its directory; None in memory
    model: Any = None  # the best network, a `jaxmlp.Model`, in memory
