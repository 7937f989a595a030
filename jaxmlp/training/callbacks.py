"""Callbacks: what a caller sees while training runs, and how it asks training to stop.

One class serves `fit`, `fit_grid` and every command: progress, files and trackers read the same events. Events come from
the host, between two calls of a compiled program, so a callback may print, draw or write; the time it takes is not
counted as training.

    a run:   on_run_begin, on_train_begin, (on_epoch_end, on_best, on_checkpoint) ..., on_train_end, on_run_end
    a grid:  on_run_begin, (on_call_end, on_trial_end, on_best) ..., on_train_end, on_run_end
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from jaxmlp.training.epochs import Epoch
from jaxmlp.training.events import Checkpoint, NewBest, RunBegin, RunEnd, TrialEnd


class Callbacks:
    """Every event does nothing here; a subclass overrides those it wants.

    Example:
        class Print(jaxmlp.Callbacks):
            def on_epoch_end(self, epoch):
                print(epoch.epoch, epoch.validation.loss)

        jaxmlp.fit(spec, hyper, splits, callbacks=[Print()])
    """

    def on_message(self, text: str) -> None:
        """Something worth a line for the user."""

    def on_run_begin(self, run: RunBegin) -> None:
        """A run or a grid begins: its config, its data, and what an earlier session has done of it."""

    def on_compile(self, what: str) -> None:
        """A program is about to be compiled, which takes seconds; `what` names it, such as `784-128-10`."""

    def on_train_begin(self, done: int, max_epochs: int, examples: int) -> None:
        """Training of one network begins, after `done` of at most `max_epochs` epochs of so many examples each."""

    def on_epoch_end(self, epoch: Epoch) -> None:
        """An epoch of one network is over."""

    def on_call_end(self, progress: Any) -> None:
        """A call of a program that trains many trials is over; `progress` says how far the grid is."""

    def on_trial_end(self, trial: TrialEnd) -> None:
        """A trial of a grid has finished, each once a session: a sweep that goes on begins with those of earlier ones."""

    def on_best(self, best: NewBest) -> None:
        """An epoch of a run, or a trial of a grid, is better than all before."""

    def on_checkpoint(self, checkpoint: Checkpoint) -> None:
        """The state of a run is on the disk."""

    def on_train_end(self) -> None:
        """Training is over; results are now evaluated and written."""

    def on_run_end(self, run: RunEnd) -> None:
        """The run or grid is over, whether it has finished, was stopped or has failed."""

    def should_stop(self) -> bool:
        """Whether to stop after this epoch or call. A run or sweep saves its state, and can be resumed; `fit` returns."""
        return False


EVENTS = tuple(name for name in vars(Callbacks) if name.startswith("on_"))


class Together(Callbacks):
    """Several callbacks as one: each gets every event, and any can stop the training."""

    def __init__(self, callbacks: Sequence[Callbacks]) -> None:
        self.callbacks = tuple(callbacks)
        for event in EVENTS:
            setattr(self, event, partial(self._call, event))

    def _call(self, event: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(*arguments)

    def should_stop(self) -> bool:
        return any(callback.should_stop() for callback in self.callbacks)


@contextmanager
def ending(callbacks: Callbacks, path: Path | None = None) -> Iterator[None]:
    """Say that a run has failed, if it does."""
    try:
        yield
    except BaseException:
        callbacks.on_run_end(RunEnd("failed", path=path))
        raise
