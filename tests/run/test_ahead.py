"""What follows the training is compiled while the training is, and a fault in that costs nothing."""

import jax
import numpy as np
import pytest

from jaxmlp.data.config import Data
from jaxmlp.nn.losses import LOSSES
from jaxmlp.run import ahead, directory, runner
from jaxmlp.run.config import Experiment
from jaxmlp.spec import Hyper, Network, Training
from jaxmlp.training.callbacks import Callbacks

COMPILING = "/jax/core/compile/backend_compile_duration"


@pytest.fixture
def compiled():
    """A list that grows by an entry with each program that XLA compiles."""
    times: list[float] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: times.append(seconds) if event == COMPILING else None
    )
    yield times
    jax.monitoring.clear_event_listeners()


class AtTheEnd(Callbacks):
    """Counts the programs that are compiled when the training ends."""

    def __init__(self, compiled):
        self.compiled, self.programs = compiled, 0

    def on_train_end(self):
        self.programs = len(self.compiled)


def experiment(tmp_path, loss, dtype):
    rng = np.random.default_rng(0)
    x, path = rng.normal(size=(90, 4)), tmp_path / "data.npz"
    y = {"classes": (x[:, 0] > 0).astype(int), "labels": (x[:, :2] > 0).astype(int), "values": x[:, :2] ** 2}
    y = y[LOSSES[loss].learns[0]]
    np.savez(path, x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    network, training = Network((5,), loss=loss), Training(batch_size=16, max_epochs=2, dtype=dtype)
    return Experiment(Data(str(path)), network, training, Hyper(patience=0))


def run(experiment, out, callbacks):
    directory.create(out, experiment, overwrite=False)
    return runner.run(experiment, runner.read_data(experiment), out, callbacks, checkpoint_seconds=60.0)


@pytest.mark.parametrize(
    ("loss", "dtype"),
    [("softmax_cross_entropy", "float32"), ("sigmoid_cross_entropy", "float64"), ("poisson", "float32")],
)
def test_nothing_is_compiled_after_the_training(tmp_path, monkeypatch, compiled, loss, dtype):
    begin, watch = ahead.begin, AtTheEnd(compiled)
    monkeypatch.setattr(runner.ahead, "begin", lambda *arguments: begin(*arguments).join())
    run(experiment(tmp_path, loss, dtype), tmp_path / "run", watch)
    assert 0 < watch.programs == len(compiled)


@pytest.mark.usefixtures("without_pictures")
def test_a_fault_ahead_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(ahead, "_compile", lambda *_: 1 / 0)
    outcome = run(experiment(tmp_path, "softmax_cross_entropy", "float32"), tmp_path / "run", Callbacks())
    assert outcome.summary["epochs_run"] == 2
