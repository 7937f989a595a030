"""Tensors as safetensors files that show when they were changed, by a SHA-256 of their own."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from jaxmlp import files
from jaxmlp.errors import RunError

_UNSEALED = "0" * 64


class DamageError(Exception):
    """What is wrong with the bytes of a file."""


def save(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write arrays to one safetensors file, sealed.

    The seal is `sha256` in its metadata: the digest of the file with zeros instead of the seal.
    """
    blob = encode(tensors, metadata, "sha256", _UNSEALED)
    seal = hashlib.sha256(blob).hexdigest()
    files.write_atomically(path, blob.replace(_in_header(_UNSEALED), _in_header(seal), 1))


def load(
    path: Path, way_out: str = "bring a copy back, or write it again"
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata that `save` wrote. RunError if the file is missing or any byte is damaged.

    `way_out` says what to do about damage.
    """
    try:
        blob = files.read_bytes(path)
        head, metadata = _header(blob)
        seal = str(metadata.pop("sha256", None))
        if not re.fullmatch("[0-9a-f]{64}", seal):
            raise DamageError("it carries no SHA-256 that jaxmlp could check")
        unsealed = head.replace(_in_header(seal), _in_header(_UNSEALED), 1) + blob[len(head) :]
        if hashlib.sha256(unsealed).hexdigest() != seal:
            raise DamageError("its bytes do not match the SHA-256 in its metadata")
        return decode(blob)[0], metadata
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}; check the name of the run") from error
    except DamageError as damage:
        raise RunError(f"{path} is damaged: {damage}; {way_out}") from damage


def _in_header(seal: str) -> bytes:
    """As it stands in the header: once, for within other texts JSON escapes the quotation marks."""
    return f'"sha256":"{seal}"'.encode()


def encode(tensors: dict[str, np.ndarray], metadata: dict[str, str], key: str, value: str) -> bytes:
    """A safetensors file with one entry more in its metadata. Raises ValueError if that `key` is taken.

    The same content gives the same bytes, which the library's own order of metadata does not.
    """
    if key in metadata:
        raise ValueError(f"the metadata key {key!r} is taken")
    blob = safetensors.numpy.save({name: _native(array) for name, array in tensors.items()})
    head, _ = _header(blob)
    header = {"__metadata__": dict(sorted((metadata | {key: value}).items()))} | json.loads(head[8:])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + blob[len(head) :]


def _native(array: np.ndarray) -> np.ndarray:
    """In the byte order and layout that safetensors takes for granted; unlike ascontiguousarray it leaves 0-d alone."""
    array = np.asarray(array)
    return np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")


def decode(blob: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata of a safetensors file. Raises DamageError if it is none."""
    _, metadata = _header(blob)
    try:
        return safetensors.numpy.load(blob), metadata
    except (SafetensorError, ValueError, KeyError) as error:
        raise DamageError(f"it is no safetensors file ({error})") from error


def _header(blob: bytes) -> tuple[bytes, dict[str, str]]:
    """The bytes before the first tensor (8 of length, then JSON), and the metadata in them."""
    head = blob[: 8 + int.from_bytes(blob[:8], "little")]
    try:
        return head, dict(json.loads(head[8:]).get("__metadata__", {}))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DamageError("its header cannot be read") from error
