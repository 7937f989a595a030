"""The record of a trial: exact counts, the cause of a divergence, and which of two trials is the better one."""

import math

import numpy as np
import pytest

from jaxmlp.grid.progress import Tally
from jaxmlp.grid.results import COLUMNS, TrialResult, rank, sparsity
from jaxmlp.grid.units import Record
from jaxmlp.grid.worker import Pulse
from jaxmlp.nn.network import Layer
from jaxmlp.training.loop import TrainState
from jaxmlp.training.stopping import Stopping


def state_of(w, best_epoch=1):
    params = (Layer(np.asarray(w, np.float32), np.zeros(np.shape(w)[1], np.float32)),)
    stopping = Stopping(np.float32(1), np.float32(1), np.int32(best_epoch), np.int32(0), np.bool_(False), None)
    return TrainState(params, (), params, stopping, np.int32(best_epoch))


def result(trial=0, status="max_epochs", best_epoch=1, **last):
    """Two epochs, all of whose metrics are 1 but for those of the last."""
    history = np.ones((2, len(COLUMNS)))
    for name, value in last.items():
        history[-1, COLUMNS.index(name)] = value
    return TrialResult(trial, status, history, state_of([[1.0]], best_epoch))


def test_sparsity_counts_the_weights_of_all_layers_and_no_biases():
    params = state_of([[0.5, 0.0], [1e-4, -2.0]]).best_params
    assert sparsity(params) == 0.5
    assert sparsity(params, below=0.0) == 0.25
    assert sparsity((*params, Layer(np.ones((2, 2), np.float32), np.zeros(2, np.float32)))) == 0.25


@pytest.mark.parametrize(
    ("status", "last", "expected"),
    [
        ("early_stopping", {}, None),
        ("diverged", {"validation_loss": np.nan}, "validation loss is nan in epoch 2"),
        ("diverged", {"train_loss": np.inf, "validation_loss": np.nan}, "training loss is inf in epoch 2"),
    ],
)
def test_the_cause_of_a_divergence(status, last, expected):
    assert result(status=status, **last).cause == expected


def test_a_row_holds_the_best_epoch_and_exact_counts():
    row = result(7, best_epoch=2, validation_loss=0.25, validation_score=3, train_loss=0.5, train_score=9).row(10, 4)
    assert list(row)[:4] == ["trial", "status", "epochs_run", "best_epoch"]
    assert (row["trial"], row["epochs_run"], row["best_epoch"]) == (7, 2, 2)
    assert [row[f"validation_{name}"] for name in ("loss", "accuracy", "correct", "count")] == [0.25, 0.75, 3, 4]
    assert [row[f"train_{name}"] for name in ("loss", "accuracy", "correct", "count")] == [0.5, 0.9, 9, 10]
    none = result(best_epoch=0).row(10, 4)
    assert (none["validation_loss"], none["train_correct"], none["train_count"]) == (None, None, 10)


def test_a_curve_holds_none_where_a_number_is_not_finite():
    curve = result(validation_loss=np.inf, train_score=5).curve(10, 4)
    assert curve["validation_loss"] == [1.0, None]
    assert (curve["train_correct"], curve["train_accuracy"]) == ([1, 5], [0.1, 0.5])


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ((3, "pruned", 0.4), (2, "max_epochs", 0.5)),
        ((2, "max_epochs", 0.5), (3, "max_epochs", 0.5)),  # of equals the lower number
        ((3, "max_epochs", 0.5), (2, "diverged", 0.1)),
        ((3, "max_epochs", 0.5), (2, "diverged", None)),
    ],
)
def test_which_of_two_trials_is_the_better(better, worse):
    assert rank(*better) < rank(*worse)
    rows = [dict(zip(("trial", "status", "validation_loss"), key, strict=True)) for key in (worse, better)]
    tally = Tally(2, 9)
    tally.add_rows([row | {"epochs_run": 1} for row in rows])
    assert tally.best is not None
    assert tally.best["trial"] == better[0]


def test_a_trial_without_a_finite_loss_is_never_the_best():
    assert result(status="diverged").rank == (math.inf, 0)
    assert result(best_epoch=0).rank == (math.inf, 0)
    assert result(best_epoch=2, validation_loss=0.5).rank == (0.5, 0)
    tally = Tally(1, 9)
    tally.add_rows([result(status="diverged", train_loss=np.nan).row(1, 1)])
    assert tally.best is None


def test_the_time_left_follows_from_the_trials_that_were_not_pruned(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("jaxmlp.grid.progress.time.monotonic", lambda: now[0])
    tally = Tally(trials=10, max_epochs=8, workers=2)
    tally.add_pulse(Pulse("a", epochs=0, finished=0, running=10, best=None))
    now[0] += 3
    tally.add_pulse(Pulse("a", epochs=12, finished=0, running=10, best=None))
    progress = tally.progress()
    assert (progress.rate, progress.seconds_left, progress.running) == (4.0, (10 * 8 - 12) / 4, 10)
    row = {"validation_loss": 1.0}
    tally.end("a")
    tally.add_work(12, 6.0)
    tally.add_rows([{"trial": i, "status": "pruned", "epochs_run": 1} | row for i in range(4)])
    tally.add_rows([{"trial": 5, "status": "early_stopping", "epochs_run": 4} | row])
    progress = tally.progress()
    assert (progress.finished, progress.by_status) == (5, {"early_stopping": 1, "pruned": 4})
    assert (progress.rate, progress.seconds_left, tally.seconds) == (4.0, (4 * 6 - 12) / 4, 3.0)


def test_the_best_of_a_running_unit_is_shown_before_it_is_done():
    tally = Tally(trials=10, max_epochs=8)
    leading = Record({"trial": 3, "status": "max_epochs", "validation_loss": 0.5}, {})
    tally.add_pulse(Pulse("a", epochs=4, finished=1, running=3, best=leading))
    assert tally.progress().best == leading.row
    assert (tally.best, tally.progress().finished) == (None, 1)
