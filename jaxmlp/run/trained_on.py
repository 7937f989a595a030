"""The data that a run was trained on, as its config.toml names them."""

from pathlib import Path

from jaxmlp.data.config import Data
from jaxmlp.errors import RunError
from jaxmlp.run import config, directory


def section(run: Path) -> Data:
    """The section [data] of config.toml. Raises UsageError where there is none, and RunError for one that is damaged."""
    tree = directory.saved_tree(run)
    return config.parse({"data": tree.get("data", {})}, str(run / directory.CONFIG))[0].data


def check(run: Path, crc32: str, origin: str) -> None:
    """Raise RunError for data, from `origin`, that are not those that the run was begun with."""
    begun = directory.identity_of(run)
    if begun is not None and begun.data != crc32:
        raise RunError(f"{run} was trained on other data than {origin} holds now: bring these back, or give FILE")
