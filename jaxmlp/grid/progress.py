"""How far a grid is: counted call by call, for the user."""

import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxmlp.grid.results import rank
from jaxmlp.grid.worker import Pulse


class Progress(NamedTuple):
    """How far a grid is: the argument of `Callbacks.on_call_end`."""

    trials: int
    finished: int  # trials, for whatever reason
    running: int  # trials that are on the devices, with an epoch to go
    by_status: dict[str, int]  # of the finished trials of units that are done
    epochs: int  # of all trials together, since the grid was begun
    rate: float  # of these epochs a second, in this session
    seconds_left: float  # if the unfinished trials take as many epochs as the finished ones
    best: dict[str, Any] | None  # the row of the best finished trial

    def parts(self) -> list[str]:
        """What a bar shows of it beside the count of trials, the most telling first."""
        parts = [f"{self.running:,} running"]
        if self.best is not None:
            r2, accuracy = self.best.get("validation_r2"), self.best.get("validation_accuracy")
            score = f"R2 {r2:.4f}" if accuracy is None else f"{100 * accuracy:.2f} %"
            parts.append(f"best {self.best['validation_loss']:.4f} ({score})")
        parts.append(f"{self.rate:,.1f} trial-epochs/s")
        return parts + [f"{number:,} {status.replace('_', ' ')}" for status, number in self.by_status.items()]


class Tally:
    """Counts the epochs and the finished trials of a grid of so many `trials`, of at most `max_epochs` each."""

    def __init__(self, trials: int, max_epochs: int, workers: int = 1) -> None:
        self.trials, self.max_epochs, self.workers = trials, max_epochs, workers
        self.epochs, self.seconds = 0, 0.0  # of all units that are done; seconds in programs, workers side by side
        self.rows: list[dict[str, Any]] = []
        self.best: dict[str, Any] | None = None  # the row of the best trial; None where all have diverged
        self._by_status: Counter[str] = Counter()
        self._unpruned_epochs = 0
        self._running: dict[str, Pulse] = {}  # of units
        self._leading: dict[str, Any] | None = None  # the best of the trials of running units
        self._begun: tuple[float, int] | None = None  # when this session began to train, and after how many epochs

    def add_work(self, epochs: int, seconds: float) -> None:
        """Count the epochs of a unit that is done."""
        self.epochs += epochs
        self.seconds += seconds / self.workers

    def add_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Count trials that have finished."""
        self.rows += rows
        self._by_status.update(row["status"] for row in rows)
        self._unpruned_epochs += sum(row["epochs_run"] for row in rows if row["status"] != "pruned")
        self.best = _best([self.best, *rows])

    def add_pulse(self, pulse: Pulse) -> None:
        """Count what a running unit has done so far."""
        self._running[pulse.unit] = pulse
        if self._begun is None:
            self._begun = time.monotonic(), self._all_epochs
        if pulse.best is not None:
            self._leading = _best([self._leading, pulse.best.row])

    def end(self, unit: str) -> None:
        """A unit is running no more."""
        self._running.pop(unit, None)

    @property
    def _all_epochs(self) -> int:
        return self.epochs + sum(pulse.epochs for pulse in self._running.values())

    def progress(self) -> Progress:
        """How far the grid is."""
        pulses, epochs = self._running.values(), self._all_epochs
        ended, pruned = len(self.rows), self._by_status["pruned"]
        mean = self._unpruned_epochs / (ended - pruned) if ended > pruned else self.max_epochs
        since, before = self._begun or (time.monotonic(), epochs)
        rate = (epochs - before) / max(time.monotonic() - since, 1e-3)
        finished = ended + sum(pulse.finished for pulse in pulses)
        left = max(mean * (self.trials - pruned) - epochs, self.trials - finished)
        return Progress(
            self.trials,
            finished,
            sum(pulse.running for pulse in pulses),
            dict(sorted(self._by_status.items())),
            epochs,
            rate,
            left / rate if rate else 0.0,
            _best([self.best, self._leading]),
        )


def rank_of(row: dict[str, Any]) -> tuple[float, int]:
    """See `results.rank`."""
    return rank(row["trial"], row["status"], row["validation_loss"])


def _best(rows: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    """The row of the best trial; None where all have diverged."""
    best = min((row for row in rows if row is not None), key=rank_of, default=None)
    return None if best is None or rank_of(best)[0] == math.inf else best
