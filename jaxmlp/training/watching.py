"""How a training from Python is watched and stopped: callbacks, a bar of progress, and Ctrl-C."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from jaxmlp.errors import UsageError
from jaxmlp.fields import shown
from jaxmlp.training.callbacks import Callbacks, Together
from jaxmlp.training.progress import ProgressBar, surface

PATIENCE = 1.0  # seconds of training before a bar is drawn where `progress` is "auto"


class Interruption(Callbacks):
    """Whether Ctrl-C asked to stop."""

    signalled = False

    def should_stop(self) -> bool:
        """Whether it was pressed."""
        return self.signalled


class Watch(NamedTuple):
    """Who gets the events of a training, and whether Ctrl-C has stopped it."""

    callbacks: Callbacks
    interruption: Interruption


@contextmanager
def watched(callbacks: Any, progress: Any) -> Iterator[Watch]:
    """The callbacks of a training with a bar among them, if `progress` asks for one, and an end at Ctrl-C.

    Args:
        callbacks: One, several, or none.
        progress: True draws a bar, False none; "auto" draws it once training takes longer than a second. There is none
            but on a terminal and in a notebook.

    Raises:
        UsageError: for another `progress`, and for callbacks that are none.
    """
    if not isinstance(progress, bool) and progress != "auto":
        raise UsageError(f"progress is {shown(progress)}; accepted is True, False or 'auto'")
    several = [] if callbacks is None else [callbacks] if isinstance(callbacks, Callbacks) else callbacks
    if not isinstance(several, Sequence) or not all(isinstance(callback, Callbacks) for callback in several):
        raise UsageError(
            f"callbacks is {shown(callbacks)}; accepted is an instance of jaxmlp.Callbacks, or a list of them"
        )
    bar = ProgressBar(surface() if progress else None, patience=0.0 if progress is True else PATIENCE)
    with interruptible() as interruption:
        try:
            yield Watch(Together([*several, bar, interruption]), interruption)
        finally:
            bar.clear()


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """The first Ctrl-C asks to stop after this epoch, a second one raises KeyboardInterrupt.

    An exception at once would not do: JAX swallows KeyboardInterrupt where it runs Python in callbacks of its own.
    Ctrl-C is left alone outside the main thread, and where the process handles it in a way of its own.
    """
    interruption = Interruption()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield interruption
        return

    def ask(*_: object) -> None:
        interruption.signalled = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, before)
