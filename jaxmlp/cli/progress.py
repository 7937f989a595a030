"""What commands show while they work: lines, and on a terminal a bar. Where there is none, a line a minute."""

import time
from collections.abc import Sequence
from typing import Any, TypeVar

from jaxmlp.cli.signals import Interruption
from jaxmlp.text import duration
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Epoch

SHORTEST_BAR, LONGEST_BAR = 5, 40  # characters
PAUSE = 60.0  # seconds between two lines where there is no bar
AnyLines = TypeVar("AnyLines", bound="Lines")


class Lines(Callbacks):
    """Lines, unless `quiet`, and one bar at a time; training stops once `interruption` has a signal."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console

        self.console = Console(stderr=False, highlight=False)
        self.quiet = quiet
        self.interruption = Interruption()
        self.bar: Any = None
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
            self.bar.update(self.bar.task_ids[0], last=f"compiling {what}")

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

    def show(self, what: str, done: int, total: int, seconds_left: float | None, parts: Sequence[str]) -> None:
        """Draw or update the bar: `what done/total, time left`, and as many of the parts as there is room for.

        Where there is no terminal, the same is a line a minute.
        """
        first = f"{what} {done:,}/{total:,}" + ("" if seconds_left is None else f", ~{duration(seconds_left)} left")
        if not self.on_terminal:
            if time.monotonic() - self.spoke >= PAUSE:
                self.spoke = time.monotonic()
                self.on_message(", ".join([first, *parts]))
            return
        from rich.progress import BarColumn, Progress, TextColumn

        room = self.console.width - len(first) - 3
        last = fitting(parts, room - SHORTEST_BAR)
        if self.bar is None:
            fields = (TextColumn("{task.fields[first]}", markup=False), TextColumn("{task.fields[last]}", markup=False))
            self.bar = Progress(fields[0], BarColumn(), fields[1], console=self.console, transient=True)
            self.bar.add_task("", total=total, first=first, last=last)
            self.bar.start()
        self.bar.columns[1].bar_width = min(LONGEST_BAR, max(SHORTEST_BAR, room - len(last)))
        self.bar.update(self.bar.task_ids[0], completed=done, first=first, last=last)

    def clear(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def fitting(parts: Sequence[str], room: int) -> str:
    """As many of the parts, from the first on, as so many characters hold."""
    kept = list(parts)
    while len(", ".join(kept)) > room and kept:
        kept.pop()
    return ", ".join(kept)


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
        pace = (time.monotonic() - self.began) / max(epoch.epoch - self.done, 1)
        score, shown = epoch.validation.names()[0], epoch.validation.shown()[0]
        parts = [
            f"validation {epoch.validation.loss:.4f} ({shown if score == 'accuracy' else f'{score} {shown}'})",
            f"loss {epoch.train.loss:.4f}",
            f"{self.examples / epoch.seconds:,.0f} examples/s",
        ]
        self.show("epoch", epoch.epoch, self.max_epochs, pace * (self.max_epochs - epoch.epoch), parts)

    def on_train_end(self) -> None:
        """Remove the bar, and print what follows: evaluating and drawing take some seconds."""
        self.clear()
        if self.began is not None and not self.should_stop():
            self.on_message("evaluating, and drawing pictures")
        self.began = None
