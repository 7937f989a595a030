"""The progress of a sweep: on a terminal a bar, elsewhere a line a minute."""

from jaxmlp.cli.progress import Lines
from jaxmlp.grid.progress import Progress
from jaxmlp.scores import score_of


class SweepBar(Lines):
    """Trials done, time left; trials running, the best, trial-epochs a second, trials by how they ended."""

    def on_call_end(self, progress: Progress) -> None:
        """Draw the bar, or move it on."""
        parts = [f"{progress.running:,} running"]
        if progress.best is not None:
            loss, score = progress.best["validation_loss"], score_of(progress.best)
            shown = score.text(progress.best[f"validation_{score.name}"])
            parts.append(f"best {loss:.4f} ({shown if score.unit else f'{score.title} {shown}'})")
        parts.append(f"{progress.rate:,.1f} trial-epochs/s")
        parts += [f"{number:,} {status.replace('_', ' ')}" for status, number in progress.by_status.items()]
        self.show("trials", progress.finished, progress.trials, progress.seconds_left, parts)

    def on_train_end(self) -> None:
        """Take the bar away."""
        self.clear()
