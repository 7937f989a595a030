"""Ray, for a sweep: a cluster of this process alone, or one that is there; and what each worker takes of it."""

import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxmlp.cli.devices import Device
from jaxmlp.errors import JaxmlpError, UsageError, line_of
from jaxmlp.machine import cores
from jaxmlp.text import count

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",  # else whoever reaches a port of Ray runs code here
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # how it will be: spares a warning
}
RESOURCES: dict[Device, str] = {"gpu": "GPU", "tpu": "TPU", "cpu": "CPU"}  # the best first
CONNECT_SECONDS = 10.0
WAY_OUT = "start one with `ray start --head`, or leave --address and RAY_ADDRESS out for workers on this machine alone"
LOCAL = {"include_dashboard": False, "object_store_memory": 2**28}  # what has come of a unit is small


@dataclass(frozen=True)
class Request:
    """The flags of a sweep that are for Ray."""

    address: str | None = None  # auto or HOST:PORT; None: RAY_ADDRESS, or else a cluster of this process alone
    workers: int | None = None  # None: as many as there is room for
    cpus: int | None = None  # cores of each; None: one, or none beside an accelerator
    device: Device = "auto"


@dataclass(frozen=True)
class Cluster:
    """Workers that can be had."""

    device: Device  # of each: cpu, gpu or tpu
    workers: int
    cpus: int  # cores of each

    def actor(self, of: type) -> Any:
        """A remote class: its actors have a device, and end with this process."""
        import ray

        cores = max(1, self.cpus)
        variables = {"JAX_PLATFORMS": "cuda" if self.device == "gpu" else self.device, "NPROC": str(cores)}
        taken = {"gpu": {"num_gpus": 1}, "tpu": {"resources": {"TPU": 1}}}.get(self.device, {})
        calls = {"max_concurrency": 3, "max_restarts": 0, "max_task_retries": 0}
        return ray.remote(of).options(num_cpus=self.cpus, **taken, **calls, runtime_env={"env_vars": variables})

    def __str__(self) -> str:
        cores = count(self.cpus, "core") if self.cpus else ""
        device = cores if self.device == "cpu" else f"a {self.device.upper()}{f' and {cores}' if cores else ''}"
        return f"{count(self.workers, 'worker')} on Ray, each with {device}"


@contextlib.contextmanager
def connected(request: Request) -> Iterator[Cluster]:
    """Connect this process to Ray, or start Ray for it. Raises JaxmlpError where that cannot be done."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        from ray.exceptions import RayError
    except ImportError:
        raise JaxmlpError("--engine ray needs Ray: pip install 'jaxmlp[ray]', or leave --engine out") from None
    address = request.address or os.environ.get("RAY_ADDRESS") or None
    options: dict[str, Any] = _local(request) if address is None else {"address": _reached(address)}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with _silent():
            ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        where = (
            "cannot start Ray here" if address is None else f"cannot connect to Ray at {address}, with the token here"
        )
        raise JaxmlpError(f"{where}: {line_of(error)}") from None
    finally:
        for number, handler in handlers.items():  # Ray has installed its own
            signal.signal(number, handler)
    try:
        yield _offered(request, ray.cluster_resources())
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Nothing on standard error: Ray's native part prints a line a second where it is refused, whatever it is told."""
    sys.stderr.flush()
    before = os.dup(2)
    with Path(os.devnull).open("wb") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def _offered(request: Request, resources: Mapping[str, float]) -> Cluster:
    """The workers for which there is room now, or as many as are asked for: then some may start later."""
    there: list[Device] = [kind for kind, name in RESOURCES.items() if kind == "cpu" or resources.get(name)]
    device = there[0] if request.device == "auto" else request.device
    cpus = request.cpus if request.cpus is not None else int(device == "cpu")
    name, share = RESOURCES[device], cpus if device == "cpu" else 1
    room = int(resources.get(name, 0) // share)
    if not room and request.workers is None:
        raise JaxmlpError(
            f"the cluster has {resources.get(name, 0):g} {name}, a worker takes {share}: give the number of --workers to"
            f" wait for, or take another {'--cpus-per-worker' if device == 'cpu' else '--device'}"
        )
    return Cluster(device, request.workers or room, cpus)


def _local(request: Request) -> dict[str, Any]:
    """How a cluster is started for this process alone: with all its cores, or as many as the workers are to have."""
    if not _has_token():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # its processes inherit it, and no file holds it
    return {"address": "local", "num_cpus": max(cores(), (request.workers or 1) * (request.cpus or 1))} | LOCAL


def _has_token() -> bool:
    """Whether there is a token; of a file of one, others must not read it."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return True
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray/auth_token")
    with contextlib.suppress(OSError):
        path.chmod(0o600)  # Ray writes it for all to read
    return path.exists()


def _reached(address: str) -> str:
    """The address of a cluster, at which something listens: Ray itself would wait for minutes.

    Raises UsageError for what is no address, and JaxmlpError where nothing answers.
    """
    host_port = address
    if address == "auto":
        host_port = os.environ.get("RAY_ADDRESS", "auto")
        with contextlib.suppress(OSError):  # where `ray start` notes it
            host_port = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray/ray_current_cluster").read_text().strip()
    if host_port == "auto":
        raise JaxmlpError(f"no Ray cluster runs here: {WAY_OUT}")
    host, _, port = host_port.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--address is {address}; accepted are auto and HOST:PORT, as in 10.0.0.1:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise JaxmlpError(f"no Ray cluster answers at {host_port} ({error.strerror or error}): {WAY_OUT}") from None
    if os.environ["RAY_AUTH_MODE"] == "token" and not _has_token():
        raise JaxmlpError(
            f"there is no token for the Ray cluster at {host_port}: bring that of its hosts to ~/.ray/auth_token, or set"
            " RAY_AUTH_TOKEN_PATH, or RAY_AUTH_MODE=disabled where it has none"
        )
    return address
