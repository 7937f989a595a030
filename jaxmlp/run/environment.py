"""environment.json: what a run was begun with, and what is compared when it is resumed."""

import math
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

import jaxmlp
from jaxmlp.errors import RunError
from jaxmlp.run import config, directory
from jaxmlp.run.config import Experiment
from jaxmlp.run.directory import ENVIRONMENT
from jaxmlp.run.identity import Identity
from jaxmlp.run.sealed import read_json, write_json
from jaxmlp.training import fitting
from jaxmlp.training.callbacks import Callbacks


def of_run(experiment: Experiment, identity: Identity, origin: str, *, data_parallel: bool = False) -> dict[str, Any]:
    """The content of the environment.json of a single run: no identity has `max_epochs`, which may grow but not shrink."""
    now = current(experiment, identity, origin, data_parallel=data_parallel)
    return now | {"max_epochs": experiment.training.max_epochs}


def current(experiment: Experiment, identity: Identity, origin: str, *, data_parallel: bool = False) -> dict[str, Any]:
    """The content of environment.json, as it is now."""
    device, data = jax.devices()[0], config.tree(experiment)["data"]
    return {
        "versions": versions(),
        "device": {"platform": device.platform, "kind": device.device_kind, "count": jax.device_count()}
        | ({"data_parallel": True} if data_parallel else {}),
        "machine": platform.platform(),
        "seed": experiment.seed,
        "prng": fitting.PRNG,
        "matmul_precision": experiment.training.matmul_precision,
        "data": {"name": data["name"], "dir": data["dir"], "origin": origin, "crc32": identity.data},
        "identity": identity._asdict(),
    }


def versions() -> dict[str, str]:
    """Of all that computes."""
    computing = {name: version(name) for name in ("jax", "jaxlib", "optax", "numpy")}
    return {"jaxmlp": jaxmlp.__version__, "python": platform.python_version()} | computing


def write(path: Path, now: dict[str, Any]) -> None:
    """Write environment.json, where there is none; else no more than `max_epochs`, where that has grown."""
    before = read_json(path / ENVIRONMENT)
    if before is None:
        write_json(path / ENVIRONMENT, now)
    elif now.get("max_epochs", 0) > before.get("max_epochs", math.inf):
        write_json(path / ENVIRONMENT, before | {"max_epochs": now["max_epochs"]})


def check(path: Path, identity: Identity, now: dict[str, Any], callbacks: Callbacks) -> bool:
    """Compare with what the run was begun with; returns whether it was begun.

    Other versions and devices are a message. Raises RunError for other data, and for a config.toml that was changed.
    """
    before = read_json(path / ENVIRONMENT)
    if before is None:
        return False
    if "data" not in before or not now.keys() - {"identity", "max_epochs"} <= before.keys():
        raise RunError(
            f"{path / ENVIRONMENT} was changed: it lacks some of its keys; remove it, and go on with --resume"
        )
    if before["data"]["crc32"] != now["data"]["crc32"]:
        raise RunError(
            f"{path} was begun on other data ({before['data']['origin']}) than there are now ({now['data']['origin']}):"
            " give it the former, or begin a new run"
        )
    begun_with = directory.identity_of(path, before)
    if begun_with is None:
        callbacks.on_message(f"{path} was begun by an earlier version, which marked no file: it is taken on trust")
    else:
        directory.check_unchanged(path, identity, begun_with)
    changed = [key for key in ("versions", "device", "machine") if before[key] != now[key]]
    if changed:
        callbacks.on_message(
            f"resumed with other {' and '.join(changed)} than it was begun with: the last bits may differ"
        )
    return True
