"""Runs of random weights: two configurations with three seeds each, on data that they share."""

import pytest
from helpers import save_clouds, write_run

from jaxmlp.data.config import Data
from jaxmlp.run.config import Experiment
from jaxmlp.spec import Hyper, Network

SEEDS = (0, 1, 2)


def experiment_of(npz, seed=0, hidden=(), data=None, **hyper):
    return Experiment(data or Data(str(npz)), Network(hidden), hyper=Hyper(**hyper), seed=seed)


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    return save_clouds(tmp_path_factory.mktemp("data") / "clouds.npz")


@pytest.fixture(scope="module")
def folder(npz, tmp_path_factory):
    """A folder that holds the folder runs/ with a0, a1, a2, b0, b1 and b2."""
    folder = tmp_path_factory.mktemp("work")
    for name, rate in (("a", 0.1), ("b", 0.2)):
        for seed in SEEDS:
            out = folder / "runs" / f"{name}{seed}"
            write_run(out, experiment_of(npz, seed, learning_rate=rate))
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    """The folder, in which commands run."""
    monkeypatch.chdir(folder)
    return folder
