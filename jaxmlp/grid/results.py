"""The one record of a trial: a table of its epochs, how it finished, and its state; and what files hold of it."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmlp.nn.network import Params
from jaxmlp.spec import Spec, Splits
from jaxmlp.training.epochs import Epoch, epoch_row
from jaxmlp.training.loop import EpochLog, TrainState

COLUMNS = (  # of a history: the metrics of an `EpochLog`, as far as all trials have them, and the time
    *("learning_rate", "train_loss", "train_score", "validation_loss", "validation_score", "disagreement"),
    "seconds",
)
SPARSE = 1e-3  # a weight of smaller magnitude counts as zero

History = np.ndarray  # float64 [epochs, columns]: the metrics of each epoch of a trial


class TrialResult(NamedTuple):
    """A trial that has finished: the epochs it ran, why there is no further one, and the state it reached."""

    trial: int
    status: str  # early_stopping, max_epochs, diverged, pruned, stopped
    history: History
    state: TrainState  # NumPy

    @property
    def rank(self) -> tuple[float, int]:
        """See `rank`."""
        best = int(self.state.stopping.best_epoch)
        return rank(self.trial, self.status, column(self.history, "validation_loss")[best - 1] if best else None)

    def row(self, train: int, validation: int, *, values: bool = False) -> dict[str, Any]:
        """The line of a table: the metrics of the best epoch, on so many training and validation examples.

        The score of an epoch is the R2 of `values`, or an exact count of correct examples.
        """
        best = int(self.state.stopping.best_epoch)
        row: dict[str, Any] = {"trial": self.trial, "status": self.status}
        row |= {"epochs_run": len(self.history), "best_epoch": best}
        for split, count in (("validation", validation), ("train", train)):
            score = float(column(self.history, f"{split}_score")[best - 1]) if best else None
            row[f"{split}_loss"] = float(column(self.history, f"{split}_loss")[best - 1]) if best else None
            if values:
                row[f"{split}_r2"] = score
            else:
                row[f"{split}_accuracy"] = None if score is None or not count else int(score) / count
                row[f"{split}_correct"] = None if score is None else int(score)
            row[f"{split}_count"] = count
        return row | {"sparsity": sparsity(self.state.best_params), "cause": self.cause}

    def curve(self, train: int, validation: int, *, values: bool = False) -> dict[str, list]:
        """For each column of the history a list of its epochs; None where not finite.

        Scores are called r2 (of `values`), or are exact counts, with accuracies beside them.
        """
        lists: dict[str, list] = {}
        for name in COLUMNS:
            numbers = column(self.history, name)
            if name.endswith("_score") and not values:
                split, count = name.removesuffix("_score"), train if name.startswith("train") else validation
                lists[f"{split}_correct"] = [int(number) for number in numbers]
                lists[f"{split}_accuracy"] = [int(number) / count if count else None for number in numbers]
            else:
                lists[name.replace("_score", "_r2")] = [float(x) if np.isfinite(x) else None for x in numbers]
        return lists

    @property
    def cause(self) -> str | None:
        """Of a divergence: which loss was not finite, and when."""
        if self.status != "diverged":
            return None
        last = {name: column(self.history, f"{name}_loss")[-1] for name in ("train", "validation")}
        name = next(name for name, loss in last.items() if not np.isfinite(loss))
        return f"{'training' if name == 'train' else name} loss is {last[name]:g} in epoch {len(self.history)}"


def rank(trial: int, status: str, loss: float | None) -> tuple[float, int]:
    """A key that sorts the best trial first: by validation loss, of equals by number.

    A trial that diverged, or has no finite loss, is never the best: its key is infinite.
    """
    if loss is None or not math.isfinite(loss) or status == "diverged":
        return math.inf, trial
    return float(loss), trial


def sparsity(params: Params, below: float = SPARSE) -> float:
    """The share of the weights (not biases) of all layers that are 0, or of a magnitude less than `below`."""
    magnitudes = np.concatenate([np.abs(layer.w).ravel() for layer in params])
    return float(np.mean((magnitudes < below) | (magnitudes == 0)))


def column(history: History, name: str) -> np.ndarray:
    """One metric of every epoch."""
    return history[:, COLUMNS.index(name)]


def epochs_of(history: History, spec: Spec, splits: Splits) -> list[Epoch]:
    """The epochs of a history as `fit` returns them."""
    log = EpochLog(np.ones(len(history), bool), *history[:, :-1].T)  # pyright: ignore[reportArgumentType]
    seconds = column(history, "seconds")
    return [epoch_row(spec, splits, log, i, i + 1, float(seconds[i])) for i in range(len(history))]


def history_of(epochs: Sequence[Epoch]) -> History:
    """The inverse of `epochs_of`."""
    rows = [
        (
            *(epoch.learning_rate, epoch.train.loss, epoch.train.score),
            *(epoch.validation.loss, epoch.validation.score, epoch.disagreement or 0.0, epoch.seconds),
        )
        for epoch in epochs
    ]
    return np.asarray(rows, float).reshape(len(rows), len(COLUMNS))


def joined(histories: list[History]) -> History:
    """One after the other; of an empty list, the history of no epoch."""
    return np.concatenate([np.zeros((0, len(COLUMNS))), *histories])


def histories_of(log: EpochLog, seconds: float) -> np.ndarray:
    """A log of [..., epochs] as histories [..., epochs, columns], with the same seconds in each epoch."""
    columns = [np.asarray(getattr(log, name), float) for name in COLUMNS[:-1]]
    return np.stack([*columns, np.full(columns[0].shape, seconds)], axis=-1)
