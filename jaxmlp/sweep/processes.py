"""Several processes, on one host or many: they meet, JAX learns of all devices, and small messages go round.

JAX's service is used to begin with and then left, for trials need no communication in a step; why, is said in star.py.
"""

import json
import os
import re
from collections.abc import Callable
from typing import Any

from jaxmlp.errors import JaxmlpError, UsageError
from jaxmlp.sweep.star import Star

FLAGS = {  # what each takes, and the variable that stands for it
    "--coordinator": ("HOST:PORT, where process 0 can be reached", "JAX_COORDINATOR_ADDRESS"),
    "--processes": ("a whole number from 1", "JAX_NUM_PROCESSES"),
    "--process-id": ("a whole number from 0, below --processes", "JAX_PROCESS_ID"),
}
_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})")


def connect(
    coordinator: str | None,
    processes: int | None,
    process_id: int | None,
    *,
    devices: Callable[[], Any] | None = None,
    timeout: float = 60.0,
    silence: float = 30.0,
) -> None:
    """Meet the other processes at HOST:PORT, where process 0 listens, and make the devices, before JAX is used otherwise.

    What is None is read from JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID, or from the cluster (SLURM,
    Open MPI, Kubernetes, Cloud TPU). `devices` makes JAX's backend (default: jax.devices). The processes may come
    `timeout` seconds apart, and one that is silent for `silence` seconds is lost.
    UsageError if an argument is wrong or missing, JaxmlpError if the processes do not meet.
    """
    global _star
    import jax

    host, port, count, index, local = _asked([coordinator, processes, process_id], timeout)
    if count > 1:
        star = Star(index, count, silence)
        try:
            free = star.gather(port, timeout) if index == 0 else star.call(host.strip("[]"), port, timeout)
            star.starting = True
            star.check()
        except JaxmlpError:
            star.close()
            raise
        try:
            _initialize(f"{host}:{free}", count, index, local, devices or jax.devices)
        except JaxmlpError as error:  # not raised: JAX would wait at exit for the others, and they for these devices
            star.leave(str(error), f"process {index} cannot begin: {error}")
        star.starting = False
        _star = star


def index() -> int:
    """The number of this process: 0 where there is only one."""
    return 0 if _star is None else _star.index


def count() -> int:
    """How many processes there are."""
    return 1 if _star is None else _star.count


def exchange(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of all processes, in their order; all must call it. ProcessLostError if one is gone."""
    message = json.loads(json.dumps(message))
    return [message] if _star is None else _star.exchange(message)


def disconnect() -> None:
    """End the connections, after the last exchange or a loss. Takes 5 s at most."""
    global _star
    if _star is not None:
        _star.close()
        _star = None


def _asked(given: list[Any], timeout: float) -> tuple[str, int, int, int, Any]:
    """Host, port, number of processes, number of this one, and the devices a cluster allots to it (None: all)."""
    from jax._src.clusters import ClusterEnv  # what jax.distributed.initialize() asks; there is no public way

    given = [
        os.environ.get(FLAGS[flag][1]) if value is None else value for flag, value in zip(FLAGS, given, strict=True)
    ]
    local: Any = os.environ.get("JAX_LOCAL_DEVICE_IDS")
    try:
        local = [int(number) for number in local.split(",")] if local else None
        *found, local = ClusterEnv.auto_detect_unset_distributed_params(*given, local, None, int(timeout))  # pyright: ignore
    except Exception as error:  # whatever a cluster's own interface raises
        raise UsageError(f"the cluster cannot be read ({error}); give {', '.join(FLAGS)}") from error
    address = _ADDRESS.fullmatch(str(found[0]))
    numbers = [int(value) if re.fullmatch(r"\d{1,6}", str(value)) else -1 for value in found[1:]]
    fine = (address and 0 < int(address["port"]) < 65536, numbers[0] > 0, 0 <= numbers[1] < max(numbers[0], 1))
    for (flag, (wanted, variable)), value, good in zip(FLAGS.items(), found, fine, strict=True):
        if value is None:
            raise UsageError(f"{flag} is missing; set it or {variable} to {wanted}, or start under SLURM or Open MPI")
        if not good:
            limit = f" ({numbers[0]})" if flag == "--process-id" else ""
            raise UsageError(f"{flag} (or {variable}) cannot be {value!r}; set it to {wanted}{limit}")
    assert address is not None
    return address["host"], int(address["port"]), numbers[0], numbers[1], local


def _initialize(address: str, count: int, index: int, local: Any, devices: Callable[[], Any]) -> None:
    """Let JAX learn of all processes and devices, and leave its service again."""
    import jax

    # no collectives between processes: then those between the devices of one need no service, and print nothing
    jax.config.update("jax_cpu_collectives_implementation", None)
    jax.config.update("jax_enable_preemption_service", False)  # it swallows SIGTERM
    jax.distributed.initialize(address, count, index, local, "deactivate", initialization_timeout=60)
    devices()
    jax.distributed.shutdown()  # a barrier: behind it no process depends on another


_star: Star | None = None
