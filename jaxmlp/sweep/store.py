"""The directory of a sweep: what is written when, and how it is read back.

config.toml          the sweep, resolved, with the options it is run with
environment.json     versions, devices, where the data came from
groups.json          what is compiled, and how trials are packed: kept, so that resuming packs alike
results.jsonl        a line a trial, as they finish; sorted at the end, and beside it results.csv
curves.jsonl         the epochs of each trial, as they finish
units/               what has come of each work unit, and its state (see journal.py)
best/                the run directory of the best trial
plots/, sweep.html   pictures, and a page
tensorboard/ wandb/ mlflow/   what --track writes
summary.json         how it ended
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxmlp import files
from jaxmlp.errors import RunError, UsageError
from jaxmlp.run import directory, lock
from jaxmlp.run.directory import CHECKPOINTS, CONFIG, ENVIRONMENT, PLOTS, SUMMARY, RunKind
from jaxmlp.run.identity import Identity
from jaxmlp.run.sealed import read_json
from jaxmlp.sweep import config, logs
from jaxmlp.sweep.config import Sweep
from jaxmlp.sweep.options import MODES, Options
from jaxmlp.text import typed
from jaxmlp.tracking import names as tracking

RESULTS, TABLE, CURVES, GROUPS, UNITS, BEST, PAGE = (
    *("results.jsonl", "results.csv", "curves.jsonl", "groups.json", "units", "best", "sweep.html"),
)
SWEEP = RunKind(
    "a sweep of jaxmlp sweep",
    table="grid",
    tables=directory.RUN.tables | set(config.TABLES),
    patterns=(
        *(CONFIG, ENVIRONMENT, SUMMARY, RESULTS, TABLE, CURVES, GROUPS, PAGE, PLOTS, f"{PLOTS}/*.png"),
        *(*lock.FILES, *tracking.PATTERNS),
        *(UNITS, f"{UNITS}/*", f"{UNITS}/*.json", f"{UNITS}/*/try-*", f"{UNITS}/*/try-*/epoch-*.safetensors"),
        f"{UNITS}/best/epoch-*.safetensors",
        *(CHECKPOINTS, f"{CHECKPOINTS}/*-of-*", f"{CHECKPOINTS}/*-of-*/epoch-*.safetensors"),  # of earlier versions
        *(BEST, *(f"{BEST}/{pattern}" for pattern in directory.RUN.patterns)),
    ),
)

Curve = dict[str, list[float | None]]


def check_new(path: Path, *, overwrite: bool) -> list[Path]:
    """What is to be removed before a sweep can begin. Raises UsageError as `directory.check_new` does."""
    return directory.check_new(path, SWEEP, overwrite=overwrite)


def create(path: Path, sweep: Sweep, options: Options, *, overwrite: bool) -> None:
    """Make `path` ready for a new sweep, after `check_new`: empty but for config.toml."""
    directory.empty(path, check_new(path, overwrite=overwrite))
    files.write_atomically(path / CONFIG, config.write(sweep) + config.write_options(options))


def reopen(path: Path) -> tuple[Sweep, dict[str, Any], config.Described]:
    """The sweep that was begun in `path`, its options, and its config.toml as read. Raises UsageError if there is none."""
    if not (path / CONFIG).exists():
        way_out = directory.NO_CONFIG if directory.is_begun(path) else "leave out --resume to begin one"
        raise UsageError(f"{path} holds no sweep to resume ({CONFIG} is missing); {way_out}")
    try:
        described = config.read(path / CONFIG)
        if described[2]:
            return config.sweep_of(*described), config.options_of(described[2]), described
    except UsageError as error:
        raise RunError(f"{error}; {directory.NO_CONFIG}") from None
    if (path / GROUPS).exists():
        raise RunError(
            f"{path / CONFIG} has no [grid]: it was cut short; bring it back from a copy, or remove it, and begin anew with"
            " --overwrite"
        )
    raise UsageError(f"{path} holds a single run, not a sweep: resume it with {typed('train')}")


def sweep_identity(sweep: Sweep, options: Options, data: Sequence[str]) -> Identity:
    """What determines the results of a sweep, on data of these checksums."""
    tested = {"mode": options.mode or MODES[0], "test_all": options.test_all}
    return Identity.of(config.tree(sweep) | {"options": tested}, " ".join(data))


def ended(path: Path) -> dict[str, Any] | None:
    """The summary of a sweep that has ended."""
    return read_json(path / SUMMARY, directory.identity_of(path))


class Logs:
    """results.jsonl and curves.jsonl while a sweep runs: copies of what its units hold, begun anew by each session."""

    def __init__(self, path: Path, run: Identity) -> None:
        self.path, self.run = path, run
        for name in (RESULTS, CURVES):
            files.write_atomically(path / name, b"")

    def add(self, rows: Sequence[Mapping[str, Any]], curves: Sequence[Mapping[str, Any]]) -> None:
        """Append trials."""
        for name, added in ((RESULTS, rows), (CURVES, curves)):
            if added:
                files.append_lines(self.path / name, logs.lines(added, self.run))


def results(path: Path) -> list[dict[str, Any]]:
    """The rows of a sweep that has ended. Raises RunError if a line was changed or damaged."""
    log = logs.read(path / RESULTS, directory.identity_of(path))
    if log.damaged:
        raise RunError(
            f"{path / RESULTS} was changed or damaged in line {log.damaged[0]}; remove {path / SUMMARY}, and go on with"
            " --resume: its trial is trained again"
        )
    return log.rows()


def curves(path: Path) -> dict[int, Curve]:
    """The epochs of every trial, by its number."""
    return {line.pop("trial"): line for line in logs.read(path / CURVES, directory.identity_of(path)).rows()}


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], run: Identity) -> None:
    """results.jsonl and results.csv: all the trials in their order, all columns that any of them has."""
    rows = sorted(rows, key=lambda row: row["trial"])
    logs.write(path / RESULTS, rows, run)
    files.write_atomically(path / TABLE, table_text(rows))


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The text of results.csv."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: json.dumps(value) if isinstance(value, list) else value for name, value in row.items()} for row in rows
    )
    return text.getvalue()
