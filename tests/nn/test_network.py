"""Initialisers, the forward pass, dropout, outputs, and the bias as an augmented input."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from jaxmlp.errors import UsageError
from jaxmlp.nn.gradients import by_delta_rule
from jaxmlp.nn.losses import CLASSES, LABELS, LOSSES
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
    biases_too = name in ("uniform", "glorot_uniform_all")
    np.testing.assert_allclose(jnp.std(layer.b), expected if biases_too else 0, rtol=0.1)
    if kind == "uniform":
        assert jnp.max(jnp.abs(layer.w)) <= 0.03
    if kind != "zeros":  # layers, and weights and biases, are drawn apart
        assert not np.array_equal(layer.w[:100, :100], output.w[:100, :100])


@pytest.mark.parametrize(("activation", "factor"), [("sigmoid", 2), ("relu", 6), ("identity", 6)])
def test_glorot_uniform_all_is_the_interval_of_scikit_learn(activation, factor):
    """Of every layer, the output too; which bound it is follows from the activation of the hidden layers."""
    spec = Spec(Network((30,), activation, init="glorot_uniform_all"), Training(), 40, 20)
    for layer, units in zip(init(spec, Hyper(), jax.random.key(0)), [(40, 30), (30, 20)], strict=True):
        bound = math.sqrt(factor / sum(units))
        for leaf in layer:
            assert 0.8 * bound < jnp.max(jnp.abs(leaf)) <= bound
            assert jnp.min(leaf) < 0 < jnp.max(leaf)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", INITS)
def test_initialisers_draw_in_the_dtype_of_the_training(name):
    for dtype in ("float32", "float64"):
        params = init(Spec(Network((3,), init=name), Training(dtype=dtype), 2, 2), Hyper(), jax.random.key(0))
        assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(dtype)}


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


def test_predictions_of_every_kind_of_targets():
    logits = jnp.asarray([[0.0, 2.0, 2.0], [-1.0, -3.0, 0.0]])
    np.testing.assert_array_equal(predictions(logits), [1, 2])  # the first of equals
    np.testing.assert_array_equal(predictions(logits, LABELS), [[0, 1, 1], [0, 0, 0]])  # above one half
    np.testing.assert_array_equal(predictions(jnp.asarray([[0.5], [-0.5], [0.0]]), CLASSES), [1, 0, 0])


@pytest.mark.parametrize(
    ("loss", "formula"),
    {
        "softmax_cross_entropy": lambda z: special.softmax(z, axis=1),
        "smoothed_cross_entropy": lambda z: special.softmax(z, axis=1),
        "sigmoid_cross_entropy": special.expit,
        "squared_error": np.tanh,
        "huber": np.tanh,
        "quantile": np.tanh,
        "poisson": np.exp,
    }.items(),
)
def test_outputs_of_every_loss(loss, formula):
    network = Network(loss=loss, output_activation="tanh" if LOSSES[loss].reads_output_activation else "identity")
    logits = np.asarray([[0.0, 2.0, 2.0], [-1.0, -3.0, 0.5]], np.float32)
    np.testing.assert_allclose(outputs(network, jnp.asarray(logits)), formula(logits), rtol=1e-6)
