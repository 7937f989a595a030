"""Products of rounded operands: exact but for the rounding, alike by both routes, for one network and for many."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from helpers import of_kind

from jaxmlp.nn.gradients import by_autodiff, by_delta_rule
from jaxmlp.nn.losses import LOSSES
from jaxmlp.nn.network import forward, init
from jaxmlp.nn.products import COMPUTE_DTYPES, product, summed_products
from jaxmlp.spec import Examples, Hyper, Network, Spec, Training

ROUNDED = Training(compute_dtype="bfloat16")
LAST_BITS = 2e-6  # of sums of float32, over the largest


def rounded(array):
    return np.asarray(array).astype(ml_dtypes.bfloat16).astype(np.float64)


def numbers(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def close(array, other, tolerance):
    """Whether no entry differs by more than the tolerance times the largest."""
    other = np.asarray(other)
    return np.max(np.abs(np.asarray(array) - other)) <= tolerance * np.max(np.abs(other))


def test_operands_are_rounded_and_sums_are_not():
    a, b = numbers(32, 200), numbers(200, 24, seed=1)
    exact = rounded(a) @ rounded(b)
    assert close(product(ROUNDED, a, b), exact, LAST_BITS)
    assert not close(np.asarray(a, np.float64) @ np.asarray(b, np.float64), exact, 1e-3)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("trials", [1, 3, 16])
def test_trials_that_share_their_examples_have_the_sums_of_each(trials, hidden):
    x, deltas = numbers(64, 96), numbers(trials, 64, 40, seed=1)  # so large that XLA calls a library
    summed = partial(summed_products, ROUNDED, hidden=hidden)
    together = jax.jit(jax.vmap(summed, (None, 0)))(x, deltas)
    for delta, sums in zip(deltas, together, strict=True):
        assert close(sums, rounded(x).T @ rounded(delta), LAST_BITS)


def test_the_derivative_of_a_product_has_rounded_operands_too():
    a, b, delta = numbers(16, 30), numbers(30, 20, seed=1), numbers(16, 20, seed=2)
    da, db = jax.vjp(partial(product, ROUNDED), a, b)[1](delta)
    assert close(da, rounded(delta) @ rounded(b).T, LAST_BITS)
    assert close(db, rounded(a).T @ rounded(delta), LAST_BITS)


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "sigmoid_cross_entropy", "squared_error"])
def test_the_delta_rule_rounds_what_autodiff_rounds(loss):
    """A last bit of float32 may round an operand otherwise: an eighth bit of a term of a sum."""
    spec = Spec(Network((20, 12), "tanh", loss=loss), ROUNDED, 30, 4)
    params = init(spec, Hyper(), jax.random.key(0))
    batch = of_kind(loss, LOSSES[loss].learns[0], Examples(np.asarray(numbers(48, 30)), np.zeros(0)), 4)
    batch = jax.tree.map(jnp.asarray, batch)
    routes = [jax.jit(partial(route, spec)) for route in (by_autodiff, by_delta_rule)]
    one, other = (route(Hyper(l2=0.1), params, batch, None).grads for route in routes)
    full = by_autodiff(replace(spec, training=Training()), Hyper(l2=0.1), params, batch, None).grads
    for rounded_one, rounded_other, exact in zip(*map(jax.tree.leaves, (one, other, full)), strict=True):
        assert close(rounded_one, rounded_other, 2e-3)
        assert close(rounded_one, exact, 2e-2)
        assert not close(rounded_one, exact, 1e-5)


def test_evaluated_and_predicted_is_in_full():
    params_of = partial(init, hyper=Hyper(), key=jax.random.key(0))
    logits = []
    for name in COMPUTE_DTYPES:
        spec = Spec(Network((20,)), Training(compute_dtype=name), 30, 4)
        logits.append(forward(spec, params_of(spec), numbers(10, 30)))
    np.testing.assert_array_equal(*logits)
