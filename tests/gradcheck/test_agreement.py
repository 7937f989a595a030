"""How far the routes agree: the rows, the table, and the curve over eps, with kinks left out."""

from functools import partial
from itertools import pairwise

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.gradcheck import agreement, numerical
from jaxmlp.gradcheck.numerical import Problem
from jaxmlp.nn.gradients import by_autodiff, by_differences, perturbed
from jaxmlp.nn.network import Layer
from jaxmlp.spec import Examples, Hyper, Network, Spec, Training

EPS = 10.0 ** np.arange(-1, -9.1, -0.5)


@pytest.fixture(autouse=True)
def small_blocks(float64, monkeypatch):
    monkeypatch.setattr(numerical, "BLOCK", 32)


def problem(hidden=(5,), activation="tanh", dropout=False, dtype=jnp.float64, **numbers):
    spec, rng = Spec(Network(hidden, activation, dropout=dropout), Training(), 6, 4), np.random.default_rng(0)
    x = rng.normal(size=(2, 6))
    x[:, 2] = 0
    batch = Examples(jnp.asarray(x, dtype), jnp.asarray([1, 3], jnp.int32))
    params = tuple(
        Layer(jnp.asarray(np.sqrt(2 / i) * rng.normal(size=(i, o)), dtype), jnp.zeros(o, dtype))
        for i, o in pairwise(spec.sizes)
    )
    return Problem(spec, Hyper(**numbers), params, batch, jax.random.key(2) if dropout else None)


def size(given):
    return sum(leaf.size for leaf in jax.tree.leaves(given.params))


def test_layer_agreement_by_hand():
    one = (Layer(jnp.asarray([[1.0, -4.0]]), jnp.asarray([0.0, 0.0])),)
    other = (Layer(jnp.asarray([[1.5, -5.0]]), jnp.asarray([0.0, 0.0])),)
    weights, biases = agreement.layer_agreement(one, other, "autodiff")
    assert weights == (1, "weights", "autodiff", 2, 4.0, 1.0, 0.2)
    assert biases == (1, "biases", "autodiff", 2, 0.0, 0.0, 0.0)


def test_perturbed_changes_one_weight_at_a_time_and_puts_it_back():
    params = problem(hidden=(3,)).params
    flat = numerical.flat(params)
    coordinates = np.array([0, 40, flat.size - 1, 18, 0]) % flat.size
    eps = np.linspace(0.1, 0.5, 5)
    up, down = jax.jit(partial(perturbed, lambda one: jax.flatten_util.ravel_pytree(one)[0]))(params, coordinates, eps)
    for row, (coordinate, step) in enumerate(zip(coordinates, eps, strict=True)):
        change = step * (np.arange(flat.size) == coordinate)
        np.testing.assert_array_equal(up[row], flat + change)
        np.testing.assert_array_equal(down[row], flat - change)


@pytest.mark.parametrize("numbers", [{}, {"l1": 0.1, "l2": 0.3}], ids=str)
@pytest.mark.parametrize("hidden", [(), (5,)], ids=str)
def test_numerical_in_blocks_equals_the_route(hidden, numbers):
    given = problem(hidden, **numbers)
    blocks = []
    found = numerical.numerical(given, np.arange(size(given)), 1e-5, blocks.append)
    whole = jax.jit(by_differences, static_argnums=0)(*given).grads
    np.testing.assert_allclose(found, numerical.flat(whole), atol=1e-10)
    assert sum(blocks) == size(given)


@pytest.mark.parametrize(
    ("hidden", "biases", "weights"),
    [
        ((), ["output"], ["input to output"]),
        ((5,), ["output", "hidden"], ["input to hidden", "hidden to output"]),
        (
            (5, 3),
            ["output", "hidden 2", "hidden 1"],
            ["input to hidden 1", "hidden 1 to hidden 2", "hidden 2 to output"],
        ),
    ],
    ids=str,
)
def test_report_table_of_any_depth(hidden, biases, weights):
    given = problem(hidden)
    rows = agreement.report_table(given, (1e-2, 1e-5))
    names = [f"{name} bias" for name in biases] + [f"{name} {numeral}" for name in weights for numeral in ("i", "ii")]
    assert [row.name for row in rows] == 2 * names
    grads = jax.jit(by_autodiff, static_argnums=0)(*given).grads
    for row in rows:
        assert row.autodiff != 0  # so no weight was taken whose input is 0
        letter, layer = row.place[0], int(row.place[1])
        at = tuple(int(index) for index in row.place[3:-1].split(","))
        assert row.autodiff == getattr(grads[layer - 1], letter)[at] == numerical.flat(grads)[row.coordinate]
        if letter == "b":
            assert at == (len(grads[layer - 1].b) - 1,)
        assert row.derived_difference < 1e-15
        assert row.difference < (1e-3 if row.eps == 1e-2 else 1e-9)


@pytest.mark.parametrize("numbers", [{}, {"l2": 0.3}, {"dropout": True, "hidden": (5, 7)}], ids=str)
def test_error_falls_as_eps_squared_down_to_a_floor(numbers):
    given = problem(**numbers)
    curve = agreement.eps_curve(given, np.arange(size(given)), EPS)
    assert curve.slope == pytest.approx(2, abs=0.02)
    assert curve.floor < 1e-9
    assert 1e-7 < curve.best_eps < 1e-4
    assert not curve.crossing.any()
    np.testing.assert_array_equal(curve.error, curve.error_with_kinks)


def test_float32_has_no_decades_of_truncation():
    given = problem(dtype=jnp.float32)
    curve = agreement.eps_curve(given, np.arange(size(given)), EPS)
    assert np.isnan(curve.slope)
    assert curve.floor > 1e-6


def one_weight(z, activation="relu", l1=0.0):
    """A network 1-1-2 whose hidden unit has pre-activation z."""
    spec = Spec(Network((1,), activation), Training(), 1, 2)
    params = (Layer(jnp.asarray([[z]]), jnp.zeros(1)), Layer(jnp.asarray([[1.0, -1.0]]), jnp.zeros(2)))
    return Problem(spec, Hyper(l1=l1), params, Examples(jnp.ones((1, 1)), jnp.zeros(1, jnp.int32)), None)


@pytest.mark.parametrize(
    ("given", "expected"),  # of w1, b1, two of w2, two of b2
    [
        (one_weight(1e-4), [1, 1, 0, 0, 0, 0]),
        (one_weight(0.0), [1, 1, 0, 0, 0, 0]),
        (one_weight(1e-2), [0, 0, 0, 0, 0, 0]),
        (one_weight(1e-4, "tanh"), [0, 0, 0, 0, 0, 0]),
        (one_weight(1e-4, "tanh", l1=0.1), [1, 0, 0, 0, 0, 0]),
    ],
    ids=["crosses", "lies on it", "far", "smooth", "penalty"],
)
def test_crossings(given, expected):
    np.testing.assert_array_equal(numerical.crossings(given, np.arange(6), 1e-3), np.asarray(expected, bool))


def test_curve_leaves_out_what_crosses_a_kink_and_says_so():
    curve = agreement.eps_curve(one_weight(1e-4), np.arange(6), EPS)
    assert curve.crossing[0] == 2
    assert curve.crossing[-1] == 0
    assert curve.error_with_kinks[0] > 10 * curve.error[0]
    assert curve.slope == pytest.approx(2, abs=0.02)
