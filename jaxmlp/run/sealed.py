"""JSON files that show when they were changed, by a SHA-256 of their own.

They have a format number first and the SHA-256 of the rest last; files from before there were seals have neither, and are
taken on trust. Tensors are sealed by tensors.py; checkpoints have their SHA-256 in the name (checkpoints.py).
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from jaxmlp import files
from jaxmlp.errors import RunError
from jaxmlp.run.identity import Identity

FORMAT = 2  # 2 has seals and identities
WAY_OUT = "bring it back from a copy, or remove it and go on with --resume"


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
