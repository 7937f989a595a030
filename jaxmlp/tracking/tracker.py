"""What all trackers share: callbacks that hand each event to a thread, which writes what is not written yet."""

import os
import shlex
import sys
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

from jaxmlp.errors import UsageError
from jaxmlp.fields import shown
from jaxmlp.text import short_path
from jaxmlp.tracking.ledger import Ledger
from jaxmlp.tracking.names import TRACKERS, check_installed
from jaxmlp.tracking.writer import Writer
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Epoch
from jaxmlp.training.events import RunBegin, RunEnd, TrialEnd

PATIENCE = 60.0  # seconds that one event may take; the first of MLflow makes a database, 2 s on a quiet machine


def to_stderr(line: str) -> None:
    """Print a line for the user of a script or a notebook."""
    print(line, file=sys.stderr)


class Tracker(Callbacks):
    """Writes a run, or a grid of trials, for a tool that shows it.

    A subclass writes: its `begin`, `epoch`, `trial` and `end` are called one after the other, in a thread of their own.
    A tracker that raises, or does not answer, costs one line, and is left out from there on: the run goes on.

    Args:
        folder: Where it is written: a folder a run or grid, which goes on with it when it is resumed.
        say: Prints that line; on standard error, if it is not given.
        patience: Seconds that one event may take.

    Raises:
        UsageError: where the library is not installed.
    """

    name: str  # as --track has it
    ledger: Ledger
    _writer: Writer | None

    def __init__(
        self, folder: str | Path, say: Callable[[str], None] = to_stderr, *, patience: float = PATIENCE
    ) -> None:
        check_installed(self.name)
        if not isinstance(folder, str | Path):
            raise UsageError(f"folder is {shown(folder)}; accepted is a path, such as 'runs/mine/{self.name}'")
        self.folder, self.say, self.patience = Path(folder).absolute(), say, patience
        self.has_failed, self._writer = False, None

    @property
    def opens(self) -> str | None:
        """The line to type that shows, or sends, what is written; None where it went to a server, or the tracker failed."""
        entry = TRACKERS[self.name]
        sent = entry.server in os.environ
        return None if sent or self.has_failed else entry.opens.format(shlex.quote(short_path(self.folder)))

    @abstractmethod
    def begin(self, run: RunBegin) -> None:
        """Begin a run or a grid; go on with the one of `ledger.id`, if there is one."""

    @abstractmethod
    def epoch(self, epoch: Epoch) -> None:
        """Write an epoch of the run."""

    @abstractmethod
    def trial(self, trial: TrialEnd) -> None:
        """Write a trial of the grid."""

    @abstractmethod
    def end(self, run: RunEnd) -> None:
        """Write how the run or grid ended, and close it."""

    def abandon(self) -> None:
        """Leave nothing behind for which this process would wait at its end: the library does not answer."""

    def on_run_begin(self, run: RunBegin) -> None:
        """Begin to write, with what an earlier session did and the tracker has not yet."""
        self._writer = Writer(self.name, self.say, self.patience)
        self._writer.put(self._begin, run)
        for epoch in run.epochs:
            self.on_epoch_end(epoch)

    def on_epoch_end(self, epoch: Epoch) -> None:
        """Have an epoch written."""
        if self._writer is not None:
            self._writer.put(self._epoch, epoch)

    def on_trial_end(self, trial: TrialEnd) -> None:
        """Have a trial written."""
        if self._writer is not None:
            self._writer.put(self._trial, trial)

    def on_run_end(self, run: RunEnd) -> None:
        """Have the end written, and wait until all is."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.put(self._end, run)
            writer.finish()
            self.has_failed = writer.has_failed
            if writer.is_stuck:
                self.abandon()

    def _begin(self, run: RunBegin) -> None:
        self.ledger = Ledger(self.folder, goes_on=run.resumed)
        self.begin(run)

    def _end(self, run: RunEnd) -> None:
        self.end(run)
        if run.status == "finished":
            self.ledger.add_end()

    def _epoch(self, epoch: Epoch) -> None:
        if epoch.epoch > self.ledger.epoch:
            self.epoch(epoch)
            self.ledger.add_epoch(epoch.epoch)

    def _trial(self, trial: TrialEnd) -> None:
        number = trial.row["trial"]
        if number not in self.ledger.trials:
            self.trial(trial)
            self.ledger.add_trial(number)
