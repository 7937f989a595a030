"""Files that show when they were changed, by a SHA-256 of their own: JSON, and tensors as safetensors.

JSON has a format number first and the SHA-256 of the rest last; files from before there were seals have neither, and are
taken on trust. Checkpoints have theirs in the name (checkpoints.py).
"""

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from jaxmlp.errors import RunError
from jaxmlp.runs import files
from jaxmlp.runs.identity import Identity

FORMAT = 2  # 2 has seals and identities
WAY_OUT = "bring it back from a copy, or remove it and go on with --resume"
_UNSEALED = "0" * 64


class DamageError(Exception):
    """What is wrong with the bytes of a file."""


def write_json(path: Path, content: dict[str, Any], identity: Identity | None = None, indent: int | None = 2) -> None:
    """Write a JSON file for people and programs alike: indented, null where a number is not finite, and sealed.

    With the digest of the `identity` of the run that the file belongs to. Without an `indent`, it is one line.
    """
    files.write_atomically(path, json_text(content, identity, indent))


def json_text(content: dict[str, Any], identity: Identity | None = None, indent: int | None = 2) -> str:
    """What `write_json` writes."""
    marks: dict[str, Any] = {"format": FORMAT} if identity is None else {"format": FORMAT, "run": identity.digest}
    return _sealed_text(marks | content, indent)


def read_json(path: Path, identity: Identity | None = None) -> dict[str, Any] | None:
    """The content of a JSON file of a run; None if it is not there.

    Raises RunError if it was changed or damaged since `write_json` wrote it, or belongs to another run.
    """
    try:
        text = files.read_bytes(path).decode()
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("it holds no table")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read ({_reason(error)}); {WAY_OUT}") from None
    seal = content.pop("sha256", None)
    if (seal is not None or "format" in content) and not _is_sealed(content, text):
        raise RunError(f"{path} was changed or damaged: it does not match its SHA-256; {WAY_OUT}")
    content.pop("format", None)
    digest = content.pop("run", None)
    if identity is not None and digest not in (None, identity.digest):
        raise RunError(f"{path} belongs to another run; {WAY_OUT}")
    return content


def _is_sealed(content: dict[str, Any], text: str) -> bool:
    """Whether a text is what `write_json` writes of its content."""
    try:
        return text == _sealed_text(content, 2 if "\n" in text[:-1] else None)
    except (ValueError, RecursionError):  # a number that is not finite, as 1e999 is, or brackets that are too deep
        return False


def _sealed_text(content: dict[str, Any], indent: int | None) -> str:
    """The text of a JSON file, with the digest of its content in it."""
    text = strict_json(content)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if indent is None:
        return f'{text[:-1]}, "sha256": "{digest}"}}\n'
    return json.dumps(finite(content) | {"sha256": digest}, indent=indent, allow_nan=False) + "\n"


def _reason(error: Exception) -> str:
    """Why a file cannot be read, in a few words."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "too deeply nested" if isinstance(error, RecursionError) else " ".join(str(error).split())[:200]


def strict_json(value: Any) -> str:
    """JSON in one line, with null for every number that is not finite."""
    try:
        return json.dumps(
            value, allow_nan=False
        )  # most values are finite, and to replace those that are not takes longer
    except (TypeError, ValueError):
        return json.dumps(finite(value), allow_nan=False)


def finite(value: Any) -> Any:
    """For strict JSON: None for every number that is not finite, however deep; lists of arrays."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def save_tensors(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write arrays to one safetensors file, sealed.

    The seal is `sha256` in its metadata: the digest of the file with zeros instead of the seal.
    """
    blob = encode(tensors, metadata, "sha256", _UNSEALED)
    seal = hashlib.sha256(blob).hexdigest()
    files.write_atomically(path, blob.replace(_in_header(_UNSEALED), _in_header(seal), 1))


def load_tensors(
    path: Path, way_out: str = "bring a copy back, or write it again"
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata that `save_tensors` wrote. RunError if the file is missing or any byte is damaged.

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
