"""What targets are, where the loss has a say too."""

import numpy as np
import pytest
from helpers import refused

from jaxmlp.data import targets
from jaxmlp.errors import DataError

COUNTS = np.array([3, 0, 7])


@pytest.mark.parametrize(
    ("y", "learns", "kind"),
    [
        (COUNTS, ("classes",), "classes"),
        (COUNTS, ("classes", "values"), "classes"),
        (COUNTS, ("values",), "values"),  # as under the Poisson loss
        (COUNTS * 1.0, ("values",), "values"),
        (COUNTS / 2, ("classes",), "values"),  # which is refused later
        (np.array(["a", "b"]), ("values",), "classes"),
        (np.eye(3, dtype=int), ("classes", "labels"), "labels"),
        (np.eye(3), ("classes", "labels"), "labels"),
        (np.eye(3), ("classes", "values"), "values"),
        (np.eye(3, dtype=int), ("values",), "values"),
        (np.eye(3) + 0.5, ("classes", "labels"), "values"),
        (np.array([2.0**60, 1.0]), targets.KINDS, "values"),
        (np.array([np.inf, 1.0]), targets.KINDS, "values"),
    ],
)
def test_the_loss_decides_where_the_numbers_could_be_either(y, learns, kind):
    assert targets.kind_of(y, learns) == kind


@pytest.mark.parametrize("kind", ["classes", "values"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_targets_that_are_not_finite_are_counted(kind, value):
    y = np.array([1.5, value, value])
    refused(["price: 2 are NaN or infinite"], targets.as_kind, y, kind, "price", error=DataError)


def test_values_beyond_float32_are_refused():
    refused(["exceed float32"], targets.as_kind, np.array([1e300, 0.5]), "values", "y", error=DataError)
