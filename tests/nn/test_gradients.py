"""The three routes to the gradient agree: in float64, over every registry entry, at every coordinate."""

from dataclasses import replace
from functools import partial

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import LEARNT, for_users, of_kind

from jaxmlp.errors import UsageError
from jaxmlp.nn import gradients
from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.nn.gradients import by_autodiff, by_delta_rule, by_differences, differences, gradient
from jaxmlp.nn.losses import CLASSES, LOSSES
from jaxmlp.nn.network import INITS, Layer, init
from jaxmlp.spec import Examples, Hyper, Network, Spec, Training
from jaxmlp.training.loop import largest_disagreement

pytestmark = pytest.mark.usefixtures("float64")

AT_THE_FLAGS_OF_USERS = ["relu", "gelu"]  # each another function to compile; the rest is of tanh
DEPTHS = [(), (5,), (5, 7), (4, 5, 3, 6)]
PENALTIES = {
    "plain": Hyper(),
    "l1": Hyper(l1=0.3),
    "l2": Hyper(l2=0.2),
    "l1_l2": Hyper(l1=0.03, l2=0.7),
}
# hidden layers, activation, dropout, weights: dropout with a derivative that reads the activation a, and one that reads z
DROPOUT_AND_WEIGHTS = [
    ((5,), "tanh", True, True),
    ((4, 5, 3, 6), "tanh", True, True),
    ((5, 7), "gelu", True, False),
    ((5, 7), "tanh", False, True),
]
PENALISED = Hyper(l1=0.01, l2=0.02, label_smoothing=0.2, huber_delta=0.8, quantile=0.3)


def make(hidden=(5, 7), activation="tanh", loss="softmax_cross_entropy", output="identity", dropout=False, outputs=4):
    network = Network(hidden, activation, output, loss, "glorot_normal", dropout)
    return Spec(network, Training(dtype=str(jnp.zeros(0).dtype)), inputs=6, outputs=outputs)


def weights_of(spec, seed=1):
    """Weights and biases, none of them 0, so that no kink and no symmetry hides an error."""
    rng = np.random.default_rng(seed)
    dtype = jnp.zeros(0).dtype
    return tuple(
        Layer(
            jnp.asarray(rng.normal(size=(i, o)) * np.sqrt(2 / (i + o)) + 0.1 * rng.normal(size=(i, o)), dtype),
            jnp.asarray(0.1 * rng.normal(size=o), dtype),
        )
        for i, o in zip(spec.sizes, spec.sizes[1:], strict=False)
    )


def examples(weighted=False, count=9, seed=3, spec=None, kind=CLASSES):
    """Of the kind of targets that the loss of `spec` is to learn; without one, of four classes."""
    spec = spec or make()
    x = np.random.default_rng(seed).normal(size=(count, 6)).astype(jnp.zeros(0).dtype)
    weights = np.linspace(0.0, 2.0, count) if weighted else None  # the first one is 0
    batch = of_kind(spec.network.loss, kind, Examples(x, np.zeros(0), weights), spec.outputs)
    return jax.tree.map(jnp.asarray, batch)


# One program a specification, cheap to compile: what a compiler may optimise is not what is proven here.
quick = partial(jax.jit, static_argnums=0)
autodiff, delta_rule = quick(by_autodiff), quick(by_delta_rule)
disagreement = jax.jit(largest_disagreement)


@quick
def derived(spec, hyper, params, batch, key):
    return by_autodiff(spec, hyper, params, batch, key), by_delta_rule(spec, hyper, params, batch, key)


@quick
def all_three(spec, hyper, params, batch, key):
    routes = (by_autodiff, by_delta_rule, partial(by_differences, eps=1e-5))
    return tuple(route(spec, hyper, params, batch, key) for route in routes)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def assert_agree(one, other, tolerance=1e-12):
    assert disagreement(one.grads, other.grads) < tolerance
    np.testing.assert_array_equal(one.losses, other.losses)
    np.testing.assert_array_equal(one.logits, other.logits)


def assert_all_agree(spec, hyper, params, batch, key=None):
    """Hand-derived against automatic, and both against central differences, at every coordinate."""
    one, other, numerical = all_three(spec, hyper, params, batch, key)
    assert jax.tree.leaves(one.grads)[0].dtype == jnp.float64
    assert_agree(one, other)
    for derived, difference in zip(jax.tree.leaves(other.grads), jax.tree.leaves(numerical.grads), strict=True):
        np.testing.assert_allclose(derived, difference, rtol=0, atol=2e-9)


@pytest.mark.parametrize("activation", for_users(ACTIVATIONS, AT_THE_FLAGS_OF_USERS))
def test_every_activation(activation):
    """In two hidden layers, with weights and penalties, under a loss of the logits."""
    spec = make(activation=activation)
    assert_all_agree(spec, PENALISED, weights_of(spec), examples(True))


def output_activations(loss, kind):
    """Those under which a loss is another function; of one loss all, of others one with another derivative than 1."""
    if not LOSSES[loss].reads_output_activation:
        return ["identity"]
    return list(ACTIVATIONS) if (loss, kind) == ("squared_error", CLASSES) else ["tanh"]


@pytest.mark.parametrize(
    ("loss", "kind", "outputs", "output"),
    [(*learnt, output) for learnt in LEARNT.values() for output in output_activations(*learnt[:2])],
)
def test_every_loss_and_kind_of_targets_with_every_output_activation(loss, kind, outputs, output):
    """With hyperparameters that put examples on both sides of each kink of a loss.

    Weights and penalties as well; hidden units have the activation too.
    """
    spec = make((5,), "tanh" if output == "identity" else output, loss, output, outputs=outputs)
    assert_all_agree(spec, PENALISED, weights_of(spec), examples(True, spec=spec, kind=kind))


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("hidden", DEPTHS, ids=str)
def test_every_depth_with_every_penalty(hidden, penalty):
    spec, hyper = make(hidden), PENALTIES[penalty]
    assert_all_agree(spec, hyper, weights_of(spec), examples())


@pytest.mark.parametrize("case", for_users(DROPOUT_AND_WEIGHTS, DROPOUT_AND_WEIGHTS[:1]), ids=str)
def test_dropout_or_weights_or_both(case):
    hidden, activation, dropout, weighted = case
    spec, hyper = make(hidden, activation, dropout=dropout), Hyper(l2=0.1, dropout_rate=0.5)
    assert_all_agree(spec, hyper, weights_of(spec), examples(weighted), jax.random.key(11))


@pytest.mark.parametrize("hidden", DEPTHS, ids=str)
def test_penalty_gradient_is_zero_at_weight_zero(hidden):
    """d|w|/dw at 0 is taken to be 0 (jax.grad(jnp.abs)(0.) is 1), by either derived route."""
    spec = make(hidden)
    zeros = jax.tree.map(lambda w: jnp.asarray(np.zeros_like(w)), weights_of(spec))
    plain, penalised = (
        [route.grads for route in all_three(spec, hyper, zeros, examples(), None)[:2]]
        for hyper in (Hyper(), Hyper(l1=0.3, l2=0.2))
    )
    jax.tree.map(np.testing.assert_array_equal, plain, penalised)


@pytest.mark.parametrize("name", INITS)
def test_every_initialiser(name):
    spec = Spec(Network((5,), init=name), Training(dtype="float64"), 6, 4)
    params = quick(init)(spec, Hyper(), jax.random.key(0))
    of_any = replace(spec, network=replace(spec.network, init="uniform"))  # one program: gradients know no initialiser
    assert_agree(*derived(of_any, Hyper(l1=0.1, l2=0.1), params, examples(), None))


def test_difference_shrinks_as_eps_squared():
    spec = make(activation="tanh")
    params, batch = weights_of(spec), examples()
    exact = flat(autodiff(spec, Hyper(), params, batch, None).grads)
    coordinates, at = jnp.arange(exact.size), quick(differences)
    errors = [
        np.abs(at(spec, Hyper(), params, batch, None, coordinates, eps) - exact).max() for eps in (1e-1, 1e-2, 1e-3)
    ]
    slopes = -np.diff(np.log10(errors))
    np.testing.assert_allclose(slopes, 2, atol=0.05)


@pytest.mark.users_flags
def test_float32_agrees_to_its_rounding():
    """In float32 the two derived routes agree to some 1e-7 of the largest component, not to 1e-12."""
    with jax.enable_x64(False):
        spec = make((32, 16))
        assert_agree(*derived(spec, Hyper(l1=0.1, l2=0.1), weights_of(spec), examples(), None), tolerance=2e-6)


@pytest.mark.users_flags
def test_worked_example():
    """A network of 2-2-2 with tanh, worked on paper: forward, deltas and gradients as separate numbers."""
    spec = Spec(Network((2,), "tanh"), Training(), 2, 2)
    (w1, b1), (w2, b2) = (
        (np.array([[0.1, -0.2], [0.4, 0.3]]), np.array([0.0, 0.1])),
        (
            np.array([[0.5, -0.5], [0.25, 1.0]]),
            np.array([0.2, -0.1]),
        ),
    )
    x = np.array([1.0, 2.0])
    a = np.tanh([0.1 + 0.8, -0.2 + 0.6 + 0.1])
    z = np.array([0.5 * a[0] + 0.25 * a[1] + 0.2, -0.5 * a[0] + a[1] - 0.1])
    y = np.exp(z) / np.exp(z).sum()
    delta2 = y - np.array([0.0, 1.0])
    delta1 = np.array([0.5 * delta2[0] - 0.5 * delta2[1], 0.25 * delta2[0] + delta2[1]]) * (1 - a**2)
    params = Layer(jnp.asarray(w1), jnp.asarray(b1)), Layer(jnp.asarray(w2), jnp.asarray(b2))
    batch = Examples(jnp.asarray(x)[None], jnp.asarray([1], jnp.int32))
    got = delta_rule(spec, Hyper(), params, batch, None)
    np.testing.assert_allclose(got.losses, [-np.log(y[1])], rtol=1e-14)
    np.testing.assert_allclose(got.grads[1].w, np.outer(a, delta2), rtol=1e-13)
    np.testing.assert_allclose(got.grads[1].b, delta2, rtol=1e-13)
    np.testing.assert_allclose(got.grads[0].w, np.outer(x, delta1), rtol=1e-13)
    np.testing.assert_allclose(got.grads[0].b, delta1, rtol=1e-13)


@pytest.mark.parametrize("route", [autodiff, delta_rule], ids=["autodiff", "delta_rule"])
def test_weight_zero_equals_absence(route):
    spec, hyper = make(), Hyper(l1=0.01)
    params, batch = weights_of(spec), examples()
    weights = jnp.asarray([1.0, 0, 1, 1, 0, 1, 1, 1, 0])
    kept = np.flatnonzero(weights)
    with_zeros = route(spec, hyper, params, batch._replace(weights=weights), None)
    without = route(spec, hyper, params, Examples(batch.x[kept], batch.targets[kept]), None)
    assert disagreement(without.grads, with_zeros.grads) < 1e-14


@pytest.mark.parametrize("route", [autodiff, delta_rule], ids=["autodiff", "delta_rule"])
def test_weight_two_equals_an_example_given_twice(route):
    spec = make()
    params, batch = weights_of(spec), examples()
    index = jnp.asarray([0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
    twice = route(spec, Hyper(), params, Examples(batch.x[index], batch.targets[index]), None)
    weighted = route(spec, Hyper(), params, batch._replace(weights=jnp.ones(9).at[0].set(2.0)), None)
    assert disagreement(twice.grads, weighted.grads) < 1e-14


@pytest.mark.parametrize("route", [autodiff, delta_rule], ids=["autodiff", "delta_rule"])
def test_batch_of_weight_zero_has_the_gradient_of_the_penalty_alone(route):
    spec = make()
    params, batch = weights_of(spec), examples()
    grads = route(spec, Hyper(l2=0.5), params, batch._replace(weights=jnp.zeros(9)), None).grads
    for layer, grad in zip(params, grads, strict=True):
        np.testing.assert_allclose(grad.w, 0.5 * layer.w, rtol=1e-14)
        np.testing.assert_array_equal(grad.b, jnp.zeros_like(grad.b))


def test_penalties_do_not_depend_on_the_batch_and_spare_biases():
    spec = make()
    params = weights_of(spec)
    changes = []
    for count in (3, 9):
        plain = delta_rule(spec, Hyper(), params, examples(count=count), None).grads
        penalised = delta_rule(spec, Hyper(l1=0.1, l2=0.2), params, examples(count=count), None).grads
        changes.append(jax.tree.map(lambda a, b: np.asarray(a) - np.asarray(b), penalised, plain))
    for small, large, layer in zip(*changes, params, strict=True):
        np.testing.assert_allclose(small.w, 0.1 * np.sign(layer.w) + 0.2 * np.asarray(layer.w), atol=1e-14)
        np.testing.assert_allclose(small.w, large.w, atol=1e-14)
        np.testing.assert_array_equal(small.b, jnp.zeros_like(small.b))


@pytest.mark.parametrize("wrong", ["sign", "mean"])
def test_a_wrong_gradient_is_caught(wrong, monkeypatch):
    """The comparison itself is tested: it fails with the sign of delta flipped, or without the 1/N."""
    spec, batch = make(), examples()
    right = autodiff(spec, Hyper(), weights_of(spec), batch, None)
    if wrong == "sign":
        loss = LOSSES["softmax_cross_entropy"]
        monkeypatch.setitem(LOSSES, "softmax_cross_entropy", loss._replace(delta=lambda *given: -loss.delta(*given)))
    else:
        monkeypatch.setattr(gradients, "_mean_weights", lambda batch, logits: jnp.ones(len(logits)))
    broken = jax.jit(lambda params, batch: by_delta_rule(spec, Hyper(), params, batch, None))
    with pytest.raises(AssertionError):
        assert_agree(right, broken(weights_of(spec), batch))


def test_unknown_route():
    with pytest.raises(UsageError, match="'delta_rul' is unknown; did you mean delta_rule"):
        gradient("delta_rul")
