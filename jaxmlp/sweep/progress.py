"""The progress of a sweep: on a terminal a bar, elsewhere a line a minute."""

import time
from typing import Any

from jaxmlp.cli.progress import Lines
from jaxmlp.grid.progress import Progress as State
from jaxmlp.text import duration

SHORTEST_BAR, LONGEST_BAR, LINE = 5, 40, 160  # characters
PAUSE = 60.0  # seconds between two lines where there is no bar


class SweepBar(Lines):
    """On a terminal a bar: trials done, running, stopped, diverged; the best; trial-epochs a second; time left.

    On a narrow one the bar is shorter, and says less. Elsewhere a line a minute.
    """

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.bar: Any = None
        self.told = time.monotonic()

    def on_call_end(self, progress: State) -> None:
        """Draw the bar, or move it on."""
        if self.quiet or not self.console.is_terminal:
            if time.monotonic() - self.told >= PAUSE:
                self.told = time.monotonic()
                self.on_message(
                    f"{progress.finished:,} of {progress.trials:,} trials have ended, {_told(progress, LINE)}"
                )
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        room = self.console.width - len(f"trials   {progress.trials}/{progress.trials} ")
        text = _told(progress, room - SHORTEST_BAR)
        if self.bar is None:
            columns = ("trials", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"))
            self.bar = Progress(*columns, console=self.console, transient=True)
            self.bar.add_task("", total=progress.trials, text="")
            self.bar.start()
        self.bar.columns[1].bar_width = min(LONGEST_BAR, max(SHORTEST_BAR, room - len(text)))
        self.bar.update(self.bar.task_ids[0], completed=progress.finished, text=text)

    def on_train_end(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def _told(progress: State, room: int) -> str:
    """A line of how far it is, in so many characters: what runs and the time left, and between them what has room."""
    parts = [f"{progress.running:,} running"]
    if progress.best is not None:
        parts.append(
            f"best {progress.best['validation_loss']:.4f} ({100 * progress.best['validation_accuracy']:.2f} %)"
        )
    parts += [f"{count:,} {status.replace('_', ' ')}" for status, count in progress.by_status.items()]
    parts += [f"{progress.rate:,.1f} trial-epochs/s", f"~{duration(progress.seconds_left)} left"]
    while len(", ".join(parts)) > room and len(parts) > 2:
        del parts[-2]  # the least important of them
    return ", ".join(parts)
