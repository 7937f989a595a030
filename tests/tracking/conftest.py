"""Events made by hand, so that no test of a tracker trains."""

from pathlib import Path

import pytest

from jaxmlp.training.epochs import Epoch, Measured
from jaxmlp.training.events import RunBegin, RunEnd, TrialEnd


def epoch(number):
    return Epoch(number, 0.1 / number, Measured(1 / number, 10 * number, 100), Measured(1.5 / number, 9, 20), 0.5, None)


def trial(number, rate, *, status="max_epochs"):
    """A trial of three epochs, of which the second is the best."""
    losses = [0.9, 0.3 + rate, None if status == "diverged" else 0.8]
    curve = {
        "learning_rate": [rate] * 3,
        "train_loss": [0.7, 0.5, 0.4],
        "train_correct": [50, 60, 70],
        "train_accuracy": [0.5, 0.6, 0.7],
        "validation_loss": losses,
        "validation_correct": [8, 9, 9],
        "validation_accuracy": [0.4, 0.45, 0.45],
        "disagreement": [0.0] * 3,
        "seconds": [0.1] * 3,
    }
    row = {"trial": number, "hyper.learning_rate": rate, "network.hidden": [16, 8], "seed": 0, "status": status}
    row |= {"epochs_run": 3, "best_epoch": 2, "validation_loss": losses[1], "validation_accuracy": 0.45}
    row |= {"validation_correct": 9, "validation_count": 20, "train_loss": 0.5, "train_accuracy": 0.6, "sparsity": 0.25}
    return TrialEnd(row, curve)


@pytest.fixture
def run(tmp_path):
    """A run directory with a picture and a model, and its events."""
    return Run(tmp_path / "run")


class Run:
    """The events of a run, or of a sweep, of a directory."""

    epoch, trial = staticmethod(epoch), staticmethod(trial)

    def __init__(self, path: Path):
        from PIL import Image

        self.path = path
        (path / "plots").mkdir(parents=True)
        Image.new("RGB", (6, 4)).save(path / "plots" / "curves.png")
        (path / "model.safetensors").write_bytes(b"weights")

    def begin(self, *done, grid=False):
        config = {"hyper.learning_rate": 0.1, "network.hidden": [16, 8], "training.optimizer": "adam", "seed": 0}
        axes = {"hyper.learning_rate": (0.1, 0.3), "network.hidden": ((16, 8),), "seed": (0,)} if grid else None
        return RunBegin(config, "digits", self.path, bool(done), tuple(map(epoch, done)), axes)

    def end(self, status="finished", *, grid=False):
        test = {"loss": 0.6, "accuracy": 0.75, "correct": 15, "count": 20}
        validation = {"loss": 0.75, "accuracy": 0.45, "correct": 9, "count": 20}
        summary = {"test": test, "validation": validation, "best_epoch": 2, "epochs_run": 3}
        if grid:
            summary = {"trials": 2, "best": dict(trial(0, 0.1).row) | {"test": test}}
        return RunEnd(status, summary if status == "finished" else None, self.path)

    def go(self, tracker, *numbers, done=(), status="finished"):
        """A session of a run: these epochs, after those that are done."""
        tracker.on_run_begin(self.begin(*done))
        for number in numbers:
            tracker.on_epoch_end(epoch(number))
        tracker.on_run_end(self.end(status))
        assert not tracker.has_failed

    def sweep(self, tracker, *trials, goes_on=False, status="finished"):
        """A session of a sweep: these trials, of which a sweep that goes on begins with the earlier ones."""
        tracker.on_run_begin(self.begin(grid=True)._replace(resumed=goes_on))
        for of in trials:
            tracker.on_trial_end(of)
        tracker.on_run_end(self.end(status, grid=True))
        assert not tracker.has_failed
