"""The devices a command runs on."""

import contextlib
from typing import Literal, get_args

from jaxmlp import xla_flags
from jaxmlp.cli import compile_cache
from jaxmlp.errors import JaxmlpError, unknown
from jaxmlp.machine import cores

Device = Literal["auto", "cpu", "gpu", "tpu"]


def choose_device(name: str) -> str:
    """Make JAX use this kind of device, and describe it: `cpu (2 x cpu)`. Raises JaxmlpError if there is none.

    What is compiled from then on is kept (`compile_cache`).
    """
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
    compile_cache.use()
    return f"{devices[0].platform} ({len(devices)} x {devices[0].device_kind})"


def use_all_cores(most: int) -> None:
    """Make as many CPU devices as there are cores, but at most `most`; trials are shared out to them."""
    import jax

    with contextlib.suppress(RuntimeError):  # JAX has begun already
        jax.config.update("jax_num_cpu_devices", min(cores(), most))
