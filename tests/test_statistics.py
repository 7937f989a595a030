"""Mean and standard deviation over seeds by NumPy's definition, and intervals by SciPy's and the bootstrap."""

import statistics

import numpy as np
import pytest
from scipy import stats

from jaxmlp.statistics import SeedStatistics, accuracy_interval, mean_interval, r2_interval


@pytest.mark.parametrize("values", [[0.25, 0.5, 0.75], [5, 7], [3, 3, 3]], ids=str)
def test_seeds_have_the_standard_deviation_of_a_sample(values):
    found = SeedStatistics.of(values)
    assert found == pytest.approx((statistics.mean(values), statistics.stdev(values), min(values), max(values)))


def test_one_seed_has_no_deviation():
    assert SeedStatistics.of([7]) == (7.0, 0.0, 7.0, 7.0)


@pytest.mark.parametrize(("correct", "count"), [(0, 10), (10, 10), (5, 10), (9771, 10_000), (1, 1)])
def test_the_interval_is_wilsons(correct, count):
    expected = stats.binomtest(correct, count).proportion_ci(0.95, "wilson")
    assert accuracy_interval(correct, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_interval_of_a_mean_is_by_its_standard_error():
    values = np.random.default_rng(0).exponential(size=500)
    expected = stats.norm.interval(0.95, values.mean(), stats.sem(values))
    assert mean_interval(values) == pytest.approx(expected)
    assert mean_interval(values[:1]) == (-np.inf, np.inf)


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_interval_of_r2_is_that_of_the_bootstrap(outputs):
    rng = np.random.default_rng(0)
    t = rng.normal(size=(800, outputs))
    y = t + 0.5 * rng.normal(size=t.shape)

    def r2(i):
        return np.mean(1 - ((t[i] - y[i]) ** 2).mean(0) / t[i].var(0))

    again = np.array([r2(rng.integers(0, 800, 800)) for _ in range(2000)])
    assert r2_interval(t, y) == pytest.approx(np.quantile(again, [0.025, 0.975]), abs=0.006)


def test_r2_of_targets_that_do_not_vary_says_nothing():
    assert r2_interval(np.ones((5, 1)), np.zeros((5, 1))) == (-np.inf, 1.0)
