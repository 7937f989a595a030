"""What a sweep does between two calls: processes exchange what finished, results are written, states are saved."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxmlp.grid.groups import Exchange, Grid, Stopped
from jaxmlp.grid.progress import Tally
from jaxmlp.grid.results import TrialResult
from jaxmlp.grid.scheduler import Call
from jaxmlp.runs.identity import Identity
from jaxmlp.sweep import processes, store
from jaxmlp.sweep.recorder import Recorder
from jaxmlp.sweep.store import Saved
from jaxmlp.training.callbacks import Callbacks


class SweepExchange(Exchange):
    """Writes the results of a sweep, saves its state now and then, and exchanges both with the other processes."""

    def __init__(
        self,
        path: Path,
        callbacks: Callbacks,
        recorder: Recorder,
        saved: Saved | None,
        rows: Sequence[dict[str, Any]],
        run: Identity,
        *,
        checkpoint_seconds: float,
    ) -> None:
        self.path, self.callbacks, self.recorder, self.run = path, callbacks, recorder, run
        self.index, self.count = processes.index(), processes.count()
        self.calls = 0 if saved is None else saved.call
        self.lines = 0 if saved is None else saved.lines  # of results: trials that have finished
        totals = {"epochs": 0, "seconds": 0.0} if saved is None else saved.totals
        self.tally = Tally(len(recorder.trials), recorder.longest, int(totals["epochs"]), totals["seconds"])
        if self.index == 0:  # it alone writes results, and counts them
            self.tally.add_rows(rows)
        self.saved_at = time.monotonic()
        self.checkpoint_seconds = self.pause = checkpoint_seconds
        self.has_saved = False  # since the last exchange

    def after_call(self, grid: Grid, call: Call) -> bool:
        """Exchange what happened in the calls of all processes; save, when it is time."""
        due = time.monotonic() - self.saved_at >= self.pause
        messages = processes.exchange(
            {
                "has_call": grid.scheduler.has_call,
                "running": len(grid.scheduler.active),
                "epochs": call.epochs,
                "seconds": call.seconds,
                "stop": self.callbacks.should_stop(),
                "save": due and self.index == 0,
                "records": self._records(grid, call.finished),
            }
        )
        self.calls += 1
        self.tally.epochs += sum(message["epochs"] for message in messages)
        self.tally.seconds += max(message["seconds"] for message in messages)
        self._write([record for message in messages for record in message["records"]])
        if self.index == 0:
            self.callbacks.on_call_end(self.tally.progress(sum(message["running"] for message in messages)))
        if self.has_saved and self.index == 0:  # and so have all, or they would not be here
            store.remove_others(self.path, self.count)
            self.has_saved = False
        stop = any(message["stop"] for message in messages)
        if stop or any(message["save"] for message in messages):
            self.save(grid)
        if stop:
            processes.exchange({})  # no process ends while another one saves
            raise Stopped
        return any(message["has_call"] for message in messages)

    def gather(self, scores: dict[int, float]) -> dict[int, float]:
        """The scores of all processes' trials."""
        messages = processes.exchange({"scores": {str(trial): score for trial, score in scores.items()}})
        return {int(trial): score for message in messages for trial, score in message["scores"].items()}

    def save(self, grid: Grid) -> None:
        """Save the state of the trials of this process."""
        started = time.monotonic()
        totals = {"epochs": self.tally.epochs, "seconds": self.tally.seconds}
        store.save(self.path, self.index, self.count, Saved(self.calls, grid.snapshot(), self.lines, totals), self.run)
        self.saved_at, self.has_saved = time.monotonic(), True
        self.pause = max(self.checkpoint_seconds, self.saved_at - started)

    def _records(self, grid: Grid, results: Sequence[TrialResult]) -> list[dict[str, Any]]:
        """The lines of trials that have finished."""
        return [self.recorder.record(grid.group_of(result.trial), result) for result in results]

    def _write(self, records: Sequence[dict[str, Any]]) -> None:
        self.lines += len(records)
        if self.index == 0:
            rows = [record["row"] for record in records]
            store.append(self.path, rows, [record["curve"] for record in records], self.run)
            self.tally.add_rows(rows)
