"""Versions of XLA that compute wrong results, and the flag that avoids them.

jaxlib 0.10.2, on CPUs: a fused sum of products with more than 2^15 results, such as the loss of each example and trial of
a grid, is wrong from the 2^15th result on (jax issue 39103; 0.10.1 and 0.11.0 are right). Without this kind of fusion it is
right, and slower: 1,000 networks of 64-32-10 by autodiff took a quarter longer (tests/benchmarks/grid.py --case digits).
"""

import os
import sys
import warnings
from importlib.metadata import version

WRONG = {"0.10.2": "xla_cpu_experimental_ynn_fusion_type"}  # the flag that selects what is fused
WITHOUT = "-reduce"


def avoid() -> None:
    """Set XLA_FLAGS before XLA reads them, unless they have the flag. Warns if JAX has computed already: it is too late."""
    flag = WRONG.get(jaxlib := version("jaxlib"))
    flags = os.environ.get("XLA_FLAGS", "")
    if flag is None or flag in flags:
        return
    os.environ["XLA_FLAGS"] = f"{flags} --{flag}={WITHOUT}".strip()
    if "jax" in sys.modules and _has_computed():
        warnings.warn(
            f"jaxlib {jaxlib} computes some sums wrongly on CPUs, and JAX had computed before jaxmlp was imported: import"
            f" jaxmlp first, set XLA_FLAGS=--{flag}={WITHOUT}, or take another jaxlib",
            RuntimeWarning,
            stacklevel=3,
        )


def _has_computed() -> bool:
    """Whether JAX has begun to use its devices: then it no longer takes another number of them."""
    import jax

    count = jax.config.jax_num_cpu_devices  # pyright: ignore[reportAttributeAccessIssue]
    try:
        jax.config.update("jax_num_cpu_devices", count + 2)
    except RuntimeError:
        return True
    jax.config.update("jax_num_cpu_devices", count)
    return False
