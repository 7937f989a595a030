"""metrics.jsonl: a line an epoch. A checkpoint holds the same, so the file may be lost."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxmlp import files
from jaxmlp.errors import RunError
from jaxmlp.run.directory import METRICS
from jaxmlp.run.sealed import strict_json
from jaxmlp.text import count
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Epoch


class Log(Callbacks):
    """Adds each epoch of the run in `path` to its metrics.jsonl."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_epoch_end(self, epoch: Epoch) -> None:
        """Add a line."""
        append(self.path, epoch)


def append(path: Path, *epochs: Epoch) -> None:
    """Add the line of each epoch to metrics.jsonl."""
    lines = [strict_json(epoch.to_json()) for epoch in epochs]
    files.append_lines(path / METRICS, lines)


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, up to the first that is not whole (the last one, after a kill); none without a file."""
    rows: list[dict[str, Any]] = []
    try:
        text = files.read_bytes(path / METRICS).decode(errors="replace")
    except FileNotFoundError:
        return rows
    except OSError as error:
        raise files.cannot("read", path / METRICS, error) from error
    for line in text.splitlines(keepends=True):
        try:
            row = json.loads(line) if line.endswith("\n") else None
        except (ValueError, RecursionError):
            break
        if not isinstance(row, dict):
            break
        rows.append(row)
    return rows


def digest(path: Path) -> str | None:
    """The SHA-256 of metrics.jsonl, or None where it cannot be read."""
    try:
        return hashlib.sha256(files.read_bytes(path / METRICS)).hexdigest()
    except OSError:
        return None


def restore(path: Path, epochs: Sequence[Epoch]) -> str | None:
    """Make metrics.jsonl hold exactly these epochs, as a checkpoint has them; returns what was wrong with it, or None.

    Lines of later epochs are no fault: these epochs are trained again.
    """
    lines = [strict_json(epoch.to_json()) + "\n" for epoch in epochs]
    try:
        before = files.read_bytes(path / METRICS) if (path / METRICS).exists() else b""
    except OSError:
        before = b""
    written, whole = before.splitlines(keepends=True), "".join(lines)
    if before != whole.encode():
        files.write_atomically(path / METRICS, whole)
    wrong = [i for i, line in enumerate(lines) if i >= len(written) or written[i] != line.encode()]
    return f"{count(len(wrong), 'line')} of {METRICS}, from epoch {wrong[0] + 1} on, lost or damaged" if wrong else None


def cut(path: Path, epochs: int) -> list[Epoch]:
    """Cut metrics.jsonl back to its first `epochs` epochs, and return them: beside a checkpoint that does not hold them.

    Raises RunError if there are fewer.
    """
    lines = read(path)[:epochs]
    try:
        records = [Epoch.from_json(line) for line in lines]
    except (KeyError, TypeError):
        records = []
    if [epoch.epoch for epoch in records] != list(range(1, epochs + 1)):
        raise RunError(
            f"{path / METRICS} has {len(lines)} whole lines, the checkpoint {epochs} epochs; the file was changed or"
            " damaged: begin the run anew with --overwrite"
        )
    restore(path, records)
    return records
