"""Losses, their targets, and the penalties of the weights."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.errors import UsageError
from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.nn.gradients import by_delta_rule
from jaxmlp.nn.losses import LOSSES, loss, penalty, penalty_gradient, soft_threshold, targets
from jaxmlp.nn.network import init
from jaxmlp.spec import Examples, Hyper, Network, Spec, Training

IDENTITY = ACTIVATIONS["identity"]


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_cross_entropy_of_zero_logits_is_log_k(classes):
    """Would have caught a loss that is averaged over N K instead of N."""
    spec = Spec(Network((), init="zeros"), Training(), 3, classes)
    params = init(spec, Hyper(), jax.random.key(0))
    batch = Examples(jnp.ones((7, 3)), jnp.arange(7, dtype=jnp.int32) % classes)
    got = by_delta_rule(spec, Hyper(), params, batch, None)
    np.testing.assert_allclose(got.losses, math.log(classes), rtol=1e-6)


def test_cross_entropy_of_huge_logits_is_finite():
    z = jnp.asarray([[1e4, -1e4, 0.0]])
    t = jnp.asarray([[0.0, 1.0, 0.0]])
    np.testing.assert_allclose(LOSSES["softmax_cross_entropy"].value(z, t, IDENTITY), 2e4)
    np.testing.assert_allclose(LOSSES["softmax_cross_entropy"].delta(z, t, IDENTITY), [[1, -1, 0]])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_squared_error_targets_are_those_of_the_output_activation(name):
    low, high = ACTIVATIONS[name].targets
    t = targets(jnp.asarray([1], jnp.int32), 3, LOSSES["squared_error"], ACTIVATIONS[name], jnp.float32)
    np.testing.assert_allclose(t, [[low, high, low]])
    hot = targets(jnp.asarray([1], jnp.int32), 3, LOSSES["softmax_cross_entropy"], ACTIVATIONS[name], jnp.float32)
    np.testing.assert_array_equal(hot, [[0, 1, 0]])


def test_penalty_counts_every_weight_once():
    w = jnp.asarray([[1.0, -2.0], [0.0, 3.0]])
    l1, l2 = jnp.asarray(0.5), jnp.asarray(0.1)
    np.testing.assert_allclose(penalty(w, l1, l2), 0.5 * 6 + 0.05 * 14)
    np.testing.assert_allclose(penalty_gradient(w, l1, l2), [[0.6, -0.7], [0.0, 0.8]], rtol=1e-6)


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.0, [-2.0, -0.5, -0.0, 0.0, 0.5, np.inf, np.nan]),
        (0.5, [-1.5, 0.0, 0.0, 0.0, 0.0, np.inf, np.nan]),
        (3.0, [0.0, 0.0, 0.0, 0.0, 0.0, np.inf, np.nan]),
    ],
)
def test_soft_threshold(threshold, expected):
    """sign(w) max(|w| - threshold, 0): exact zeros within the threshold, and nothing changed where that is 0."""
    w = jnp.asarray([[-2.0, -0.5, -0.0, 0.0, 0.5, jnp.inf, jnp.nan]])
    np.testing.assert_array_equal(soft_threshold(w, jnp.asarray(threshold)), [expected])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
def test_soft_threshold_is_the_proximal_step_of_the_penalty(threshold):
    """argmin_u 1/2 (u - w)^2 + threshold |u|, by trying every u of a grid."""
    w, u = jnp.linspace(-2, 2, 81)[None], np.linspace(-2, 2, 801)
    cost = 0.5 * (u[:, None] - np.asarray(w)) ** 2 + threshold * np.abs(u[:, None])
    np.testing.assert_allclose(soft_threshold(w, jnp.asarray(threshold))[0], u[cost.argmin(axis=0)], atol=1e-9)


def test_unknown_loss():
    with pytest.raises(UsageError, match="softmax_cross_entropy"):
        loss("cross_entropy")
