"""The task that all entries share."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import Examples, Hyper, Network, Spec, Training
from jaxmlp.bench.task import PRESETS
from jaxmlp.nn.network import Layer
from jaxmlp.training.evaluation import evaluate


def test_an_epoch_of_the_report_has_the_operations_of_its_products():
    assert PRESETS["report"].flops == 48_000 * (4 * 784 * 128 + 6 * 128 * 10)


def test_every_process_draws_the_same_data_and_weights(small):
    for drawn in (small.data, small.weights):
        for one, other in zip(drawn(), drawn(), strict=True):
            assert all(map(np.array_equal, one, other)) if isinstance(one, tuple) else np.array_equal(one, other)


def test_data_are_float32_and_of_every_class(small):
    x, labels = small.data()
    assert (x.dtype, x.shape) == (np.float32, (70, 6))
    assert set(labels) == {0, 1, 2}


def test_the_loss_is_the_mean_cross_entropy(small):
    x, labels = small.data()
    spec = Spec(Network(small.hidden), Training(), small.inputs, small.outputs)
    params = tuple(Layer(jnp.asarray(w), jnp.asarray(b)) for w, b in small.weights())
    expected = evaluate(spec, Hyper(), params, Examples(jnp.asarray(x), jnp.asarray(labels.astype(np.int32)))).loss
    assert small.loss(small.weights()) == pytest.approx(float(expected), rel=1e-5)


def test_the_first_trial_of_the_grid_is_the_single_network(small):
    assert small.learning_rates() == pytest.approx([0.1, 0.1 / 10**0.5, 0.01])
