"""A thread that writes events one after the other, so that a library can neither delay a run nor end it."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from jaxmlp.errors import line_of

MOST = 10_000  # events that wait: with more of them, training waits
QUIET = 2.0  # seconds of waiting at the end, after which a line says so
PAUSE = 0.02


class Writer:
    """Calls functions in the order they are put. One that raises, or takes longer than `patience` seconds, is the last.

    Args:
        name: What a message calls it.
        say: Prints a message, in the thread that puts.
        patience: Seconds that a call may take.
    """

    def __init__(self, name: str, say: Callable[[str], None], patience: float) -> None:
        self.name, self.say, self.patience = name, say, patience
        self.has_failed = False
        self._calls: queue.SimpleQueue[tuple[Callable[[Any], None], Any] | None] = queue.SimpleQueue()
        self._since: float | None = None  # when the call that runs now began
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=f"jaxmlp-{name}", daemon=True)
        self._thread.start()

    @property
    def is_stuck(self) -> bool:
        """Whether a call has not come back, though nothing waits for it any more."""
        return self.has_failed and self._error is None and self._thread.is_alive()

    def put(self, write: Callable[[Any], None], event: Any) -> None:
        """Have `write(event)` called; nothing, once it has failed."""
        while not self._failed() and self._calls.qsize() >= MOST:
            time.sleep(PAUSE)
        if not self.has_failed:
            self._calls.put((write, event))

    def finish(self) -> None:
        """Wait until all is written, as long as each call ends in time, and Ctrl-C is not pressed."""
        self._calls.put(None)
        try:
            self._wait()
        except KeyboardInterrupt:  # not raised: the run has ended, and has a result
            self._leave_out("Ctrl-C")

    def _wait(self) -> None:
        began, has_said = time.monotonic(), False
        while self._thread.is_alive() and not self._failed():
            self._thread.join(PAUSE)
            left = self._calls.qsize() - 1
            if not has_said and left > 0 and time.monotonic() - began > QUIET:
                has_said = True
                self.say(f"{self.name} has {left:,} events left to write")
        self._failed()

    def _failed(self) -> bool:
        """Whether a call has raised, or takes too long; says so once."""
        since = self._since
        if self.has_failed:
            return True
        if self._error is not None:
            why = line_of(self._error, named=True)
        elif since is not None and time.monotonic() - since > self.patience:
            why = f"no answer for {self.patience:g} s"
        else:
            return False
        self._leave_out(why)
        return True

    def _leave_out(self, why: str) -> None:
        self.has_failed = True
        self.say(f"{self.name} is left out from here on ({why}); the run itself goes on")

    def _work(self) -> None:
        while (call := self._calls.get()) is not None and not self.has_failed:
            write, event = call
            self._since = time.monotonic()
            try:
                write(event)
            except BaseException as error:  # a library may raise anything, SystemExit too
                self._error = error
                return
            finally:
                self._since = None
