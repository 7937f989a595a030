"""Mean and standard deviation over seeds by NumPy's definition, and the interval of an accuracy by SciPy's."""

import statistics

import pytest
from scipy import stats

from jaxmlp.statistics import SeedStatistics, accuracy_interval


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
