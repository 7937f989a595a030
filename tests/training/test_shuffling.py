"""The order of an epoch: a permutation for every n, close to uniform, and the same numbers everywhere."""

import importlib.util
import itertools
import math
import zlib
from functools import cache, partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxmlp.training import shuffling
from jaxmlp.training.shuffling import permutation

KEY = jax.random.key(2024, impl="threefry2x32")
COUNTS = {48: 20_000, 300: 10_000}  # permutations drawn of so many elements
SOME = (1, 2, 3, 15, 16, 17, 97, 255, 256, 257, 289, 1009, 4096, 5003)
jitted = jax.jit(permutation, static_argnums=1)


@cache
def bits(key_data, shape):
    return np.asarray(jax.random.bits(jax.random.wrap_key_data(np.asarray(key_data, np.uint32)), shape, jnp.uint32))


def scan(body, carry, rows):
    for row in rows:
        carry, _ = body(carry, row)
    return carry, None


def while_loop(goes_on, body, value):
    for _ in range(10_000):  # what is no bijection may walk in a circle for ever
        if not goes_on(value):
            return value
        value = body(value)
    raise AssertionError("the walk does not end")


@pytest.fixture(scope="module")
def by_numpy():
    """The source of `permutation` itself, run by NumPy: no compilation, so that every n can be tried."""
    module_spec = importlib.util.spec_from_file_location("shuffling_by_numpy", shuffling.__file__)
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    module.jnp = np
    module.jax = SimpleNamespace(
        random=SimpleNamespace(bits=lambda key, shape, dtype: bits(key, shape)),
        lax=SimpleNamespace(scan=scan, while_loop=while_loop),
    )
    return lambda key, n: module.permutation(tuple(np.asarray(jax.random.key_data(key)).tolist()), n)


@partial(jax.jit, static_argnums=(1, 2), compiler_options={"xla_backend_optimization_level": 1})  # it draws long
def draw(key, n, count):
    return jax.vmap(lambda i: permutation(jax.random.fold_in(key, i), n))(jnp.arange(count))


@cache
def drawn(n, count=None, seed=7):
    """Permutations [count, n] under successive folded keys, as the epochs of a run draw them."""
    return np.asarray(draw(jax.random.key(seed), n, count or COUNTS[n]))


def assert_uniform(counts, dof=None, probability=1e-3):
    """Chi-square: neither too far from equal counts nor suspiciously close to them. The keys are fixed: no flakes."""
    counts = np.asarray(counts, float).ravel()
    expected = counts.sum() / counts.size
    statistic = ((counts - expected) ** 2 / expected).sum()
    dof = counts.size - 1 if dof is None else dof
    assert stats.chi2.ppf(probability, dof) < statistic < stats.chi2.ppf(1 - probability, dof)


@pytest.mark.parametrize("n", SOME)
def test_jax_and_numpy_draw_the_same_order(n, by_numpy):
    order = jitted(KEY, n)
    assert order.dtype == jnp.int32
    np.testing.assert_array_equal(order, by_numpy(KEY, n))
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


@pytest.mark.parametrize("first", range(1, 3000, 500))
def test_a_permutation_for_every_n(first, by_numpy):
    for n in range(first, first + 500):
        seen = np.zeros(n, int)
        seen[by_numpy(KEY, n)] += 1
        assert seen.all(), n


@pytest.mark.parametrize("n", [4095, 4096, 4097, 48_000, 60_000])
def test_a_permutation_of_the_sizes_of_data(n, by_numpy):
    np.testing.assert_array_equal(np.sort(by_numpy(KEY, n)), np.arange(n))


def test_the_order_is_pinned():
    """Golden numbers: a change here changes every run that was ever recorded, or breaks it on another backend."""
    assert jitted(KEY, 5).tolist() == [2, 1, 3, 0, 4]
    assert jitted(KEY, 17).tolist() == [9, 11, 6, 14, 13, 1, 3, 7, 12, 8, 16, 5, 2, 10, 0, 4, 15]
    assert zlib.crc32(np.asarray(jitted(KEY, 5003)).astype("<i4").tobytes()) == 110195310


def test_every_key_has_an_order_of_its_own():
    orders = {tuple(order) for order in drawn(48)}
    assert len(orders) == COUNTS[48]


def test_under_vmap_as_alone():
    for i in (0, 1, 999):
        np.testing.assert_array_equal(drawn(48)[i], jitted(jax.random.fold_in(jax.random.key(7), i), 48))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_all_permutations_are_equally_frequent(n):
    index = {order: i for i, order in enumerate(itertools.permutations(range(n)))}
    orders, counts = np.unique(drawn(n, 20_000), axis=0, return_counts=True)
    frequencies = np.zeros(math.factorial(n))
    frequencies[[index[tuple(order)] for order in orders]] = counts
    assert_uniform(frequencies)


@pytest.mark.parametrize("n", COUNTS)
def test_every_element_is_at_every_position_equally_often(n):
    counts = np.zeros((n, n))
    for position in range(n):
        counts[position] = np.bincount(drawn(n)[:, position], minlength=n)
    assert_uniform(counts, dof=(n - 1) ** 2)


@pytest.mark.parametrize("n", COUNTS)
@pytest.mark.parametrize("distance", [1, 2])
def test_every_pair_follows_one_another_equally_often(n, distance):
    orders = drawn(n).astype(np.int64)
    pairs = (orders[:, :-distance] * n + orders[:, distance:]).ravel()
    counts = np.bincount(pairs, minlength=n * n).reshape(n, n)
    assert not np.diag(counts).any()
    assert_uniform(counts[~np.eye(n, dtype=bool)])


@pytest.mark.parametrize("n", COUNTS)
def test_steps_between_neighbours_are_spread_as_in_a_random_order(n):
    """Of two neighbours with difference d there are n - |d| pairs: a lattice structure would show here."""
    steps = np.diff(drawn(n), axis=1).ravel()
    d = np.r_[-n + 1 : 0, 1:n]
    counts = np.bincount(steps + n - 1, minlength=2 * n - 1)[d + n - 1]
    expected = (n - np.abs(d)) / (n * (n - 1)) * steps.size
    statistic = ((counts - expected) ** 2 / expected)[expected > 20].sum()
    assert statistic < stats.chi2.ppf(1 - 1e-3, (expected > 20).sum() - 1)


@pytest.mark.parametrize("n", COUNTS)
def test_fixed_points_are_poisson(n):
    fixed = np.minimum((drawn(n) == np.arange(n)).sum(axis=1), 6)
    counts = np.bincount(fixed, minlength=7)
    expected = stats.poisson.pmf(np.arange(7), 1) * COUNTS[n]
    expected[6] = COUNTS[n] - expected[:6].sum()
    assert ((counts - expected) ** 2 / expected).sum() < stats.chi2.ppf(1 - 1e-3, 6)


@pytest.mark.parametrize("n", COUNTS)
def test_cycles_are_as_many_as_in_a_random_permutation(n):
    """Mean H_n and variance H_n - sum 1/k^2: the element k closes a cycle with probability 1/k."""
    count = COUNTS[n]
    orders, lowest = drawn(n), np.tile(np.arange(n), (count, 1))
    power = (
        orders  # after d doublings `lowest` is the least element within 2^d steps; an element is a cycle's least once
    )
    for _ in range(math.ceil(math.log2(n))):
        lowest = np.minimum(lowest, np.take_along_axis(lowest, power, axis=1))
        power = np.take_along_axis(power, power, axis=1)
    cycles = (lowest == np.arange(n)).sum(axis=1)
    k = np.arange(1, n + 1)
    mean, variance = (1 / k).sum(), (1 / k - 1 / k**2).sum()
    assert abs(cycles.mean() - mean) < 4 * math.sqrt(variance / count)
    np.testing.assert_allclose(cycles.var(), variance, rtol=0.05)


@pytest.mark.parametrize("n", COUNTS)
def test_successive_epochs_are_uncorrelated(n):
    orders = drawn(n)
    centred = orders - (n - 1) / 2
    correlations = (centred[:-1] * centred[1:]).sum(axis=1) / (centred[0] ** 2).sum()
    z = correlations * math.sqrt(n - 1)  # mean 0, variance 1 for independent orders
    assert abs(z.mean()) < 4 / math.sqrt(len(z))
    np.testing.assert_allclose(z.var(), 1, rtol=0.05)
    coincidences = (orders[:-1] == orders[1:]).sum()
    assert abs(coincidences - len(z)) < 4 * math.sqrt(len(z))  # one a pair, by expectation


def test_keys_of_different_seeds_are_uncorrelated():
    orders = np.stack([np.asarray(jitted(jax.random.key(seed), 300)) for seed in range(200)])
    correlations = np.corrcoef(orders)[~np.eye(200, dtype=bool)]
    assert np.abs(correlations).max() < 6 / math.sqrt(299)
    np.testing.assert_allclose(correlations.std() * math.sqrt(299), 1, rtol=0.1)
