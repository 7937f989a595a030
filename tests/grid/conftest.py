"""What the tests of a grid train on, and the solo runs they compare with."""

import pytest
from helpers import HYPERS, SEEDS, SPEC, clouds

from jaxmlp.spec import Examples, Splits
from jaxmlp.training.fitting import fit


@pytest.fixture(scope="session")
def splits():
    whole = clouds(60, noise=0.6)
    parts = (slice(0, 35), slice(35, 50), slice(50, 60))
    return Splits(*(Examples(whole.x[part], whole.targets[part]) for part in parts))


@pytest.fixture(scope="session")
def alone(splits):
    return [fit(SPEC, hyper, splits, seed) for hyper, seed in zip(HYPERS, SEEDS, strict=True)]
