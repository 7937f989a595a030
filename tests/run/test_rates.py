"""Rates that are counted here are scikit-learn's."""

import numpy as np
import pytest

from jaxmlp.evaluate.metrics import metrics
from jaxmlp.run import rates

RNG = np.random.default_rng(0)
N = 60


def test_rates_of_classes_are_scikit_learns():
    t, said = RNG.integers(0, 4, N), RNG.integers(0, 3, N)  # class 3 is never said, class 4 never there
    outputs = RNG.random((N, 5))
    expected = metrics("classes", t, outputs, said, "abcde", None, probable=False)["classes"]
    found = rates.of_classes(rates.confusions(t, said, 5), "abcde")
    for entry, other in zip(found, expected, strict=True):
        assert (entry["name"], entry["count"]) == (other["class"], other["count"])
        assert [entry[rate] for rate in ("precision", "recall", "f1")] == [
            pytest.approx(other[rate]) for rate in ("precision", "recall", "f1")
        ]
    assert found[4] == {
        "name": "e",
        "count": 0,
        "right": 0,
        "precision": None,
        "recall": None,
        "f1": None,
        "taken_for": None,
    }


def test_a_class_is_taken_most_often_for_another():
    found = rates.of_classes(np.array([[5, 1, 2], [0, 3, 0], [9, 4, 1]]), "abc")
    assert [entry["taken_for"] for entry in found] == [("c", 2), None, ("a", 9)]


def test_rates_of_labels_are_scikit_learns():
    t, said = RNG.integers(0, 2, (N, 3)).astype(np.float32), RNG.integers(0, 2, (N, 3)).astype(np.int32)
    expected = metrics("labels", t, RNG.random((N, 3)), said, "abc", None, probable=False)["labels"]
    for entry, other in zip(rates.of_labels(t, said, "abc"), expected, strict=True):
        assert entry["count"] == other["count"]
        assert all(entry[rate] == pytest.approx(other[rate]) for rate in ("precision", "recall", "f1"))


def test_errors_of_values_are_scikit_learns():
    t, y = RNG.normal(size=(N, 2)), RNG.normal(size=(N, 2))
    expected = metrics("values", t, y, y, "ab", None, probable=False)["values"]
    for entry, other in zip(rates.of_values(t, y, "ab"), expected, strict=True):
        assert all(entry[measure] == pytest.approx(other[measure]) for measure in ("r2", "mae", "rmse"))


def test_a_constant_target_has_no_r2():
    (entry,) = rates.of_values(np.ones((3, 1)), np.zeros((3, 1)), ["a"])
    assert np.isnan(entry["r2"])
    assert entry["mae"] == 1
