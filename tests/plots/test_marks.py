"""Losses become colours that tell them apart."""

import numpy as np
import pytest

from jaxmlp.plots.marks import colouring


@pytest.mark.parametrize(
    ("losses", "log", "extend"),
    [
        ([], False, "neither"),
        ([0.5], False, "neither"),
        ([0.0, 0.0], False, "neither"),
        ([0.1, 0.2], False, "neither"),
        ([0.1, 0.5], True, "neither"),
        ([0.1, 0.1, 0.1, 1e30], True, "max"),
        ([0.0, 0.1, 0.5], True, "neither"),
    ],
)
def test_colours_are_logarithmic_where_losses_differ_much(losses, log, extend):
    norm, found = colouring(np.array(losses))
    assert (type(norm).__name__ == "LogNorm", found) == (log, extend)
    assert norm.vmin < norm.vmax
