"""Mean and standard deviation over seeds by NumPy's definition; intervals and tests by SciPy's, the bootstrap or by hand."""

import statistics

import numpy as np
import pytest
from scipy import stats

from jaxmlp.statistics import (
    SeedStatistics,
    accuracy_interval,
    holm,
    mcnemar,
    mean_interval,
    paired_difference,
    r2_interval,
)


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


@pytest.mark.parametrize(
    ("first", "second", "counts", "p"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], (0, 0), 1.0),
        ([1] * 6, [0] * 6, (6, 0), 2 / 2**6),
        ([1] * 5 + [0], [0] * 5 + [1], (5, 1), 2 * (1 + 6) / 2**6),  # both tails: 0 or 1 of 6
        ([1, 0, 1, 1], [0, 1, 1, 1], (1, 1), 1.0),
    ],
    ids=["equal", "six to none", "five to one", "one to one"],
)
def test_mcnemar_counts_what_one_network_alone_gets_right(first, second, counts, p):
    found = mcnemar(np.array(first, bool), np.array(second, bool))
    assert (found.first_only, found.second_only) == counts
    assert found.p == pytest.approx(p, rel=1e-12)


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([], []),
        ([0.2], [0.2]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.6, 0.5], [1.0, 1.0]),
        ([0.005, 0.02, 0.03, 0.04], [0.02, 0.06, 0.06, 0.06]),
    ],
    ids=str,
)
def test_holm_multiplies_the_smallest_most_and_keeps_the_order(p_values, adjusted):
    assert holm(p_values) == pytest.approx(adjusted)


def test_paired_difference_is_scipys():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=10), rng.normal(size=10)
    found, expected = paired_difference(first, second), stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.pairs, found.low, found.high) == (10, pytest.approx(interval.low), pytest.approx(interval.high))


@pytest.mark.parametrize(("second", "p"), [([0.5, 0.6], 1.0), ([0.4, 0.5], 0.0)], ids=["none", "all alike"])
def test_equal_differences_leave_no_doubt(second, p):
    assert paired_difference([0.5, 0.6], second).p == p
