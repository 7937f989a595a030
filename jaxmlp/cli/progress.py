"""What commands show while they work: lines, and on a terminal a bar. Where there is none, a line a minute."""

import time
from collections.abc import Sequence
from typing import TypeVar

from jaxmlp.cli.signals import Interruption
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Epoch
from jaxmlp.training.progress import TerminalBar, epoch_parts, head, seconds_left

PAUSE = 60.0  # seconds between two lines where there is no bar
AnyLines = TypeVar("AnyLines", bound="Lines")


class Lines(Callbacks):
    """Lines, unless `quiet`, and one bar at a time; training stops once `interruption` has a signal."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console

        self.console = Console(stderr=False, highlight=False)
        self.quiet = quiet
        self.interruption = Interruption()
        self.bar: TerminalBar | None = None
        self.spoke = time.monotonic()

    def __enter__(self: AnyLines) -> AnyLines:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    @property
    def on_terminal(self) -> bool:
        """Whether a bar can be drawn."""
        return self.console.is_terminal and not self.quiet

    def on_message(self, text: str) -> None:
        """Print a line, above the bar if there is one; on a terminal it breaks between words."""
        if not self.quiet:
            self.console.print(text, markup=False, soft_wrap=not self.console.is_terminal)

    def on_compile(self, what: str) -> None:
        """Say what is compiled: in the bar, if there is one."""
        if self.bar is None:
            self.on_message(f"compiling {what}")
        else:
            self.bar.remark(f"compiling {what}")

    def should_stop(self) -> bool:
        """Whether a signal has come."""
        return self.interruption.signalled

    def quote(self, text: str, line: str) -> None:
        """Print a text and a line to paste, which no terminal breaks."""
        if self.on_terminal:
            self.on_message(f"{text}:")
            self.console.print(line, markup=False, soft_wrap=True)
        else:
            self.on_message(f"{text}: {line}")

    def show(self, what: str, done: int, total: int, left: float | None, parts: Sequence[str]) -> None:
        """Draw or update the bar: `what done/total, time left`, and as many of the parts as there is room for.

        Where there is no terminal, the same is a line a minute.
        """
        first = head(what, done, total, left)
        if self.on_terminal:
            self.bar = self.bar or TerminalBar(self.console)
            self.bar.draw(first, parts, done, total)
        elif time.monotonic() - self.spoke >= PAUSE:
            self.spoke = time.monotonic()
            self.on_message(", ".join([first, *parts]))

    def clear(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.clear()
            self.bar = None


class Bar(Lines):
    """The progress of one network: epoch, time left, losses, accuracy or R2, examples a second."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.max_epochs = self.done = self.examples = 0
        self.began: float | None = None

    def on_train_begin(self, done: int, max_epochs: int, examples: int) -> None:
        """Draw the bar."""
        self.done, self.max_epochs, self.examples, self.began = done, max_epochs, examples, time.monotonic()
        if not self.on_terminal:
            self.on_message(f"training from epoch {done + 1} to at most {max_epochs}, {examples:,} examples each")
        self.show("epoch", done, max_epochs, None, [])

    def on_epoch_end(self, epoch: Epoch) -> None:
        """Update the bar."""
        assert self.began is not None
        left = seconds_left(self.began, epoch.epoch - self.done, self.max_epochs - epoch.epoch)
        self.show("epoch", epoch.epoch, self.max_epochs, left, epoch_parts(epoch, self.examples))

    def on_train_end(self) -> None:
        """Remove the bar, and print what follows: evaluating and drawing take some seconds."""
        self.clear()
        if self.began is not None and not self.should_stop():
            self.on_message("evaluating, and drawing pictures")
        self.began = None
