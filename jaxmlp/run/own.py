"""The data that a run was trained on, read again: its test examples are evaluated, and shared with other runs."""

from pathlib import Path

from jaxmlp.data.config import Data
from jaxmlp.data.sources import Dataset
from jaxmlp.data.tables import Table
from jaxmlp.errors import RunError
from jaxmlp.run import config, directory
from jaxmlp.run.config import Experiment
from jaxmlp.run.runner import Loaded, read_data
from jaxmlp.spec import Network


def data_keys(run: Path) -> Data:
    """The section [data] of config.toml. Raises UsageError where there is none that can be read."""
    tree = directory.saved_tree(run)
    return config.parse({"data": tree.get("data", {})}, str(run / directory.CONFIG))[0].data


def read_again(run: Path, loss: str) -> Loaded:
    """The data of a run whose network learnt by a `loss`.

    Raises RunError where they are not found any more, or are others than the run was begun with.
    """
    with directory.data_of(run):
        data = read_data(Experiment(data_keys(run), network=Network(loss=loss)))
    check_begun_with(run, data)
    return data


def check_begun_with(run: Path, data: Loaded | Dataset | Table) -> None:
    """Raise RunError where a run was begun with other data."""
    begun = directory.identity_of(run)
    if begun is not None and begun.data != data.crc32:
        raise RunError(f"{run} was trained on other data than {data.origin} holds now: bring these back")
