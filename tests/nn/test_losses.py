"""Losses by independent formulas, their deltas, targets and corners; and the penalties of the weights."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import LEARNT, cases, of_kind
from scipy import special
from sklearn import metrics

from jaxmlp.errors import UsageError
from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.nn.gradients import by_delta_rule
from jaxmlp.nn.losses import (
    CLASSES,
    LABELS,
    LOSSES,
    VALUES,
    kind_of_targets,
    loss,
    output_targets,
    penalty,
    penalty_gradient,
    soft_threshold,
)
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


HYPER = Hyper(label_smoothing=0.2, huber_delta=0.75, quantile=0.3)
LOGITS = np.asarray([[0.3, -1.2, 2.0], [-0.4, 0.1, 0.9], [1.5, 1.0, -2.0], [0.2, -0.6, 1.1]])


def _each(loss_of, t):
    """The loss of each example by a metric of scikit-learn, which takes a mean over its outputs."""
    return np.asarray([len(z) * loss_of(row, z) for row, z in zip(t, LOGITS, strict=True)])


FORMULAS = {  # of the targets [N, K] -> the loss of each example
    "softmax_cross_entropy": lambda t: -(t * special.log_softmax(LOGITS, axis=1)).sum(axis=1),
    "smoothed_cross_entropy": lambda t: -((0.8 * t + 0.2 / 3) * special.log_softmax(LOGITS, axis=1)).sum(axis=1),
    "sigmoid_cross_entropy": lambda t: _each(lambda row, z: metrics.log_loss(row, special.expit(z), labels=[0, 1]), t),
    "squared_error": lambda t: 0.5 * _each(metrics.mean_squared_error, t),
    "huber": lambda t: special.huber(0.75, LOGITS - t).sum(axis=1),
    "quantile": lambda t: _each(lambda row, z: metrics.mean_pinball_loss(row, z, alpha=0.3), t),
    "poisson": lambda t: 0.5 * _each(lambda row, z: metrics.mean_poisson_deviance(row, np.exp(z)), t),
}


def test_every_loss_has_an_independent_formula():
    missing = LOSSES.keys() - FORMULAS
    assert not missing, (
        f"write the loss of an example under {', '.join(missing)} with SciPy or scikit-learn into FORMULAS"
    )


def targets_of(name, kind, examples, f=IDENTITY, hyper=HYPER, outputs=3):
    dtype = jnp.zeros(0).dtype
    return output_targets(jnp.asarray(examples.targets), outputs, LOSSES[name], f, hyper, dtype)


def learnt(name, kind, outputs):
    return of_kind(name, kind, Examples(np.zeros((len(LOGITS), 1)), np.zeros(0)), outputs)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("name", "kind"), [row[:2] for row in LEARNT.values() if row[2] > 1])
def test_value_is_that_of_another_library(name, kind):
    """Without the smoothing, which the formula has of its own."""
    examples = learnt(name, kind, 3)
    unsmoothed = np.asarray(targets_of(name, kind, examples, hyper=HYPER._replace(label_smoothing=0.0)))
    value = LOSSES[name].value(jnp.asarray(LOGITS), targets_of(name, kind, examples), IDENTITY, HYPER)
    np.testing.assert_allclose(value, FORMULAS[name](unsmoothed), rtol=1e-13)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("name", "kind", "outputs", "activation"),
    [
        (*row, activation)
        for row in LEARNT.values()
        for activation in (ACTIVATIONS if LOSSES[row[0]].reads_output_activation else ["identity"])
    ],
)
def test_delta_is_the_derivative_of_the_value(name, kind, outputs, activation):
    """By automatic differentiation, and by central differences at every logit."""
    loss, f = LOSSES[name], ACTIVATIONS[activation]
    z = jnp.asarray(LOGITS[:, :outputs] if outputs < 4 else np.c_[LOGITS, LOGITS[::-1, 0]])
    t = targets_of(name, kind, learnt(name, kind, outputs), f, outputs=outputs)

    @jax.jit
    def both(z):
        values, derivative = jax.vjp(lambda z: loss.value(z, t, f, HYPER), z)
        return loss.delta(z, t, f, HYPER), derivative(jnp.ones_like(values))[0]

    delta, derivative = both(z)
    np.testing.assert_allclose(delta, derivative, rtol=1e-12, atol=1e-14)
    for k in range(outputs):  # the examples do not touch one another
        up, down = (loss.value(z.at[:, k].add(eps), t, f, HYPER) for eps in (1e-5, -1e-5))
        np.testing.assert_allclose(delta[:, k], (up - down) / 2e-5, atol=2e-9)


def at(name, z, t, hyper=HYPER):
    """(value, delta) of one example of one output."""
    z, t = jnp.full((1, 1), z), jnp.full((1, 1), t)
    value, delta = (part(z, t, IDENTITY, hyper) for part in (LOSSES[name].value, LOSSES[name].delta))
    slope = jax.grad(lambda z: LOSSES[name].value(z, t, IDENTITY, hyper)[0])(z)
    np.testing.assert_array_equal(slope, delta)
    return value.item(), delta.item()


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("name", "z", "t", "expected"),
    [
        ("huber", 2.5, 2.0, (0.125, 0.5)),  # near: r^2 / 2
        ("huber", 0.0, 2.0, (0.75 * (2 - 0.375), -0.75)),  # far: d (|r| - d/2)
        ("huber", 2.75, 2.0, (0.28125, 0.75)),  # at the kink both branches are one, and so are their derivatives
        ("huber", 1.25, 2.0, (0.28125, -0.75)),
        ("huber", 2.0, 2.0, (0.0, 0.0)),
        ("quantile", 1.0, 3.0, (0.6, -0.3)),  # q r below the target
        ("quantile", 3.0, 1.0, (1.4, 0.7)),  # (1 - q) |r| above it
        ("quantile", 2.0, 2.0, (0.0, 0.7)),  # at it JAX's own derivative: of the branch r <= 0
        ("poisson", 0.0, 0.0, (1.0, 1.0)),  # t ln t is 0 at t = 0
        ("poisson", -1e4, 0.0, (0.0, 0.0)),
        ("poisson", 0.0, 1.0, (0.0, 0.0)),
        ("sigmoid_cross_entropy", 1e4, 1.0, (0.0, 0.0)),
        ("sigmoid_cross_entropy", -1e4, 1.0, (1e4, -1.0)),
        ("sigmoid_cross_entropy", 1e4, 0.0, (1e4, 1.0)),
        ("sigmoid_cross_entropy", 0.0, 0.0, (math.log(2), 0.5)),
    ],
)
def test_value_and_delta_at_a_corner(name, z, t, expected):
    """Both branches of a loss, its kink, and the ends of its range; the delta is JAX's own derivative to the bit."""
    np.testing.assert_allclose(at(name, z, t), expected, rtol=1e-14)


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "smoothed_cross_entropy"])
def test_cross_entropy_of_huge_logits_is_finite(name):
    z = jnp.asarray([[1e4, -1e4, 0.0]])
    t = jnp.asarray([[0.0, 1.0, 0.0]])
    np.testing.assert_allclose(LOSSES[name].value(z, t, IDENTITY, HYPER), 2e4)
    np.testing.assert_allclose(LOSSES[name].delta(z, t, IDENTITY, HYPER), [[1, -1, 0]])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_targets_of_classes_are_those_of_the_output_activation(name):
    low, high = ACTIVATIONS[name].targets
    classes = Examples(np.zeros((2, 1)), np.asarray([1, 0], np.int32))
    t = targets_of("squared_error", CLASSES, classes, ACTIVATIONS[name])
    np.testing.assert_allclose(t, [[low, high, low], [high, low, low]])
    for cross_entropy in ("softmax_cross_entropy", "sigmoid_cross_entropy"):
        t = targets_of(cross_entropy, CLASSES, classes, ACTIVATIONS[name])
        np.testing.assert_array_equal(t, [[0, 1, 0], [1, 0, 0]])


def test_smoothed_targets_add_up_to_one_and_share_what_was_taken():
    classes = Examples(np.zeros((1, 1)), np.asarray([1], np.int32))
    t = targets_of("smoothed_cross_entropy", CLASSES, classes, hyper=Hyper(label_smoothing=0.3))
    np.testing.assert_allclose(t, [[0.1, 0.8, 0.1]], rtol=1e-6)
    np.testing.assert_array_equal(targets_of("smoothed_cross_entropy", CLASSES, classes, hyper=Hyper()), [[0, 1, 0]])


def test_a_single_output_is_high_for_class_one():
    classes = Examples(np.zeros((3, 1)), np.asarray([1, 0, 1], np.int32))
    np.testing.assert_array_equal(targets_of("sigmoid_cross_entropy", CLASSES, classes, outputs=1), [[1], [0], [1]])


@pytest.mark.parametrize(("name", "kind", "outputs"), cases(LEARNT))
def test_kind_of_targets_follows_from_their_shape_and_the_loss(name, kind, outputs):
    assert kind_of_targets(LOSSES[name], learnt(name, kind, outputs).targets) == kind
    assert kind in (CLASSES, LABELS, VALUES)


@pytest.mark.parametrize(("name", "kind", "outputs"), cases(LEARNT))
def test_value_and_delta_keep_float32(name, kind, outputs):
    examples = learnt(name, kind, outputs)
    t, z = targets_of(name, kind, examples, outputs=outputs), jnp.zeros((len(LOGITS), outputs))
    for part in (LOSSES[name].value, LOSSES[name].delta):
        assert part(z, t, IDENTITY, HYPER).dtype == jnp.float32


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
