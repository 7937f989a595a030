"""The logs of a sweep, results.jsonl and curves.jsonl: a line a trial, each with its CRC-32, so that damage shows."""

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxmlp.runs import files
from jaxmlp.runs.directory import finite

CHECK = "crc32"


class Log(NamedTuple):
    """The sound lines of a log, and the numbers (from 1) of the others."""

    rows: list[dict[str, Any]]
    damaged: list[int]


def line(row: Mapping[str, Any]) -> str:
    """A row as a line, without its end."""
    text = json.dumps(finite(dict(row)), allow_nan=False)
    return f'{text[:-1]}, "{CHECK}": "{zlib.crc32(text.encode()):08x}"}}'


def read(path: Path) -> Log:
    """The lines of a log; none where there is no file. Logs from before lines had checks are taken on trust.

    Raises RunError if the file cannot be read.
    """
    try:
        lines = files.read_bytes(path).split(b"\n")
    except FileNotFoundError:
        return Log([], [])
    except OSError as error:
        raise files.cannot("read", path, error) from error
    checked = any(f'"{CHECK}": '.encode() in text for text in lines)
    rows, damaged = [], [] if lines.pop() == b"" else [len(lines) + 1]  # a line that was begun, after a kill
    for number, text in enumerate(lines, 1):
        row = _row(text, checked=checked)
        if row is None:
            damaged.append(number)
        else:
            rows.append(row)
    return Log(rows, sorted(damaged))


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a log as a whole."""
    files.write_atomically(path, "".join(line(row) + "\n" for row in rows))


def _row(text: bytes, *, checked: bool) -> dict[str, Any] | None:
    """The row of a line, or None if it is damaged."""
    start, mark, end = text.rpartition(f', "{CHECK}": "'.encode())
    try:
        row = json.loads(start + b"}" if mark else text)
    except (ValueError, RecursionError):
        return None
    sound = isinstance(row, dict) and type(row.get("trial")) is int
    if checked:
        sound = sound and bool(mark) and end == b'%08x"}' % zlib.crc32(start + b"}")
    return row if sound else None
