"""Losses, targets, initialisers, dropout, and the bias as an augmented input."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.errors import UsageError
from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.nn.gradients import by_delta_rule
from jaxmlp.nn.losses import LOSSES, loss, penalty, penalty_gradient, targets
from jaxmlp.nn.network import INITS, Layer, dropout_mask, forward, init, outputs, predictions
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


def test_unknown_loss():
    with pytest.raises(UsageError, match="softmax_cross_entropy"):
        loss("cross_entropy")


@pytest.mark.parametrize("name", INITS)
def test_initialisers_have_the_deviation_of_their_definition(name):
    spec = Spec(Network((300,), init=name), Training(), 200, 100)
    layer, output = init(spec, Hyper(init_scale=0.03), jax.random.key(0))
    assert layer.w.shape == (200, 300)
    assert output.w.shape == (300, 100)
    kind = name.split("_")[0]
    expected = {
        "zeros": 0.0,
        "uniform": 0.03 / math.sqrt(3),
        "lecun": math.sqrt(1 / 200),
        "glorot": math.sqrt(2 / 500),
        "he": math.sqrt(2 / 200),
    }[kind]
    np.testing.assert_allclose(jnp.std(layer.w), expected, rtol=0.02)
    np.testing.assert_allclose(jnp.std(layer.b), expected if name == "uniform" else 0, rtol=0.1)
    if kind == "uniform":
        assert jnp.max(jnp.abs(layer.w)) <= 0.03
    if kind != "zeros":  # layers, and weights and biases, are drawn apart
        assert not np.array_equal(layer.w[:100, :100], output.w[:100, :100])


def test_unknown_initialiser():
    with pytest.raises(UsageError, match="did you mean he_normal"):
        init(Spec(Network(init="he_norml"), Training(), 2, 2), Hyper(), jax.random.key(0))


def test_bias_equals_an_input_that_is_always_one():
    """The report augments the input with a 1; `b` is the weight of that input, in value and in gradient."""
    spec, augmented = (Spec(Network(()), Training(), d, 3) for d in (4, 5))
    key = jax.random.key(0)
    w, b, x = (jax.random.normal(k, s) for k, s in zip(jax.random.split(key, 3), [(4, 3), (3,), (6, 4)], strict=True))
    labels = jnp.arange(6, dtype=jnp.int32) % 3
    with_bias = by_delta_rule(spec, Hyper(), (Layer(w, b),), Examples(x, labels), None)
    wide = jnp.concatenate([x, jnp.ones((6, 1))], axis=1)
    stacked = Layer(jnp.concatenate([w, b[None]]), jnp.zeros(3))
    as_input = by_delta_rule(augmented, Hyper(), (stacked,), Examples(wide, labels), None)
    np.testing.assert_allclose(with_bias.logits, as_input.logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(with_bias.grads[0].w, as_input.grads[0].w[:4], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(with_bias.grads[0].b, as_input.grads[0].w[4], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_expectation(rate):
    mask = dropout_mask(jax.random.key(0), Hyper(dropout_rate=rate), jnp.ones((400, 250)))
    np.testing.assert_allclose(jnp.mean(mask == 0), rate, atol=0.01)
    np.testing.assert_allclose(jnp.mean(mask), 1, atol=0.02)
    np.testing.assert_allclose(jnp.max(mask), 1 / (1 - rate), rtol=1e-6)


def test_forward_has_no_dropout():
    x = jnp.ones((2, 6))
    specs = [Spec(Network((5,), dropout=dropout), Training(), 6, 4) for dropout in (False, True)]
    params = init(specs[0], Hyper(), jax.random.key(0))
    np.testing.assert_array_equal(*(forward(spec, params, x) for spec in specs))


def test_outputs_and_predictions():
    logits = jnp.asarray([[0.0, 2.0, 2.0]])
    assert predictions(logits) == 1  # the first of equals
    np.testing.assert_allclose(jnp.sum(outputs(Network(), logits)), 1, rtol=1e-6)
    squared = Network(loss="squared_error", output_activation="tanh")
    np.testing.assert_allclose(outputs(squared, logits), jnp.tanh(logits))
