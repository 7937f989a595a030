"""SIGINT and SIGTERM: before there is anything to save they end the process, later they ask it to save and stop."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

NUMBERS = (signal.SIGINT, signal.SIGTERM)


def install() -> None:
    """Make SIGINT and SIGTERM end the process at once, with 130 or 143 and one line. Commands call it before they import."""
    for number in NUMBERS:
        signal.signal(number, _exit)


def _exit(number: int, _: object) -> NoReturn:
    """End the process at once: nothing is half written, since files are replaced whole.

    An exception would not do: JAX runs Python in callbacks of its own, where KeyboardInterrupt is swallowed.
    """
    cursor = "\x1b[?25h" if sys.stderr is not None and sys.stderr.isatty() else ""  # a bar may have hidden it
    with contextlib.suppress(OSError):
        os.write(2, f"{cursor}interrupted\n".encode())
    os._exit(128 + number)


@dataclass
class Interruption:
    """Whether a signal asked to stop, and which."""

    number: int = 0

    @property
    def signalled(self) -> bool:
        """True once a signal has come."""
        return self.number != 0


@contextlib.contextmanager
def interruptible(then: str = "stopping after this epoch") -> Iterator[Interruption]:
    """The first SIGINT or SIGTERM asks to stop after the epoch; a second one stops at once, at the last checkpoint."""
    interruption = Interruption()
    before = {number: signal.getsignal(number) for number in NUMBERS}

    def ask(number: int, _: object) -> None:
        interruption.number = number
        for known, handler in before.items():
            signal.signal(known, handler)
        line = f"\n{signal.Signals(number).name}: {then} (again: at once)\n"
        with contextlib.suppress(OSError):  # not print: a signal may come in the middle of one
            os.write(2, line.encode())

    for number in before:
        signal.signal(number, ask)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
