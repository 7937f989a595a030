"""What the commands show while they work: lines, and on a terminal a bar. rich waits until there is something to show."""

from typing import Any

from jaxmlp.cli.signals import Interruption
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Epoch


class Lines(Callbacks):
    """Lines for people, unless they want quiet; training stops when `interruption` has come."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console

        self.console = Console(stderr=False, highlight=False, soft_wrap=True)
        self.quiet = quiet
        self.interruption = Interruption()

    def on_message(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        if not self.quiet:
            self.console.print(text, markup=False)

    def should_stop(self) -> bool:
        """Whether a signal has come."""
        return self.interruption.asked()


class Bar(Lines):
    """Progress on a terminal: a bar with epoch, losses, accuracy and examples a second. Elsewhere only the notes."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.progress: Any = None
        self.examples = 0

    def on_train_begin(self, done: int, max_epochs: int, examples: int) -> None:
        """Draw the bar."""
        self.examples = examples
        if self.quiet or not self.console.is_terminal:
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = ("epoch", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"), TimeRemainingColumn())
        self.progress = Progress(*columns, console=self.console, transient=True)
        self.progress.add_task("", total=max_epochs, completed=done, text="")
        self.progress.start()

    def on_epoch_end(self, epoch: Epoch) -> None:
        """Move the bar on."""
        if self.progress is not None:
            text = (
                f"loss {epoch.train.loss:.4f}, validation {epoch.validation.loss:.4f}"
                f" ({100 * epoch.validation.accuracy:.2f} %), {self.examples / epoch.seconds:,.0f} examples/s"
            )
            self.progress.update(self.progress.task_ids[0], completed=epoch.epoch, text=text)

    def on_train_end(self) -> None:
        """Take the bar away."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None
