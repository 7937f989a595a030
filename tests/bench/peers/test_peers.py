"""Every peer that is installed: it learns what ours learns, from the same weights, anew in each run."""

from importlib.util import find_spec

import jax
import numpy as np
import pytest

from jaxmlp.bench.entries import ENTRIES, PEERS
from jaxmlp.bench.peers import by_numpy
from jaxmlp.bench.task import Task

TASK = Task(8, (16,), 3, examples=400, batch=32, epochs=6, trials=2)
OURS = {"numpy", "sklearn"}  # installed wherever the tests run
SOURCES = {entry.source: entry.peer for entry in ENTRIES if entry.peer}


@pytest.fixture
def as_in_a_process_of_its_own(monkeypatch):
    """Others are not as strict as the tests of this house."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


@pytest.mark.usefixtures("as_in_a_process_of_its_own")
@pytest.mark.filterwarnings("ignore")  # of Keras, about NumPy 2
@pytest.mark.parametrize("source", SOURCES)
def test_a_peer_comes_to_our_loss_and_begins_anew_in_each_run(source):
    peer = SOURCES[source]
    if peer not in OURS and find_spec(PEERS[peer].module) is None:
        pytest.skip(f"{peer} is not installed")
    contestant = next(entry for entry in ENTRIES if entry.source == source).make(TASK)
    expected = TASK.loss(by_numpy.by_hand(TASK).run())
    for _ in range(2):
        weights = contestant.run()
        assert [(w.shape, b.shape) for w, b in weights] == [(w.shape, b.shape) for w, b in TASK.weights()]
        assert TASK.loss(weights) == pytest.approx(expected, rel=0.1)
    assert contestant.epochs in (6, 12)


def test_numpys_gradient_is_that_of_the_loss():
    """By central differences, of weights and biases of both layers."""
    task = Task(4, (5,), 3, examples=12, batch=12, epochs=1, trials=1)
    x, labels = task.data()
    rng = np.random.default_rng(0)
    layers = [[w.astype(float), b + rng.normal(size=b.shape)] for w, b in task.weights()]
    grads = by_numpy.gradients(layers, x.astype(float), np.eye(3)[labels])
    for layer, grad in zip(layers, grads, strict=True):
        for part, g in zip(layer, grad, strict=True):
            at, losses = (0,) * part.ndim, []
            for eps in (1e-5, -2e-5):
                part[at] += eps
                losses.append(task.loss([(w, b) for w, b in layers]))
            part[at] += 1e-5
            assert g[at] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-4, abs=1e-8)
