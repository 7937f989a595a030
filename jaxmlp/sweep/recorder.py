"""What is written of a member: a row of results, its curve, and which of two is the better one."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from jaxmlp.grid import results
from jaxmlp.grid.scheduler import Ended
from jaxmlp.spec import Examples
from jaxmlp.sweep.config import Member
from jaxmlp.sweep.groups import SweepGroup
from jaxmlp.training import fitting
from jaxmlp.training.loop import TrainState


class Best(NamedTuple):
    """The best member so far that has ended."""

    group: int
    member: int
    loss: float  # on the validation rows, at its best epoch
    state: TrainState  # NumPy


class Recorder:
    """Makes the rows of the members of a sweep; with `test`, each is measured on the test rows too."""

    def __init__(self, every: Sequence[Member], groups: Sequence[SweepGroup], *, test: bool) -> None:
        self.every, self.groups, self.test = every, groups, test
        self.longest = max(group.spec.training.max_epochs for group in groups)
        self._test_rows: tuple[int, Examples] | None = None  # of the group at work, on the device

    def record(self, group: int, ended: Ended) -> tuple[dict[str, Any], dict[str, Any]]:
        """The row of a member, and its curve: numbers that are not finite are None."""
        member = self.every[ended.member]
        train, validation, _ = self.groups[group].rows
        row: dict[str, Any] = {"member": ended.member}
        row |= {key: list(value) if isinstance(value, tuple) else value for key, value in member.values.items()}
        row |= {"seed": member.experiment.seed} | results.row_of(ended, train, validation)
        if self.test:
            row |= self._tested(group, ended.state)
        return row, {"member": ended.member} | results.curve_of(ended.history, train, validation)

    def better(self, best: Best | None, group: int, ended: Ended, row: dict[str, Any]) -> Best | None:
        """The better of two: the lower validation loss, of equals the lower number. One that diverged is none."""
        loss, member = results.rank(row, ended.member)
        if loss == math.inf or (best and (best.loss, best.member) < (loss, member)):
            return best
        return Best(group, member, loss, ended.state)

    def _tested(self, group: int, state: TrainState) -> dict[str, Any]:
        if self._test_rows is None or self._test_rows[0] != group:
            self._test_rows = group, jax.device_put(self.groups[group].data().splits.test)
        params = jax.device_put(state.best_params)
        test = fitting.measure(self.groups[group].spec, params, self._test_rows[1])
        found = {"loss": test.loss, "accuracy": test.accuracy, "correct": test.correct, "count": test.count}
        return {f"test_{name}": value for name, value in found.items()}


def interval(correct: int, count: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy, from exact counts (Wilson 1927): scipy.stats has it, and takes a second to load."""
    z, share = 1.959963984540054, correct / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return middle - half, middle + half
