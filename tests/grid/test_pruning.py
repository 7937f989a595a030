"""Successive halving keeps the best share, by the mean over seeds; configurations that diverged go first."""

import math

import pytest

from jaxmlp.grid.pruning import survivors


@pytest.mark.parametrize(
    ("scores", "keep", "expected"),
    [
        ({0: [3.0], 1: [1.0], 2: [2.0]}, 1 / 3, {1}),
        ({0: [3.0], 1: [1.0], 2: [2.0]}, 0.34, {1, 2}),  # rounded up
        ({0: [3.0], 1: [1.0], 2: [2.0], 3: [0.5]}, 0.5, {1, 3}),
        ({0: [3.0], 1: [1.0]}, 0.01, {1}),  # one at least
        ({0: [1.0, 9.0], 1: [4.0, 4.0]}, 0.5, {1}),  # by the mean of the seeds
        ({0: [1.0, math.inf], 1: [9.0, 9.0]}, 0.5, {1}),
        ({4: [1.0], 2: [1.0], 3: [1.0]}, 0.5, {2, 3}),  # of equals the lower numbers
        ({0: [math.inf], 1: [math.inf]}, 0.5, {0}),
    ],
)
def test_the_best_share_goes_on(scores, keep, expected):
    assert survivors(scores, keep) == expected


def test_a_share_is_rounded_up_but_not_for_binary_fractions():
    assert len(survivors({i: [float(i)] for i in range(10)}, 0.3)) == 3  # 0.3 * 10 is a little more than 3 in binary
