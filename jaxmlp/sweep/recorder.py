"""What is written of a trial: a row of results, its curve, and which of two is the better one."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from jaxmlp.grid import results
from jaxmlp.grid.scheduler import Ended
from jaxmlp.spec import Examples
from jaxmlp.sweep.config import SweepTrial
from jaxmlp.sweep.groups import SweepGroup
from jaxmlp.training import fitting
from jaxmlp.training.loop import TrainState


class Best(NamedTuple):
    """The best trial so far that has ended."""

    group: int
    trial: int
    loss: float  # on the validation rows, at its best epoch
    state: TrainState  # NumPy


class Recorder:
    """Makes the rows of the trials of a sweep; with `test`, each is measured on the test rows too."""

    def __init__(self, every: Sequence[SweepTrial], groups: Sequence[SweepGroup], *, test: bool) -> None:
        self.every, self.groups, self.test = every, groups, test
        self.longest = max(group.spec.training.max_epochs for group in groups)
        self.zeros = any(group.spec.training.l1_step == "proximal" for group in groups)
        self._test_rows: tuple[int, Examples] | None = None  # of the group at work, on the device

    def record(self, group: int, ended: Ended) -> tuple[dict[str, Any], dict[str, Any]]:
        """The row of a trial, and its curve: numbers that are not finite are None."""
        trial = self.every[ended.trial]
        train, validation, _ = self.groups[group].rows
        row: dict[str, Any] = {"trial": ended.trial}
        row |= {key: list(value) if isinstance(value, tuple) else value for key, value in trial.values.items()}
        row |= {"seed": trial.experiment.seed} | results.row_of(ended, train, validation)
        if self.zeros:
            row["zeros"] = results.sparsity(ended.state.best_params, below=0.0)
        if self.test:
            row |= self._tested(group, ended.state)
        return row, {"trial": ended.trial} | results.curve_of(ended.history, train, validation)

    @staticmethod
    def better(best: Best | None, group: int, ended: Ended, row: dict[str, Any]) -> Best | None:
        """The better of two: the lower validation loss, of equals the lower number. One that diverged is none."""
        loss, trial = results.rank(row, ended.trial)
        if loss == math.inf or (best and (best.loss, best.trial) < (loss, trial)):
            return best
        return Best(group, trial, loss, ended.state)

    def _tested(self, group: int, state: TrainState) -> dict[str, Any]:
        if self._test_rows is None or self._test_rows[0] != group:
            self._test_rows = group, jax.device_put(self.groups[group].data().splits.test)
        params = jax.device_put(state.best_params)
        test = fitting.measure(self.groups[group].spec, params, self._test_rows[1])
        found = {"loss": test.loss, "accuracy": test.accuracy, "correct": test.correct, "count": test.count}
        return {f"test_{name}": value for name, value in found.items()}
