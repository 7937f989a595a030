"""Pictures of values and label sets show what the numbers are, in every shape of data."""

import numpy as np
import pytest
from helpers import texts

from jaxmlp import plots

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((40, 1), "What is predicted of 40 test examples"),
        ((40, 6), "What is predicted of 40 test examples, the first 4 of 6 outputs"),
    ],
)
def test_values_are_over_their_targets_with_the_residuals_beside(shape, said):
    t = RNG.normal(size=shape)
    y = t + 0.1
    figure = plots.predicted_values(t, y, [f"v{k}" for k in range(shape[1])])
    assert said in texts(figure)
    left, right = figure.axes[:2]
    np.testing.assert_allclose(left.lines[1].get_xydata(), np.column_stack([t[:, 0], y[:, 0]]))
    np.testing.assert_allclose(right.lines[1].get_ydata(), np.full(len(t), 0.1))
    r2 = 1 - 0.01 * len(t) / np.sum((t[:, 0] - t[:, 0].mean()) ** 2)
    assert {f"R2 {r2:.4f}", "v0: predicted"} <= set(texts(figure))
    assert figure.rendered()[1:4] == b"PNG"


@pytest.mark.parametrize("y", [np.full((3, 1), np.nan), np.array([[np.inf], [1.0], [1.0]]), np.ones((3, 1))], ids=str)
def test_values_that_are_not_finite_or_constant_are_drawn(y):
    figure = plots.predicted_values(np.ones((3, 1)), y, ["price"])
    lost = int((~np.isfinite(y)).sum())
    assert not lost or any(f"{lost} not finite" in text for text in texts(figure))
    assert figure.rendered()[1:4] == b"PNG"


def test_each_label_has_its_recall_and_precision():
    t = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0]])
    said = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 0]])
    figure = plots.label_rates(t, said, ["sport", "politics", "culture"])
    shown = texts(figure)
    assert "2 / 4 label sets right, 10 / 12 single labels" in shown
    assert shown.count("66.7 % of 3") == 2  # sport: recall, and precision
    assert shown.count("100.0 % of 2") == 2
    assert shown.count("none") == 2


def test_of_many_labels_the_most_frequent_are_shown():
    t = np.tril(np.ones((40, 40), int))
    figure = plots.label_rates(t, t, [f"l{k}" for k in range(40)])
    titles = [text.replace("\n", " ") for text in texts(figure)]
    assert "40 / 40 label sets right, 1,600 / 1,600 single labels, the 30 most frequent of 40 labels" in titles
    assert {"l0", "l29"} <= set(texts(figure))
    assert "l30" not in texts(figure)
