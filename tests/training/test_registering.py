"""Entries of one's own: in the registries of all, and refused where a derivative is wrong."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import clouds, refused

import jaxmlp
from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.nn.losses import LOSSES
from jaxmlp.run import config
from jaxmlp.sklearn import MLPRegressor
from jaxmlp.spec import Examples, Hyper, Network, Spec, Splits, Training
from jaxmlp.training.optimizers import OPTIMIZERS
from jaxmlp.training.registering import register_activation, register_loss, register_optimizer

pytestmark = pytest.mark.usefixtures("standard_promotion")


@pytest.fixture(autouse=True)
def registries_as_before():
    before = [(registry, dict(registry)) for registry in (ACTIVATIONS, LOSSES, OPTIMIZERS)]
    yield
    for registry, entries in before:
        registry.clear()
        registry.update(entries)


def log_cosh(z, t, f, hyper):
    return jnp.sum(jnp.log(jnp.cosh(f.value(z) - t)), axis=1)


def log_cosh_delta(z, t, f, hyper):
    a = f.value(z)
    return jnp.tanh(a - t) * f.derivative(z, a)


def adamax(hyper, rate):
    return optax.adamax(rate, hyper.beta1, hyper.beta2, hyper.epsilon)


def test_what_is_registered_trains_by_either_gradient_from_python_and_from_a_config(tmp_path):
    register_activation("squared_relu", lambda z: jnp.maximum(z, 0) ** 2, lambda z, a: 2 * jnp.maximum(z, 0))
    register_loss("log_cosh", log_cosh, log_cosh_delta, reads_output_activation=True)
    register_optimizer("adamax", adamax, ["beta1", "beta2", "epsilon"], effective_rate=None)
    assert ACTIVATIONS["squared_relu"].kink
    splits = Splits(*(Examples(clouds(n, seed=n).x, clouds(n, seed=n).x[:, :2]) for n in (20, 9, 5)))
    training = Training("adamax", batch_size=8, max_epochs=3, gradient="both")
    spec = Spec(Network((5,), "squared_relu", "tanh", "log_cosh"), training, 4, 2)
    found = jaxmlp.fit(spec, Hyper(0.01, beta1=0.8), splits)
    assert found.epochs[-1].train.loss < found.epochs[0].train.loss
    assert max(epoch.disagreement for epoch in found.epochs) < 1e-5
    grid = jaxmlp.fit_grid(spec, Hyper(0.01), splits, {"activation": ["squared_relu"]})
    assert grid.table["activation"] == ["squared_relu"]
    path = tmp_path / "own.toml"
    path.write_text('[network]\nactivation = "squared_relu"\n[training]\noptimizer = "adamax"\n[hyper]\nbeta1 = 0.8\n')
    config.check(*config.read(path))
    estimator = MLPRegressor("log_cosh", (5,), "squared_relu", solver="adamax", beta_1=0.8)
    for _ in range(2):
        estimator.partial_fit(*splits.train[:2])
    assert estimator.loss_curve_[-1] < estimator.loss_curve_[0]


@pytest.mark.parametrize(
    ("value", "derivative", "words"),
    [
        (
            jnp.sin,
            lambda z, a: -jnp.cos(z),
            ["at z = -3.1", "derivative(z, a) is 0.999135", "says -0.999135", "make them one"],
        ),
        (jnp.sin, lambda z, a: jnp.cos(z) * (1 + 1e-6), ["at z = -3.1"]),
        (jnp.sin, lambda z, a: jnp.cos(z) * jnp.nan, ["is nan"]),
        (lambda z: z.sum(axis=1), lambda z, a: jnp.ones_like(z), ["the value", "has the shape [3]", "[3, 2]"]),
        (jnp.sin, lambda z, a: z > 0, ["the type bool", "accepted is float32"]),
        (np.tanh, lambda z, a: 1 - a * a, ["the value", "TracerArrayConversionError", "value(z), in jax.numpy"]),
        (lambda z: z if z > 0 else 0 * z, lambda z, a: z, ["the value", "truth value", "jnp.where"]),
        (jnp.sin, jnp.cos, ["the derivative", "accepted is derivative(z, a)"]),
    ],
    ids=["sign", "factor", "nan", "shape", "type", "numpy", "if", "one argument"],
)
def test_an_activation_that_is_wrong_is_refused_with_the_numbers(value, derivative, words):
    refused(["activation 'own'", *words], register_activation, "own", value, derivative)
    assert "own" not in ACTIVATIONS


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (
            lambda z, t, f, hyper: -log_cosh_delta(z, t, f, hyper),
            ["of values is not registered: at z = -3.1", "delta("],
        ),
        (lambda z, t, f, hyper: jnp.tanh(f.value(z) - t), ["central differences"]),  # right where f is the identity
        (lambda z, t, f, hyper: jnp.zeros(3), ["the delta", "accepted is float32 [2, 3]"]),
        (lambda z, t, f: z, ["the delta", "accepted is delta(z, t, f, hyper)"]),
        (
            lambda z, t, f, hyper: log_cosh_delta(z, t, f, hyper) * jnp.asarray(2 * hyper.quantile, z.dtype),
            ["uses hyper.quantile", "[]", "add it"],
        ),
    ],
    ids=["sign", "without f'", "shape", "arguments", "unread"],
)
def test_a_loss_whose_delta_is_wrong_is_refused_with_the_numbers(delta, words):
    refused(["loss 'own'", *words], register_loss, "own", log_cosh, delta, reads_output_activation=True)
    assert "own" not in LOSSES


def test_outputs_of_a_loss_that_are_wrong_are_refused():
    words = ["the outputs of loss 'own'", "has the shape [2]", "[2, 3]"]
    refused(words, register_loss, "own", log_cosh, log_cosh_delta, outputs=lambda z, f: z.sum(axis=1))
    refused(["accepted is outputs(z, f)"], register_loss, "own", log_cosh, log_cosh_delta, outputs=lambda z: z)
    assert "own" not in LOSSES


@pytest.mark.parametrize(
    ("build", "reads", "words"),
    [
        (adamax, ["beta1"], ["uses hyper.beta2", "['beta1']", "add it"]),
        (adamax, ["beta_1"], ["'beta_1' is unknown", "did you mean beta1"]),
        (lambda hyper, rate: optax.scale(jnp.nan), [], ["not finite"]),
        (
            lambda hyper, rate: optax.GradientTransformation(lambda p: 0, lambda g, s, p: (g, jnp.float32(s))),
            [],
            ["changes shapes or types", "int32[]", "float32[]"],
        ),
        (lambda hyper, rate: 3, [], ["returns int", "optax.GradientTransformation"]),
        (lambda hyper: optax.sgd(0.1), [], ["accepted is build(hyper, rate)"]),
    ],
    ids=["unread", "unknown", "nan", "state", "number", "arguments"],
)
def test_an_update_rule_that_is_wrong_is_refused(build, reads, words):
    refused(["'own'", *words], register_optimizer, "own", build, reads)
    assert "own" not in OPTIMIZERS


@pytest.mark.parametrize(
    ("call", "name", "words"),
    [
        (
            lambda name: register_activation(name, jnp.sin, lambda z, a: jnp.cos(z)),
            "tanh",
            ["exists", "overwrite=True"],
        ),
        (lambda name: register_activation(name, jnp.sin, lambda z, a: jnp.cos(z)), "step", ["cannot be called so"]),
        (lambda name: register_activation(name, jnp.sin, lambda z, a: jnp.cos(z), (1, 0)), "own", ["(1, 0)", "low"]),
        (lambda name: register_loss(name, log_cosh, log_cosh_delta), "huber", ["exists", "overwrite=True"]),
        (
            lambda name: register_loss(name, log_cosh, log_cosh_delta, ["ranks"]),
            "own",
            ["['ranks']", "classes, labels"],
        ),
        (lambda name: register_optimizer(name, adamax), "adam", ["exists", "overwrite=True"]),
        (lambda name: register_optimizer(name, adamax), "my rule", ["cannot be called so"]),
    ],
)
def test_a_name_or_a_kind_that_makes_no_sense_is_refused(call, name, words):
    refused([repr(name), *words], call, name)


def test_what_is_overwritten_is_compiled_anew():
    """By `fit` and in grids, whose programs know an activation by its name."""
    splits = Splits(*(clouds(n, seed=n) for n in (20, 9, 5)))
    spec, losses = Spec(Network((5,), "own"), Training(batch_size=8, max_epochs=1), 4, 3), []
    for factor in (1.0, 2.0):
        register_activation(
            "own", lambda z, c=factor: c * z, lambda z, a, c=factor: c * jnp.ones_like(z), overwrite=True
        )
        grid = jaxmlp.fit_grid(spec, Hyper(), splits, {}, mode="sequential")
        assert np.isclose(grid.table["validation_loss"][0], jaxmlp.fit(spec, Hyper(), splits).validation.loss)
        losses += grid.table["validation_loss"]
    assert losses[0] != losses[1]


def test_the_functions_are_public():
    assert {"register_activation", "register_loss", "register_optimizer"} <= set(jaxmlp.__all__)
