"""NPZ files: those that users bring, in Keras' keys, and the cache, which holds parsed arrays in the same form."""

import contextlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxmlp.errors import DataError

Four = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # training images and labels, test images and labels
KEYS = ("x_train", "y_train", "x_test", "y_test")
UNREADABLE = (OSError, ValueError, EOFError, KeyError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read(path: Path) -> Four:
    """Training images and labels, test images and labels, from an NPZ file; pickled objects are refused."""
    try:
        if path.is_dir():
            raise DataError(f"{path}: a folder, where an NPZ file is meant; move it away")
        with path.open("rb") as start:
            magic = start.read(4)
        if magic[:2] != b"PK":
            raise DataError(
                f"{path}: no NPZ file: it starts with {magic.hex(' ') or 'nothing'}, an NPZ with 50 4b ('PK')"
            )
        with zipfile.ZipFile(path) as archive:
            stored = [name.removesuffix(".npy") for name in archive.namelist()]
        if missing := [key for key in KEYS if key not in stored]:
            raise DataError(
                f"{path}: no {', '.join(missing)} (found: {', '.join(stored) or 'nothing'}; needed: {', '.join(KEYS)})"
            )
        return _load(path)
    except DataError:
        raise
    except UNREADABLE as error:
        if "allow_pickle" in str(error):
            reason = "it holds pickled objects, which are refused: loading them can run any program; save plain arrays"
        elif isinstance(error, OSError):
            reason = f"cannot be read ({error.strerror or error})"
        else:
            reason = f"the NPZ file is damaged ({' '.join(str(error).split())}); get it again"
        raise DataError(f"{path}: {reason}") from error


def _load(path: Path) -> Four:
    with (
        path.open("rb") as opened,
        np.load(opened, allow_pickle=False) as file,
    ):  # the zip's CRC-32 is checked as each array is read
        return file[KEYS[0]], file[KEYS[1]], file[KEYS[2]], file[KEYS[3]]


def cache_folder() -> Path:
    """The variable JAXMLP_CACHE, else the system's folder for caches (of the user, named jaxmlp)."""
    if given := os.environ.get("JAXMLP_CACHE"):
        return Path(given).expanduser()
    import platformdirs  # what pooch.os_cache calls, at a fifth of its import time

    return Path(platformdirs.user_cache_dir("jaxmlp"))


def cached(name: str, build: Callable[[], Four]) -> Four:
    """The four arrays that `build` makes, from the cache where it has them under `name`.

    A damaged file is as good as none, and is written anew; a cache that cannot be written costs time, nothing else.
    """
    path = cache_folder() / f"{name}.npz"
    with contextlib.suppress(*UNREADABLE):
        return _load(path)
    arrays = build()
    with contextlib.suppress(OSError):
        _write(path, dict(zip(KEYS, arrays, strict=True)))
    return arrays


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write under another name, then rename: a reader sees all of the file or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
