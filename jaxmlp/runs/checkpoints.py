"""Pytrees on the disk: safetensors files that arrive whole, and whose every damaged byte is seen."""

import contextlib
import hashlib
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import jax
import numpy as np
import safetensors.numpy
from jaxtyping import PyTree
from safetensors import SafetensorError

from jaxmlp.errors import RunError
from jaxmlp.runs.files import cannot, make_directory, read_bytes, write_atomically

KEPT = 2
_NAME = re.compile(r"epoch-(\d{6,})\.([0-9a-f]{16})\.safetensors")  # checked with sha256sum
_UNSEALED = "0" * 64


class Checkpoint(NamedTuple):
    """A state read back, and what was passed over to find it."""

    epoch: int
    tree: PyTree  # of NumPy arrays, in the structure of `like`
    metadata: dict[str, str]
    path: Path
    skipped: tuple[str, ...]  # a line for each newer, damaged checkpoint


Like = Callable[[dict[str, str]], PyTree]
Refuse = Callable[[dict[str, str]], str | None]  # why a checkpoint of such metadata is not to be used


class _DamageError(Exception):
    """What is wrong with the bytes of a file."""


def save(directory: Path, epoch: int, tree: PyTree, metadata: dict[str, str]) -> Path:
    """Write the tree's arrays to `epoch-<epoch>.<start of the SHA-256 of the file>.safetensors`; the last two are kept.

    Name and content appear in one rename, and older files go only after it. Kept with the new file is the newest
    sound one of an earlier epoch. RunError if the disk refuses; what was saved before is then still there.
    """
    make_directory(directory)
    paths, leaves = _flatten(jax.device_get(tree))
    blob = _encode(dict(zip(paths, leaves, strict=True)), _with(metadata, "epoch", str(epoch)))
    path = directory / f"epoch-{epoch:06d}.{hashlib.sha256(blob).hexdigest()[:16]}.safetensors"
    write_atomically(path, blob)
    _prune(directory, path, epoch, metadata.get("identity"))
    return path


def restore(
    directory: Path, like: PyTree | Like, epoch: int | None = None, refuse: Refuse = lambda _: None
) -> Checkpoint | None:
    """The newest whole checkpoint, or the one of `epoch`, in the structure of `like`; None without any.

    `like` is a tree of arrays or ShapeDtypeStructs, or makes one from the metadata of the checkpoint. One that `refuse`
    gives a reason against is passed over like a damaged one. RunError if files are there but none can be used, and if a
    whole one holds other names, shapes or dtypes than `like`.
    """
    skipped: list[str] = []
    for path in _newest_first(directory):
        name = _NAME.fullmatch(path.name)
        if epoch is not None and name is not None and int(name[1]) != epoch:
            continue
        usable = _usable(path, refuse, skipped)
        if usable is None:
            continue
        saved_epoch, tensors, metadata = usable
        tree = _unflatten(path, tensors, like(metadata) if callable(like) else like)
        return Checkpoint(saved_epoch, tree, metadata, path, tuple(skipped))
    if skipped:
        raise RunError(
            f"no checkpoint can be used; bring a copy back, or begin anew by --overwrite ({'; '.join(skipped)})"
        )
    return None


def whole(directory: Path, refuse: Refuse = lambda _: None) -> tuple[list[int], list[str]]:
    """The epochs of the checkpoints that are whole, the newest first; and a line for each that cannot be used."""
    epochs, skipped = [], list[str]()
    for path in _newest_first(directory):  # one at a time in memory
        content = _usable(path, refuse, skipped)
        if content is not None:
            epochs.append(content[0])
    return epochs, skipped


def _usable(path: Path, refuse: Refuse, skipped: list[str]) -> tuple[int, dict[str, np.ndarray], dict[str, str]] | None:
    """What `_read` finds in a checkpoint; or None, and a line more in `skipped` that says why it cannot be used."""
    try:
        content = _read(path)
    except _DamageError as damage:
        skipped.append(f"checkpoint {path} is damaged: {damage}")
        return None
    if reason := refuse(content[2]):
        skipped.append(f"checkpoint {path} {reason}")
        return None
    return content


def save_tensors(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write arrays to one safetensors file, sealed.

    The seal is `sha256` in its metadata: the digest of the file with zeros instead of the seal.
    """
    blob = _encode(tensors, _with(metadata, "sha256", _UNSEALED))
    seal = hashlib.sha256(blob).hexdigest()
    write_atomically(path, blob.replace(_sealed(_UNSEALED), _sealed(seal), 1))


def load_tensors(
    path: Path, way_out: str = "bring a copy back, or write it again"
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata that `save_tensors` wrote. RunError if the file is missing or any byte is damaged.

    `way_out` says what to do about damage.
    """
    try:
        return _open_sealed(read_bytes(path))
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}; check the name of the run") from error
    except _DamageError as damage:
        raise RunError(f"{path} is damaged: {damage}; {way_out}") from damage


def _open_sealed(blob: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    head, metadata = _header(blob)
    seal = str(metadata.pop("sha256", None))
    if not re.fullmatch("[0-9a-f]{64}", seal):
        raise _DamageError("it carries no SHA-256 that jaxmlp could check")
    if hashlib.sha256(head.replace(_sealed(seal), _sealed(_UNSEALED), 1) + blob[len(head) :]).hexdigest() != seal:
        raise _DamageError("its bytes do not match the SHA-256 in its metadata")
    return _decode(blob), metadata


def _sealed(digest: str) -> bytes:
    """As it stands in the header: once, for within other texts JSON escapes the quotation marks."""
    return f'"sha256":"{digest}"'.encode()


def _with(metadata: dict[str, str], key: str, value: str) -> dict[str, str]:
    if key in metadata:
        raise ValueError(f"the metadata key {key!r} is taken")
    return metadata | {key: value}


def _read(path: Path) -> tuple[int, dict[str, np.ndarray], dict[str, str]]:
    """Epoch, arrays and metadata of a checkpoint; _DamageError unless its bytes match the digest in its name."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise _DamageError("its name is not epoch-<number>.<16 hexadecimal digits>.safetensors")
    try:
        blob = read_bytes(path)
    except OSError as error:
        raise _DamageError(f"it cannot be read ({error.strerror or error})") from error
    if not blob:
        raise _DamageError("it is empty")
    digest = hashlib.sha256(blob).hexdigest()[:16]
    if digest != name[2]:
        raise _DamageError(f"its SHA-256 starts with {digest}, not with what its name says")
    _, metadata = _header(blob)
    if metadata.pop("epoch", None) != str(int(name[1])):
        raise _DamageError("it holds another epoch than its name says")
    return int(name[1]), _decode(blob), metadata


def _newest_first(directory: Path) -> list[Path]:
    """All that look like checkpoints, by epoch, then age; a name without a readable epoch counts as the newest."""

    def age(path: Path) -> tuple[float, int]:
        name = _NAME.fullmatch(path.name)
        try:
            written = path.stat().st_mtime_ns
        except OSError:  # reading it will say what is wrong
            written = 0
        return float(name[1]) if name else math.inf, written

    try:
        return sorted(
            filter(lambda path: path.match("epoch-*.safetensors"), directory.iterdir()), key=age, reverse=True
        )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise cannot("read the checkpoints in", directory, error) from error


def _prune(directory: Path, newest: Path, epoch: int, identity: str | None) -> None:
    """Delete all checkpoints but `newest` and the sound ones of the same run before it that are to be kept.

    Files of later epochs go too: this run has passed over them, or would have started from them.
    """
    kept = 1
    for path in _newest_first(directory):
        name = _NAME.fullmatch(path.name)
        if name is None or path == newest:
            continue
        if kept < KEPT and int(name[1]) < epoch:
            with contextlib.suppress(_DamageError):
                if _read(path)[2].get("identity") == identity:
                    kept += 1
                    continue
        with contextlib.suppress(OSError):
            path.unlink()


def _flatten(tree: PyTree) -> tuple[list[str], list]:
    """The leaves of a tree and their names, such as `params/0/w`: unique, and the same for the same structure."""
    taken = {"__metadata__": 1}  # safetensors keeps this name for itself
    names, leaves = [], []
    for keys, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        name = "/".join(quote(str(_label(key)), safe=" ") for key in keys) or "value"
        taken[name] = taken.get(name, 0) + 1
        names.append(name if taken[name] == 1 else f"{name}#{taken[name]}")  # no quoted name has a #
        leaves.append(leaf)
    return names, leaves


def _label(key: object) -> object:
    """What a key of a tree path is called: the field, the index or the dict key."""
    for attribute in ("name", "idx", "key"):  # GetAttrKey, SequenceKey, DictKey and FlattenedIndexKey
        if hasattr(key, attribute):
            return getattr(key, attribute)
    return key


def _unflatten(path: Path, tensors: dict[str, np.ndarray], like: PyTree) -> PyTree:
    """The arrays in the structure of `like`; RunError with the first name, shape or dtype that differs."""
    names, leaves = _flatten(like)
    hint = "it was saved by another network or optimizer: use the config of its run, or start a new one"
    for name, leaf in zip(names, leaves, strict=True):
        if name not in tensors:
            raise RunError(f"checkpoint {path} has no tensor {name}; {hint}")
        saved, wanted = _shaped(tensors[name]), _shaped(leaf)
        if saved != wanted:
            raise RunError(f"checkpoint {path}: {name} is {saved}, where {wanted} is wanted; {hint}")
    if extra := sorted(tensors.keys() - set(names)):
        raise RunError(f"checkpoint {path} has a tensor {extra[0]} that is not wanted; {hint}")
    return jax.tree.unflatten(jax.tree.structure(like), [tensors[name] for name in names])


def _shaped(array) -> str:
    return f"{np.dtype(array.dtype).name}{list(array.shape)}"


def _encode(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """A safetensors file; the same content gives the same bytes, which the library's own order of metadata does not."""
    blob = safetensors.numpy.save({name: _plain(array) for name, array in tensors.items()})
    head, _ = _header(blob)
    header = {"__metadata__": dict(sorted(metadata.items()))} | json.loads(head[8:])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + blob[len(head) :]


def _plain(array: np.ndarray) -> np.ndarray:
    """In the byte order and layout that safetensors takes for granted; unlike ascontiguousarray it leaves 0-d alone."""
    array = np.asarray(array)
    return np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")


def _header(blob: bytes) -> tuple[bytes, dict[str, str]]:
    """The bytes before the first tensor (8 of length, then JSON), and the metadata in them."""
    head = blob[: 8 + int.from_bytes(blob[:8], "little")]
    try:
        return head, dict(json.loads(head[8:]).get("__metadata__", {}))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _DamageError("its header cannot be read") from error


def _decode(blob: bytes) -> dict[str, np.ndarray]:
    try:
        return safetensors.numpy.load(blob)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _DamageError(f"it is no safetensors file ({error})") from error
