"""A bar of progress in one line, drawn over again: on a terminal by rich, in a notebook as HTML with live curves."""

import math
import sys
import time
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxmlp import display
from jaxmlp.text import duration
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Epoch
from jaxmlp.training.events import NewBest, RunBegin

SHORTEST_BAR, LONGEST_BAR = 5, 40  # characters


class Losses(NamedTuple):
    """The losses so far, of a run or of the best trial of a grid."""

    title: str
    train: list[float]  # of each epoch
    validation: list[float]
    best: int  # the best epoch; 0 where there is none


@runtime_checkable
class Surface(Protocol):
    """Where a bar is drawn."""

    pause: float  # seconds between two drawings

    def draw(self, head: str, parts: Sequence[str], done: int, total: int, losses: Losses) -> None:
        """Draw the bar, or move it on: the head, the bar, and as many of the parts as there is room for; and curves."""
        ...

    def clear(self) -> None:
        """Remove the bar."""
        ...


def surface() -> Surface | None:
    """The notebook or the terminal that this process writes to; None where it is neither."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if hasattr(shell, "kernel"):
        return NotebookBar()
    if sys.stderr is not None and sys.stderr.isatty():
        from rich.console import Console

        return TerminalBar(Console(stderr=True, highlight=False))
    return None


class TerminalBar:
    """A bar of rich, as long as the line leaves room for it."""

    pause = 0.1

    def __init__(self, console: Any) -> None:
        self.console = console
        self.drawn: Any = None

    def draw(self, head: str, parts: Sequence[str], done: int, total: int, losses: Losses | None = None) -> None:
        """See `Surface`."""
        from rich.progress import BarColumn, Progress, TextColumn

        room = self.console.width - len(head) - 3
        last = fitting(parts, room - SHORTEST_BAR)
        if self.drawn is None:
            fields = (TextColumn("{task.fields[first]}", markup=False), TextColumn("{task.fields[last]}", markup=False))
            self.drawn = Progress(fields[0], BarColumn(), fields[1], console=self.console, transient=True)
            self.drawn.add_task("", total=total, first=head, last=last)
            self.drawn.start()
        self.drawn.columns[1].bar_width = min(LONGEST_BAR, max(SHORTEST_BAR, room - len(last)))
        self.drawn.update(self.drawn.task_ids[0], completed=done, first=head, last=last)

    def remark(self, text: str) -> None:
        """Show a text in place of the parts."""
        self.drawn.update(self.drawn.task_ids[0], last=text)

    def clear(self) -> None:
        """See `Surface`."""
        if self.drawn is not None:
            self.drawn.stop()
            self.drawn = None


class NotebookBar:
    """The same, and curves of the losses, as one output of a cell, which is empty once training is over."""

    pause = 0.5

    def __init__(self) -> None:
        self._handle: Any = None

    def draw(self, head: str, parts: Sequence[str], done: int, total: int, losses: Losses) -> None:
        """See `Surface`."""
        bar = f'{escape(head)} <progress value="{done}" max="{total}"></progress> {escape(", ".join(parts))}'
        lines = {"train": losses.train, "validation": losses.validation}
        self._show(bar + (display.curves(losses.title, lines, losses.best) if any(lines.values()) else ""))

    def clear(self) -> None:
        """See `Surface`."""
        if self._handle is not None:
            self._show("")
            self._handle = None

    def _show(self, html: str) -> None:
        from IPython.display import HTML  # pyright: ignore[reportMissingImports]
        from IPython.display import display as show  # pyright: ignore[reportMissingImports]

        if self._handle is None:
            self._handle = show(HTML(html), display_id=True)
        else:
            self._handle.update(HTML(html))


class ProgressBar(Callbacks):
    """The progress of a network or of a grid, drawn on a surface once `patience` seconds are over; on none, nothing is."""

    def __init__(self, surface: Surface | None, *, patience: float) -> None:
        self._surface, self._next = surface, time.monotonic() + patience
        self._done = self._max_epochs = self._examples = 0
        self._began = 0.0
        self._losses = Losses("loss", [], [], 0)

    def on_run_begin(self, run: RunBegin) -> None:
        """Begin the curves with the epochs that are done."""
        train, validation = ([getattr(epoch, part).loss for epoch in run.epochs] for part in ("train", "validation"))
        self._losses = Losses("loss", train, validation, 0)

    def on_train_begin(self, done: int, max_epochs: int, examples: int) -> None:
        """Draw the bar."""
        self._done, self._max_epochs, self._examples, self._began = done, max_epochs, examples, time.monotonic()
        self._draw("epoch", done, max_epochs, None, [])

    def on_epoch_end(self, epoch: Epoch) -> None:
        """Move the bar on, and the curves."""
        self._losses.train.append(epoch.train.loss)
        self._losses.validation.append(epoch.validation.loss)
        left = seconds_left(self._began, epoch.epoch - self._done, self._max_epochs - epoch.epoch)
        self._draw("epoch", epoch.epoch, self._max_epochs, left, epoch_parts(epoch, self._examples))

    def on_best(self, best: NewBest) -> None:
        """Mark the epoch; of a grid, show the curves of the trial from now on."""
        if best.curve is None:
            self._losses = self._losses._replace(best=best.epoch)
        else:
            columns = (best.curve["train_loss"], best.curve["validation_loss"])
            train, validation = ([math.nan if loss is None else loss for loss in losses] for losses in columns)
            self._losses = Losses(f"loss of trial {best.trial}, the best so far", train, validation, best.epoch)

    def on_call_end(self, progress: Any) -> None:
        """Move the bar of a grid on."""
        self._draw("trials", progress.finished, progress.trials, progress.seconds_left, progress.parts())

    def on_train_end(self) -> None:
        """Remove the bar."""
        self.clear()

    def clear(self) -> None:
        """Remove the bar, if there is one."""
        if self._surface is not None:
            self._surface.clear()

    def _draw(self, what: str, done: int, total: int, left: float | None, parts: Sequence[str]) -> None:
        if self._surface is not None and time.monotonic() >= self._next:
            self._surface.draw(head(what, done, total, left), parts, done, total, self._losses)
            self._next = time.monotonic() + self._surface.pause


def head(what: str, done: int, total: int, seconds_left: float | None) -> str:
    """`epoch 12/100, ~3 min left`."""
    return f"{what} {done:,}/{total:,}" + ("" if seconds_left is None else f", ~{duration(seconds_left)} left")


def seconds_left(began: float, done: int, left: int) -> float:
    """How long so many epochs take at the pace of those that are done since `began`."""
    return (time.monotonic() - began) / max(done, 1) * left


def epoch_parts(epoch: Epoch, examples: int) -> list[str]:
    """The losses of an epoch, the score, and examples a second; the most telling first."""
    validation = epoch.validation
    score = f"R2 {validation.r2:.4f}" if validation.correct is None else f"{100 * validation.accuracy:.2f} %"
    return [
        f"validation {validation.loss:.4f} ({score})",
        f"loss {epoch.train.loss:.4f}",
        f"{examples / epoch.seconds:,.0f} examples/s",
    ]


def fitting(parts: Sequence[str], room: int) -> str:
    """As many of the parts, from the first on, as so many characters hold."""
    kept = list(parts)
    while len(", ".join(kept)) > room and kept:
        kept.pop()
    return ", ".join(kept)
