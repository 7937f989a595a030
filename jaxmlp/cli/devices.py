"""The devices a command runs on, and the memory it takes."""

import contextlib
import os
import platform
import resource
import sys
from pathlib import Path
from typing import Literal, get_args

from jaxmlp import xla_flags
from jaxmlp.errors import JaxmlpError, unknown

Device = Literal["auto", "cpu", "gpu", "tpu"]
CPUINFO = Path("/proc/cpuinfo")  # of Linux


def choose_device(name: str) -> str:
    """Make JAX use this kind of device, and describe it: `cpu (2 x cpu)`. Raises JaxmlpError if there is none."""
    if name not in get_args(Device):
        raise unknown("--device", name, get_args(Device))
    import jax

    if name != "auto":
        jax.config.update("jax_platforms", "cuda" if name == "gpu" else name)
    try:
        devices = jax.devices()
    except (RuntimeError, AssertionError) as error:  # JAX asserts where a plugin is missing
        devices, cause = [], str(error).split("\n")[0]
    else:
        cause = f"it runs on {devices[0].platform}"
    xla_flags.restore()
    if not devices or name not in ("auto", devices[0].platform):
        raise JaxmlpError(
            f"--device {name}: JAX finds none here{f' ({cause})' if cause else ''}; install jaxmlp[cuda12], jaxmlp[cuda13]"
            " or jaxmlp[tpu] on a machine that has one, or take --device cpu"
        )
    return f"{devices[0].platform} ({len(devices)} x {devices[0].device_kind})"


def cores() -> int:
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_all_cores(most: int) -> None:
    """Make as many CPU devices as there are cores, but at most `most`; trials are shared out to them."""
    import jax

    with contextlib.suppress(RuntimeError):  # JAX has begun already
        jax.config.update("jax_num_cpu_devices", min(cores(), most))


def peak_bytes() -> int:
    """The most memory that this process has held at a time."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def processor() -> str:
    """The name of the CPU: AMD EPYC 9B14."""
    with contextlib.suppress(OSError):
        for line in CPUINFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
