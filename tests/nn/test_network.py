"""Initialisers, the forward pass, dropout, outputs, and the bias as an augmented input."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.errors import UsageError
from jaxmlp.nn.gradients import by_delta_rule
from jaxmlp.nn.network import INITS, Layer, dropout_mask, forward, init, outputs, predictions
from jaxmlp.spec import Examples, Hyper, Network, Spec, Training


@pytest.mark.parametrize("name", INITS)
def test_initialisers_have_the_standard_deviation_of_their_definition(name):
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
