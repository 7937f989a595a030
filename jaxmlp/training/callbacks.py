"""Callbacks: what a caller sees while training runs, and how it asks training to stop.

One class serves `fit`, `fit_grid` and every command: a subclass overrides the events it wants. Events come from the
host, between two calls of a compiled program, so a callback may print, draw or write; the time it takes is not counted
as training.
"""

from collections.abc import Sequence
from typing import Any

from jaxmlp.training.epochs import Epoch


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

    def on_compile(self, what: str) -> None:
        """A program is about to be compiled, which takes seconds; `what` names it, such as `784-128-10`."""

    def on_train_begin(self, done: int, max_epochs: int, examples: int) -> None:
        """Training of one network begins, after `done` of at most `max_epochs` epochs of so many examples each."""

    def on_epoch_end(self, epoch: Epoch) -> None:
        """An epoch of one network is over."""

    def on_call_end(self, progress: Any) -> None:
        """A call of a program that trains many trials is over; `progress` says how far the grid is."""

    def on_train_end(self) -> None:
        """Training is over; results are now evaluated and written."""

    def should_stop(self) -> bool:
        """Whether to stop after this epoch or call. A run or sweep saves its state, and can be resumed; `fit` returns."""
        return False


class Together(Callbacks):
    """Several callbacks as one: each gets every event, and any can stop the training."""

    def __init__(self, callbacks: Sequence[Callbacks]) -> None:
        self.callbacks = tuple(callbacks)

    def on_message(self, text: str) -> None:
        for callback in self.callbacks:
            callback.on_message(text)

    def on_compile(self, what: str) -> None:
        for callback in self.callbacks:
            callback.on_compile(what)

    def on_train_begin(self, done: int, max_epochs: int, examples: int) -> None:
        for callback in self.callbacks:
            callback.on_train_begin(done, max_epochs, examples)

    def on_epoch_end(self, epoch: Epoch) -> None:
        for callback in self.callbacks:
            callback.on_epoch_end(epoch)

    def on_call_end(self, progress: Any) -> None:
        for callback in self.callbacks:
            callback.on_call_end(progress)

    def on_train_end(self) -> None:
        for callback in self.callbacks:
            callback.on_train_end()

    def should_stop(self) -> bool:
        return any(callback.should_stop() for callback in self.callbacks)
