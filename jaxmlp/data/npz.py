"""NPZ files: those that users bring, in Keras' keys, and the cache, which holds parsed arrays in the same form."""

import contextlib
import math
import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np

from jaxmlp.errors import DataError, line_of
from jaxmlp.fields import one_line, shown
from jaxmlp.reading import fill, open_regular

Four = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # training images and labels, test images and labels
KEYS = ("x_train", "y_train", "x_test", "y_test")
VALIDATION = ("x_val", "y_val")
WEIGHTS = ("sample_weight", "sample_weight_train", "sample_weight_val", "sample_weight_test")
KINDS = "biufcSUmMV"  # of arrays that are read; which of them can be learnt from is checked later
MOST_HEADER = 10_000  # bytes before the values of an array, as in NumPy
MOST_MEMBERS = 1_000
MOST_RATIO = 1032  # deflate cannot shrink further, so a size beyond it is wrong


def read(path: Path) -> Four:
    """Training images and labels, test images and labels, from an NPZ file, and nothing else of it; as `read_all`."""
    arrays = _read(path, KEYS, ())
    return arrays["x_train"], arrays["y_train"], arrays["x_test"], arrays["y_test"]


def read_all(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an NPZ file by key: KEYS, and those of VALIDATION and WEIGHTS that it has; pickled objects are refused.

    Sizes are checked before memory is taken. Raises DataError, in one line, for all that can be wrong.
    """
    arrays = _read(path, KEYS, (*VALIDATION, *WEIGHTS))
    if alone := [key for key in VALIDATION if key in arrays]:
        if len(alone) < 2:
            raise DataError(f"{path}: {alone[0]} without {'y_val' if alone[0] == 'x_val' else 'x_val'}; bring both")
    elif "sample_weight_val" in arrays:
        raise DataError(f"{path}: sample_weight_val without x_val and y_val; bring all three")
    if "sample_weight" in arrays and "sample_weight_train" in arrays:
        raise DataError(f"{path}: sample_weight and sample_weight_train are both of x_train; bring one of them")
    return arrays


def read_some(path: Path, wanted: Sequence[tuple[str, ...]], more: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """The arrays of the first tuple of keys that an NPZ file has whole, and those of `more` that it has, by key."""
    for keys in wanted:
        with contextlib.suppress(_MissingError):
            return _read(path, keys, more)
    return _read(path, wanted[0], more)  # says what is missing


class _MissingError(DataError):
    """Keys that a file does not have."""


def _read(path: Path, keys: tuple[str, ...], more: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        with open_regular(path) as file, warnings.catch_warnings(action="ignore"):  # of headers that Python 2 wrote
            return _parse(file, path, keys, more)
    except DataError:
        raise
    except IsADirectoryError:
        raise DataError(f"{path}: a folder, where an NPZ file is meant; move it away") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or line_of(error)})") from error
    except MemoryError as error:
        raise DataError(f"{path}: its arrays do not fit into memory; take a smaller set") from error
    except Exception as error:  # of zipfile, zlib and NumPy, whatever a damaged file makes them raise
        raise DataError(f"{path}: the NPZ file is damaged ({line_of(error)}); get it again") from error


def _parse(file: BufferedIOBase, path: Path, keys: tuple[str, ...], more: tuple[str, ...]) -> dict[str, np.ndarray]:
    magic = file.read(4)
    if magic[:2] != b"PK":
        raise DataError(f"{path}: no NPZ file: it starts with {magic.hex(' ') or 'nothing'}, an NPZ with 50 4b ('PK')")
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 22))
    if file.read(4) == b"PK\5\6" and int.from_bytes(file.read(8)[6:8], "little") > MOST_MEMBERS:
        raise DataError(f"{path}: holds more than {MOST_MEMBERS:,} files; needed are {', '.join(keys)}")
    with zipfile.ZipFile(file) as archive:  # the CRC-32 of each array is checked as it is read
        members = [(info.filename.removesuffix(".npy"), info) for info in archive.infolist()]
        names = [name for name, _ in members]
        if missing := [key for key in keys if key not in names]:
            present = ", ".join(map(one_line, names[:20])) + (", ..." if len(names) > 20 else "")
            raise _MissingError(
                f"{path}: no {', '.join(missing)} (found: {present or 'nothing'}; needed: {', '.join(keys)})"
            )
        wanted = (*keys, *(key for key in more if key in names))
        if twice := [key for key in wanted if names.count(key) > 1]:
            raise DataError(f"{path}: holds {twice[0]} twice; it cannot be told which is meant")
        by_name = dict(members)
        for key in wanted:
            _check_size(by_name[key], size, f"{path}: {key}")
        return {key: _array(archive, by_name[key], f"{path}: {key}") for key in wanted}


def shape_of(path: Path) -> tuple[int, ...] | None:
    """The shape of x_train as its header says it; None where that cannot be read."""
    try:
        with (
            open_regular(path) as file,
            warnings.catch_warnings(action="ignore"),
            zipfile.ZipFile(file) as archive,
            archive.open("x_train.npy") as member,
        ):
            return _header(member)[0]
    except Exception:  # of zipfile, zlib and NumPy; `read` says what is wrong
        return None


def _check_size(info: zipfile.ZipInfo, file_size: int, where: str) -> None:
    if info.flag_bits & 1:
        raise DataError(f"{where} is encrypted; save it without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{where} is compressed by method {info.compress_type}; save it with np.savez_compressed")
    ratio = MOST_RATIO if info.compress_type == zipfile.ZIP_DEFLATED else 1
    if info.compress_size > file_size or info.file_size > info.compress_size * ratio:
        raise DataError(f"{where} is damaged: {info.file_size:,} bytes are promised, more than the file can hold")


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> np.ndarray:
    """The array of one member: as `np.load` reads it, but for what its header promises and the member does not hold."""
    with archive.open(info) as member:
        shape, in_columns, dtype = _header(member, where)
        if dtype.hasobject:
            raise DataError(
                f"{where} holds pickled objects, which are refused: loading them can run any program; save plain arrays"
            )
        values = info.file_size - member.tell()
        count = math.prod(shape)
        if (
            dtype.kind not in KINDS
            or not dtype.itemsize
            or min(shape, default=0) < 0
            or count * dtype.itemsize != values
        ):
            raise DataError(
                f"{where} is damaged: its header promises {shown(shape)} of {shown(str(dtype))}, and {values:,} bytes follow"
            )
        array = np.empty(shape[::-1] if in_columns else shape, dtype)
        if fill(array, member) < values or member.read(1):
            raise DataError(
                f"{where} is damaged: it does not hold the {values:,} bytes that are promised; get it again"
            )
    return array.T if in_columns else array


def _header(member: Any, where: str = "x_train") -> tuple[tuple[int, ...], bool, np.dtype]:
    """What the header of an array promises: its shape, whether it is in columns, its type."""
    version = np.lib.format.read_magic(member)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise DataError(f"{where} is damaged: version {version} of its header is unknown")
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return header(member, max_header_size=MOST_HEADER)


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
    with contextlib.suppress(DataError):
        return read(path)
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
