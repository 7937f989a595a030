"""The progress of a sweep: on a terminal a bar, elsewhere a line a minute."""

from jaxmlp.cli.progress import Lines
from jaxmlp.grid.progress import Progress


class SweepBar(Lines):
    """Trials done, time left; trials running, the best, trial-epochs a second, trials by how they ended."""

    def on_call_end(self, progress: Progress) -> None:
        """Draw the bar, or move it on."""
        self.show("trials", progress.finished, progress.trials, progress.seconds_left, progress.parts())

    def on_train_end(self) -> None:
        """Take the bar away."""
        self.clear()
