"""Versions of XLA that compute wrong results, and the flag that avoids them.

jaxlib 0.10.2, on CPUs: a fused sum of products with more than 2^15 results, such as the loss of each example and trial of
a grid, is wrong from the 2^15th result on (jax issue 39103; 0.10.1 and 0.11.0 are right). Without this kind of fusion it is
right, and slower: 1,000 networks of 64-32-10 by autodiff took a quarter longer (jaxmlp bench --preset digits --parts grid).
"""

import os
import sys
import warnings
from importlib.util import find_spec

WRONG = {"0.10.2": "xla_cpu_experimental_ynn_fusion_type"}  # the flag that selects what is fused
WITHOUT = "-reduce"
_changed: list[tuple[str, str | None]] = []  # what XLA_FLAGS was set to, and what it was before, until it is restored


def avoid() -> None:
    """Set XLA_FLAGS before XLA reads them, unless they have the flag. Warns if JAX has computed already: it is too late."""
    flag = WRONG.get(jaxlib := _jaxlib_version())
    before = os.environ.get("XLA_FLAGS")
    if flag is None or flag in (before or ""):
        return
    os.environ["XLA_FLAGS"] = f"{before or ''} --{flag}={WITHOUT}".strip()
    _changed[:] = [(os.environ["XLA_FLAGS"], before)]
    if "jax" in sys.modules and _has_computed():
        warnings.warn(
            f"jaxlib {jaxlib} computes some sums wrongly on CPUs, and JAX had computed before jaxmlp was imported: import"
            f" jaxmlp first, set XLA_FLAGS=--{flag}={WITHOUT}, or take another jaxlib",
            RuntimeWarning,
            stacklevel=3,
        )


def restore() -> None:
    """Give XLA_FLAGS the value back that it had: processes started later may have a jaxlib that aborts at the flag.

    Called once XLA has read its flags, which it does once, when JAX first asks for its devices. What was changed since
    `avoid` is left alone.
    """
    for value, before in _changed:
        if os.environ.get("XLA_FLAGS") != value:
            continue
        if before is None:
            del os.environ["XLA_FLAGS"]
        else:
            os.environ["XLA_FLAGS"] = before
    _changed.clear()


def _jaxlib_version() -> str:
    """The version of jaxlib by the name of its dist-info folder; by importlib.metadata, which takes 25 ms, if in doubt."""
    spec = find_spec("jaxlib")
    if spec is not None and spec.submodule_search_locations:
        names = os.listdir(f"{spec.submodule_search_locations[0]}/..")  # noqa: PTH208
        versions = [name[7:-10] for name in names if name.startswith("jaxlib-") and name.endswith(".dist-info")]
        if len(versions) == 1:
            return versions[0]
    from importlib.metadata import version

    return version("jaxlib")


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
