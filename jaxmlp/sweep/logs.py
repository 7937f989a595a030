"""The logs of a sweep, results.jsonl and curves.jsonl: a line a trial, each with its CRC-32, so that damage shows."""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from jaxmlp import files
from jaxmlp.run.identity import Identity
from jaxmlp.run.sealed import strict_json

CHECK = "crc32"
MARK = f', "{CHECK}": "'
_TRIAL = re.compile(rb'\{"trial": (\d+)[,}]')


class Log(NamedTuple):
    """The sound lines of a log, each with its trial, and the line numbers (from 1) of the others."""

    lines: list[tuple[int, bytes]]
    damaged: list[int]

    def rows(self) -> list[dict[str, Any]]:
        """The lines as rows; what takes the time of a large log."""
        return [_row(text) for _, text in self.lines]


def lines(rows: Sequence[Mapping[str, Any]], run: Identity) -> list[str]:
    """Rows as lines of the log of a run, without their ends."""
    texts, salt = [strict_json(dict(row)) for row in rows], _salt(run)
    return [f'{text[:-1]}{MARK}{zlib.crc32(text.encode(), salt):08x}"}}' for text in texts]


def read(path: Path, run: Identity | None) -> Log:
    """The lines of the log of a run; none where there is no file. Logs from before lines had checks are taken on trust.

    Raises RunError if the file cannot be read.
    """
    try:
        texts = files.read_bytes(path).split(b"\n")
    except FileNotFoundError:
        return Log([], [])
    except OSError as error:
        raise files.cannot("read", path, error) from error
    trial_of = _trusted
    if run is not None and any(MARK.encode() in text for text in texts):
        trial_of = partial(_checked, salt=_salt(run))
    unfinished = texts.pop() != b""  # a line that was begun, after a kill
    lines, damaged = [], []
    for number, text in enumerate(texts, 1):
        trial = trial_of(text)
        if trial is None:
            damaged.append(number)
        else:
            lines.append((trial, text))
    return Log(lines, damaged + [len(texts) + 1] * unfinished)


def write(path: Path, rows: Sequence[Mapping[str, Any]], run: Identity) -> None:
    """Write a log as a whole."""
    files.write_atomically(path, "".join(line + "\n" for line in lines(rows, run)))


def _salt(run: Identity) -> int:
    """What the check of a line begins with, so that the lines of another run do not pass."""
    return zlib.crc32(run.digest.encode())


def _checked(text: bytes, salt: int) -> int | None:
    """The trial of a line, or None if its CRC-32 is another one."""
    start, mark, end = text.rpartition(MARK.encode())
    trial = _TRIAL.match(text)
    sound = trial and mark and end == b'%08x"}' % zlib.crc32(start + b"}", salt)
    return int(trial[1]) if trial and sound else None


def _trusted(text: bytes) -> int | None:
    """The trial of a line, or None if it is no row."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    trial = row.get("trial") if isinstance(row, dict) else None
    return trial if type(trial) is int else None


def _row(text: bytes) -> dict[str, Any]:
    row = json.loads(text.decode())
    row.pop(CHECK, None)
    return row
