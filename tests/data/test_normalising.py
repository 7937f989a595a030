"""What auto comes to."""

import pytest
from helpers import refused

from jaxmlp.data import normalising


@pytest.mark.parametrize(
    ("normalise", "shape", "images", "name"),
    [
        ("auto", (28, 28), False, "per_image"),
        ("auto", (784,), True, "per_image"),
        ("auto", (784,), False, "per_feature"),
        ("global", (784,), False, "global"),
    ],
)
def test_auto_is_resolved_and_nothing_else(normalise, shape, images, name):
    assert normalising.resolved(normalise, shape, images=images) == name


@pytest.mark.parametrize("normalise", ["per_image", "unit", "global"])
def test_a_table_has_columns_to_normalise(normalise):
    refused(["accepted is per_feature, none"], normalising.resolved, normalise, (3,), images=False, table=True)
