"""What is written of a member: a row of results, its curve, and which of two is the better one."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.runs.sweep_config import Member
from jaxmlp.runs.sweep_groups import SweepGroup
from jaxmlp.spec import Examples
from jaxmlp.training import fitting
from jaxmlp.training.cohort import COLUMNS, Ended, column
from jaxmlp.training.loop import TrainState

SPARSE = 1e-3  # a weight of smaller magnitude counts as none


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
        member, history = self.every[ended.member], ended.history
        train, validation, _ = self.groups[group].rows
        best = int(ended.state.stopping.best_epoch)
        row: dict[str, Any] = {"member": ended.member}
        row |= {key: list(value) if isinstance(value, tuple) else value for key, value in member.values.items()}
        row |= {"seed": member.experiment.seed, "status": ended.status, "epochs_run": len(history), "best_epoch": best}
        for split, count in (("validation", validation), ("train", train)):
            correct = int(column(history, f"{split}_correct")[best - 1]) if best else None
            row |= {
                f"{split}_loss": float(column(history, f"{split}_loss")[best - 1]) if best else None,
                f"{split}_accuracy": None if correct is None else correct / count,
                f"{split}_correct": correct,
                f"{split}_count": count,
            }
        row["sparsity"] = sparsity(ended.state)
        row["cause"] = _cause(ended)
        if self.test:
            row |= self._tested(group, ended.state)
        return row, _curve(ended, train, validation)

    def better(self, best: Best | None, group: int, ended: Ended, row: dict[str, Any]) -> Best | None:
        """The better of two: the lower validation loss, of equals the lower number. One that diverged is none."""
        loss = row["validation_loss"]
        if loss is None or ended.status == "diverged" or (best and (best.loss, best.member) < (loss, ended.member)):
            return best
        return Best(group, ended.member, loss, ended.state)

    def _tested(self, group: int, state: TrainState) -> dict[str, Any]:
        if self._test_rows is None or self._test_rows[0] != group:
            self._test_rows = group, jax.device_put(self.groups[group].data().splits.test)
        params = jax.device_put(state.best_params)
        test = fitting.measure(self.groups[group].spec, params, self._test_rows[1])
        found = {"loss": test.loss, "accuracy": test.accuracy, "correct": test.correct, "count": test.count}
        return {f"test_{name}": value for name, value in found.items()}


def sparsity(state: TrainState) -> float:
    """The share of the weights (not biases) of all layers, at the best epoch, that are smaller than SPARSE."""
    weights = np.concatenate([np.abs(layer.w).ravel() for layer in state.best_params])
    return float(np.mean(weights < SPARSE))


def interval(correct: int, count: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy, from exact counts (Wilson 1927): scipy.stats has it, and takes a second to load."""
    z, share = 1.959963984540054, correct / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return middle - half, middle + half


def _cause(ended: Ended) -> str | None:
    """Of a divergence: which loss was not finite, and when."""
    if ended.status != "diverged":
        return None
    last = {name: column(ended.history, f"{name}_loss")[-1] for name in ("train", "validation")}
    name = next(name for name, loss in last.items() if not np.isfinite(loss))
    return f"{'training' if name == 'train' else name} loss is {last[name]:g} in epoch {len(ended.history)}"


def _curve(ended: Ended, train: int, validation: int) -> dict[str, Any]:
    """The epochs of a member, a list a number; the columns of a history, with accuracies beside the exact counts."""
    found: dict[str, Any] = {"member": ended.member}
    for name in COLUMNS:
        values = column(ended.history, name)
        if name.endswith("_correct"):
            found[name] = [int(value) for value in values]
            found[name.replace("correct", "accuracy")] = [v / (train if name[0] == "t" else validation) for v in values]
        else:
            found[name] = [float(value) if np.isfinite(value) else None for value in values]
    return found
