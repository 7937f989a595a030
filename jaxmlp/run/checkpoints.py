"""The checkpoints of a run: pytrees in safetensors files that arrive whole, and that are checked when they are read.

`_read` notices damage, by the SHA-256 in the name, and `refusal` a checkpoint of another run. `restore` passes over both,
takes the newest that is left, and returns a line for each that it passed over.
"""

import contextlib
import hashlib
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import jax
import numpy as np
from jaxtyping import PyTree

from jaxmlp.errors import RunError
from jaxmlp.files import cannot, make_directory, read_bytes, write_atomically
from jaxmlp.run.identity import Identity
from jaxmlp.tensors import DamageError, decode, encode

KEPT = 2
_NAME = re.compile(r"epoch-(\d{6,})\.([0-9a-f]{16})\.safetensors")  # checked with sha256sum


class Checkpoint(NamedTuple):
    """A state read back, and what was passed over to find it."""

    epoch: int
    tree: PyTree  # of NumPy arrays, in the structure of `like`
    metadata: dict[str, str]
    path: Path
    skipped: tuple[str, ...]  # a line for each newer, damaged checkpoint


Like = Callable[[dict[str, str]], PyTree]
Refuse = Callable[[dict[str, str]], str | None]  # why a checkpoint of such metadata is not to be used


def save(directory: Path, epoch: int, tree: PyTree, metadata: dict[str, str]) -> Path:
    """Write the tree's arrays to `epoch-<epoch>.<start of the SHA-256 of the file>.safetensors`; the last two are kept.

    Name and content appear in one rename, and older files go only after it. Kept with the new file is the newest
    sound one of an earlier epoch. RunError if the disk refuses; what was saved before is then still there.
    """
    make_directory(directory)
    paths, leaves = _flatten(jax.device_get(tree))
    blob = encode(dict(zip(paths, leaves, strict=True)), metadata, "epoch", str(epoch))
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


def refusal(identity: Identity, *, marked: bool) -> Refuse:
    """Why a checkpoint is not of this run, by its metadata; one that does not say is taken, unless the run is `marked`."""

    def refuse(metadata: dict[str, str]) -> str | None:
        if "identity" not in metadata:
            return "is of an earlier version, or another run" if marked else None
        try:
            differs = identity.differs(Identity.from_json(metadata["identity"]))
        except ValueError as error:
            return f"cannot be used: {error}"
        return f"belongs to another run: {differs}" if differs else None

    return refuse


def refusal_of(identity: Identity | None) -> Refuse:
    """The `refusal` for a run as it was begun; of one that has no identity, any checkpoint is taken."""
    return (lambda _: None) if identity is None else refusal(identity, marked=True)


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
    except DamageError as damage:
        skipped.append(f"checkpoint {path} is damaged: {damage}")
        return None
    if reason := refuse(content[2]):
        skipped.append(f"checkpoint {path} {reason}")
        return None
    return content


def _read(path: Path) -> tuple[int, dict[str, np.ndarray], dict[str, str]]:
    """Epoch, arrays and metadata of a checkpoint; DamageError unless its bytes match the digest in its name."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise DamageError("its name is not epoch-<number>.<16 hexadecimal digits>.safetensors")
    try:
        blob = read_bytes(path)
    except OSError as error:
        raise DamageError(f"it cannot be read ({error.strerror or error})") from error
    if not blob:
        raise DamageError("it is empty")
    digest = hashlib.sha256(blob).hexdigest()[:16]
    if digest != name[2]:
        raise DamageError(f"its SHA-256 starts with {digest}, not with what its name says")
    tensors, metadata = decode(blob)
    if metadata.pop("epoch", None) != str(int(name[1])):
        raise DamageError("it holds another epoch than its name says")
    return int(name[1]), tensors, metadata


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
            with contextlib.suppress(DamageError):
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
