"""The rows of a sweep: exact counts, the cause of a divergence, the interval, and which trial is the better one."""

import numpy as np
import pytest
from scipy import stats

from jaxmlp.grid.histories import COLUMNS
from jaxmlp.grid.results import cause, sparsity
from jaxmlp.grid.scheduler import Ended
from jaxmlp.nn.network import Layer
from jaxmlp.statistics import accuracy_interval
from jaxmlp.sweep.recorder import Best, Recorder
from jaxmlp.training.loop import TrainState
from jaxmlp.training.stopping import Stopping


@pytest.mark.parametrize(("correct", "count"), [(0, 10), (10, 10), (5, 10), (9771, 10_000), (1, 1)])
def test_the_interval_is_wilsons(correct, count):
    expected = stats.binomtest(correct, count).proportion_ci(0.95, "wilson")
    assert accuracy_interval(correct, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


def state_of(w, best_epoch=1):
    params = (Layer(np.asarray(w, np.float32), np.zeros(np.shape(w)[1], np.float32)),)
    stopping = Stopping(np.float32(1), np.float32(1), np.int32(best_epoch), np.int32(0), np.bool_(False))
    return TrainState(params, (), params, stopping, np.int32(best_epoch))


def history(**last):
    rows = np.ones((2, len(COLUMNS)))
    for name, value in last.items():
        rows[-1, COLUMNS.index(name)] = value
    return rows


def test_sparsity_counts_the_weights_of_all_layers_and_no_biases():
    w = [[0.5, 0.0], [1e-4, -2.0]]
    state = state_of(w)
    assert sparsity(state.best_params) == 0.5
    assert sparsity(state.best_params, below=0.0) == 0.25
    assert sparsity((*state.best_params, Layer(np.ones((2, 2), np.float32), np.zeros(2, np.float32)))) == 0.25


@pytest.mark.parametrize(
    ("status", "last", "expected"),
    [
        ("early_stopping", {}, None),
        ("diverged", {"validation_loss": np.nan}, "validation loss is nan in epoch 2"),
        ("diverged", {"train_loss": np.inf, "validation_loss": np.nan}, "training loss is inf in epoch 2"),
    ],
)
def test_the_cause_of_a_divergence(status, last, expected):
    assert cause(Ended(0, status, history(**last), state_of([[1.0]]))) == expected


@pytest.mark.parametrize(
    ("best", "trial", "loss", "status", "wins"),
    [
        (None, 3, 0.5, "max_epochs", True),
        (0.5, 3, 0.4, "pruned", True),
        (0.5, 3, 0.6, "max_epochs", False),
        (0.5, 3, 0.5, "max_epochs", False),  # of equals the lower number
        (0.5, 1, 0.5, "max_epochs", True),
        (None, 3, 0.1, "diverged", False),
        (None, 3, None, "diverged", False),
    ],
)
def test_which_is_the_better(best, trial, loss, status, wins):
    before = None if best is None else Best(0, 2, best, state_of([[1.0]]))
    ended = Ended(trial, status, history(), state_of([[2.0]]))
    found = Recorder.better(before, 1, ended, {"status": status, "validation_loss": loss})
    assert found == (Best(1, trial, loss, ended.state) if wins else before)
