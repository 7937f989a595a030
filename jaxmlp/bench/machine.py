"""What the measurements were made on: processor, cores, memory, and the versions of all that computed."""

import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from jaxmlp import __version__
from jaxmlp.bench.entries import PEERS
from jaxmlp.machine import cores, processor


def where_and_when() -> dict[str, Any]:
    """The date, the machine and the versions, as files of measurements have them."""
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return {"date": date, "machine": machine(), "versions": versions(peer.distribution for peer in PEERS.values())}


def machine() -> dict[str, Any]:
    """The processor, how many cores this process may use, and the memory."""
    return {
        "processor": processor(),
        "cores": cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "load": round(psutil.getloadavg()[0], 2),
    }


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Of jaxmlp, Python, JAX, NumPy, and of these packages where they are installed."""
    versions = {"jaxmlp": __version__, "python": platform.python_version()}
    for name in dict.fromkeys(("jax", "jaxlib", "numpy", *distributions)):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
