"""The reliability of probabilities is counted by hand, and drawn whatever the network said."""

import numpy as np
import pytest
from helpers import texts

from jaxmlp import plots
from jaxmlp.plots.calibration import calibration_error

P = np.array([0.05, 0.55, 0.56, 0.95, 1.0], np.float32)
RIGHT = np.array([False, True, False, True, True])


def test_predictions_are_counted_by_their_probability():
    bins = plots.reliability_bins(P, RIGHT)
    assert [(b.low, b.high, b.count, b.right) for b in bins] == [(0, 0.1, 1, 0), (0.5, 0.6, 2, 1), (0.9, 1.0, 2, 2)]
    assert [b.confidence for b in bins] == pytest.approx([0.05, 0.555, 0.975])
    assert calibration_error(bins) == pytest.approx((0.05 + abs(1 - 1.11) + abs(2 - 1.95)) / 5)


@pytest.mark.parametrize("right", [RIGHT, ~RIGHT, np.ones(5, bool)], ids=["some", "others", "all"])
@pytest.mark.parametrize("p", [P, np.ones(5), np.zeros(5)], ids=["spread", "all sure", "all unsure"])
def test_every_shape_of_probabilities_is_drawn(p, right):
    bins = plots.reliability_bins(p, right)
    figure = plots.calibration(bins)
    svg = plots.inlined(figure, "")
    assert all(f"probability {b.low:g} to {b.high:g}: {b.count} prediction" in svg for b in bins)
    assert f"Calibration, expected calibration error {100 * calibration_error(bins):.2f} %" in texts(figure)


@pytest.mark.parametrize(
    ("rates", "scale"),
    [([], "linear"), ([0.1], "linear"), ([0.1, 0.1], "linear"), ([1, 0.1, 1e-4], "log"), ([0.1, None], "linear")],
    ids=str,
)
def test_learning_rates_are_logarithmic_where_they_fall_far(rates, scale):
    figure = plots.learning_rate([{"epoch": i + 1, "learning_rate": rate} for i, rate in enumerate(rates)], 1)
    assert figure.axes[0].get_yscale() == scale
    assert figure.rendered()[1:4] == b"PNG"
