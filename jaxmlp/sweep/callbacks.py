"""What happens between two calls of a sweep's program: results are written, states saved, the other processes told."""

import math
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxmlp.grid.groups import Grid
from jaxmlp.grid.results import rank
from jaxmlp.grid.scheduler import Call, Ended
from jaxmlp.sweep import processes, store
from jaxmlp.sweep.recorder import Best, Recorder
from jaxmlp.sweep.store import Saved
from jaxmlp.training.callbacks import Callbacks


class Progress(NamedTuple):
    """How far a sweep is, over all processes."""

    trials: int
    done: int  # trials that have ended, for whatever reason
    running: int  # on the devices, with an epoch to go
    by_status: dict[str, int]  # of those that have ended
    epochs: int  # of trials, all together, since it was begun
    rate: float  # of these a second
    seconds_left: float  # if trials that go on take as many epochs as those that have ended
    best: dict[str, Any] | None  # the row of the best so far


class Stopped(Exception):  # noqa: N818
    """All processes were asked to stop, and have saved."""


class SweepHost:
    """What happens between two calls of the program: results are written, states saved, the other processes told."""

    def __init__(
        self,
        path: Path,
        callbacks: Callbacks,
        recorder: Recorder,
        saved: Saved | None,
        *,
        checkpoint_seconds: float,
    ) -> None:
        self.path, self.callbacks, self.recorder = path, callbacks, recorder
        self.index, self.count = processes.index(), processes.count()
        self.calls = 0 if saved is None else saved.call
        self.done = 0 if saved is None else saved.lines
        self.epochs = 0 if saved is None else int(saved.totals["epochs"])
        self.seconds = 0.0 if saved is None else saved.totals["seconds"]
        self.best: Best | None = None if saved is None else saved.best
        self.rows: list[dict[str, Any]] = []  # in process 0
        self.by_status: Counter[str] = Counter()
        self.whole = 0  # epochs of the trials that have ended and were not pruned
        self.leading: dict[str, Any] | None = None  # the row of the best
        if self.index == 0:
            self._keep(store.cut(path, self.done))
        self.saved_at = time.monotonic()
        self.checkpoint_seconds = self.pause = checkpoint_seconds
        self.saved = False  # since the last exchange

    def called(self, grid: Grid, call: Call | None) -> bool:
        """Exchange what the calls of all processes came to; save, when it is time."""
        records = [] if call is None else self._record(grid.group, call.ended)
        due = time.monotonic() - self.saved_at >= self.pause
        messages = processes.exchange(
            {
                "seated": grid.scheduler.seated,
                "running": len(grid.scheduler.going),
                "epochs": 0 if call is None else call.epochs,
                "seconds": 0.0 if call is None else call.seconds,
                "stop": self.callbacks.should_stop(),
                "save": due and self.index == 0,
                "records": records,
            }
        )
        self.calls += 1
        self.epochs += sum(message["epochs"] for message in messages)
        self.seconds += max(message["seconds"] for message in messages)
        self._write(messages)
        if self.index == 0:
            self.callbacks.on_call_end(self._progress(sum(message["running"] for message in messages)))
        if self.saved and self.index == 0:  # and so have all, or they would not be here
            store.remove_others(self.path, self.count)
            self.saved = False
        stop = any(message["stop"] for message in messages)
        if stop or any(message["save"] for message in messages):
            self.save(grid)
        if stop:
            processes.exchange({})  # nobody leaves while another one saves
            raise Stopped
        return any(message["seated"] for message in messages)

    def gathered(self, scores: dict[int, float]) -> dict[int, float]:
        """The scores of all processes' trials."""
        messages = processes.exchange({"scores": {str(trial): score for trial, score in scores.items()}})
        return {int(trial): score for message in messages for trial, score in message["scores"].items()}

    def pruned(self, grid: Grid, ended: dict[int, list[Ended]]) -> None:
        """Write down who was taken out, a list for each group."""
        records = [record for group, found in ended.items() for record in self._record(group, found)]
        self._write(processes.exchange({"records": records}))

    def save(self, grid: Grid) -> None:
        """Write the part of this process."""
        started = time.monotonic()
        snapshots, at = grid.snapshot()
        totals = {"epochs": self.epochs, "seconds": self.seconds}
        store.save(self.path, self.index, self.count, Saved(self.calls, snapshots, at, self.done, totals, self.best))
        self.saved_at, self.saved = time.monotonic(), True
        self.pause = max(self.checkpoint_seconds, self.saved_at - started)

    def _record(self, group: int, ended: Sequence[Ended]) -> list[dict[str, Any]]:
        """The lines of trials that have ended; the best of them is kept."""
        records = []
        for trial in ended:
            row, curve = self.recorder.record(group, trial)
            records.append({"row": row, "curve": curve})
            self.best = self.recorder.better(self.best, group, trial, row)
        return records

    def _write(self, messages: Sequence[dict[str, Any]]) -> None:
        records = [record for message in messages for record in message["records"]]
        self.done += len(records)
        if self.index == 0:
            rows = [record["row"] for record in records]
            store.append(self.path, rows, [record["curve"] for record in records])
            self._keep(rows)

    def _keep(self, rows: Sequence[dict[str, Any]]) -> None:
        self.rows += rows
        self.by_status.update(row["status"] for row in rows)
        self.whole += sum(row["epochs_run"] for row in rows if row["status"] != "pruned")
        known = [] if self.leading is None else [self.leading]
        first = min([*known, *rows], key=_rank, default=None)
        self.leading = None if first is None or _rank(first)[0] == math.inf else first

    def _progress(self, going: int) -> Progress:
        every, pruned = len(self.recorder.every), self.by_status["pruned"]
        mean = self.whole / (self.done - pruned) if self.done > pruned else self.recorder.longest
        rate = self.epochs / self.seconds if self.seconds else 0.0
        left = max(mean * (every - pruned) - self.epochs, every - self.done)
        by_status = dict(sorted(self.by_status.items()))
        seconds = left / rate if rate else 0.0
        return Progress(every, self.done, going, by_status, self.epochs, rate, seconds, self.leading)


def _rank(row: dict[str, Any]) -> tuple[float, int]:
    return rank(row, row["trial"])
