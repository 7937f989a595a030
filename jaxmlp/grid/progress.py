"""How far a grid is: counted call by call, for the user."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxmlp.grid.results import rank


class Progress(NamedTuple):
    """How far a grid is, over all its processes: the argument of `Callbacks.on_call_end`."""

    trials: int
    finished: int  # trials, for whatever reason
    running: int  # trials that are on the devices, with an epoch to go
    by_status: dict[str, int]  # of the finished trials
    epochs: int  # of all trials together, since the grid was begun
    rate: float  # of these epochs a second
    seconds_left: float  # if the unfinished trials take as many epochs as the finished ones
    best: dict[str, Any] | None  # the row of the best finished trial


class Tally:
    """Counts the epochs and the finished trials of a grid of so many `trials`, of at most `max_epochs` each."""

    def __init__(self, trials: int, max_epochs: int, epochs: int = 0, seconds: float = 0.0) -> None:
        self.trials, self.max_epochs = trials, max_epochs
        self.epochs, self.seconds = epochs, seconds
        self.rows: list[dict[str, Any]] = []
        self.best: dict[str, Any] | None = None  # the row of the best trial; None where all have diverged
        self._by_status: Counter[str] = Counter()
        self._unpruned_epochs = 0

    def add_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Count trials that have finished."""
        self.rows += rows
        self._by_status.update(row["status"] for row in rows)
        self._unpruned_epochs += sum(row["epochs_run"] for row in rows if row["status"] != "pruned")
        known = [] if self.best is None else [self.best]
        first = min([*known, *rows], key=_rank, default=None)
        self.best = None if first is None or _rank(first)[0] == math.inf else first

    def progress(self, running: int) -> Progress:
        """How far the grid is, while so many trials are running."""
        finished, pruned = len(self.rows), self._by_status["pruned"]
        mean = self._unpruned_epochs / (finished - pruned) if finished > pruned else self.max_epochs
        rate = self.epochs / self.seconds if self.seconds else 0.0
        left = max(mean * (self.trials - pruned) - self.epochs, self.trials - finished)
        by_status = dict(sorted(self._by_status.items()))
        seconds_left = left / rate if rate else 0.0
        return Progress(self.trials, finished, running, by_status, self.epochs, rate, seconds_left, self.best)


def _rank(row: dict[str, Any]) -> tuple[float, int]:
    return rank(row["trial"], row["status"], row["validation_loss"])
