"""Compiled programs, kept in the user's cache folder by JAX: a command that was run before compiles next to nothing.

Hyperparameters are arguments of a program, not part of it. So the next training with other hyperparameters, seeds or epochs
finds its programs there; another network, batch size or rule is compiled, and kept as well.
"""

import hashlib
import warnings
from importlib.metadata import version

from jaxmlp.data.npz import cache_folder
from jaxmlp.errors import RunError
from jaxmlp.files import make_directory
from jaxmlp.machine import instructions, processor

FOLDER = "programs"
LEAST_SECONDS = 0.1  # of compiling, of what is kept
MOST_BYTES = 2**28  # of all that is kept for a machine; what was not used for longest goes first


def use() -> None:
    """Keep what is compiled from now on; nothing changes where the user has chosen a folder for JAX, or none.

    A cache that cannot be read or written costs time, nothing else.
    """
    import jax

    if not jax.config.jax_enable_compilation_cache or jax.config.jax_compilation_cache_dir:  # pyright: ignore
        return
    folder = cache_folder() / FOLDER / machine()
    try:
        make_directory(folder)
    except RunError:
        return
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache", UserWarning)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)
    jax.config.update("jax_compilation_cache_max_size", MOST_BYTES)


def machine() -> str:
    """A name for what code on a CPU is compiled for: a home directory may be shared by machines whose processors differ."""
    described = [version("jaxlib"), processor(), *instructions()]
    return hashlib.sha256("\n".join(described).encode()).hexdigest()[:16]
