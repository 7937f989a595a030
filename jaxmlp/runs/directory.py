"""The run directory: what is in it, how it is opened, and how it is read back.

config.toml          the experiment, resolved; feeding it back gives the same run
environment.json     versions, device, seed, PRNG implementation, where the data came from
metrics.jsonl        a line an epoch
checkpoints/         the state of training (see checkpoints.py)
model.safetensors    the best weights, with what it takes to predict
summary.json         how it ended
plots/               pictures
.lock                held by the process that writes; .holder.json says which it is

Files that jaxmlp reads back are sealed: JSON has a format number first and the SHA-256 of the rest last. Files from before
there were seals have neither, and are taken on trust.
"""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path
from typing import Any

from jaxmlp.errors import RunError, UsageError
from jaxmlp.reading import read_toml
from jaxmlp.runs import config, files, lock
from jaxmlp.runs.config import AnyExperiment, Experiment
from jaxmlp.runs.identity import Identity, identity
from jaxmlp.text import count as count_of
from jaxmlp.training.epochs import Epoch
from jaxmlp.training.schedules import schedule

CONFIG, ENVIRONMENT, METRICS, SUMMARY = "config.toml", "environment.json", "metrics.jsonl", "summary.json"
CHECKPOINTS, PLOTS = "checkpoints", "plots"
FORMAT = 2  # of the files of a run: 2 has seals and identities
CURVES, CONFUSION, WEIGHTS, MISTAKES = "curves.png", "confusion.png", "weights.png", "mistakes.png"


@dataclass(frozen=True)
class RunKind:
    """What tells one kind of run directory from the others; each command that writes one has its own."""

    name: str
    """What messages call it."""
    table: str
    """A table that its config.toml always has."""
    tables: frozenset[str]
    """All tables and keys that its config.toml may have at the top."""
    patterns: tuple[str, ...]
    """All that is written, as patterns of paths below the directory."""

    def check(self, path: Path) -> None:
        """Raise UsageError if the directory holds a run of another kind, by its config.toml."""
        try:
            tree = read_toml(path / CONFIG)
        except UsageError:
            return
        signs = [f"[{table}]" for table in tree if table not in self.tables]
        signs += [f"no [{self.table}]"] if tree and self.table not in tree else []
        if signs:
            raise UsageError(
                f"{path} holds a run of another kind, not {self.name} ({CONFIG} has {signs[0]}); give another --out, or"
                " remove it"
            )


RUN = RunKind(
    "a single run of jaxmlp train",
    table="hyper",
    tables=frozenset(field.name for field in fields(Experiment)),
    patterns=(
        *(CONFIG, ENVIRONMENT, METRICS, SUMMARY, "model.safetensors", CHECKPOINTS, PLOTS, *lock.FILES),
        *(f"{PLOTS}/{picture}" for picture in (CURVES, CONFUSION, WEIGHTS, MISTAKES)),
        f"{CHECKPOINTS}/epoch-*.safetensors",
    ),
)


def fresh(experiment: Experiment, prefix: str = "") -> Path:
    """Make a new folder under runs/, named by the time, a prefix, the data and the seed."""
    name = "".join(c if c.isalnum() else "_" for c in Path(experiment.data.name).name)
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{prefix}{name}-seed{experiment.seed}"
    files.make_directory(Path("runs"))
    for number in count(1):
        path = Path("runs") / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise files.cannot("make", path, error) from error
        return path
    raise AssertionError


def check_new(path: Path, kind: RunKind = RUN, *, overwrite: bool) -> list[Path]:
    """What is to be removed before a run of this kind can begin in `path`, the deepest first.

    Raises UsageError if there is anything, unless an earlier run of this kind is to be overwritten. Only what such a run
    writes is ever removed; a folder that holds anything else is refused even with `overwrite`.
    """
    try:
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file; --out takes a directory")
        present = sorted(path.rglob("*"), key=lambda item: (-len(item.parts), item))
    except OSError as error:
        raise files.cannot("look into", path, error) from error
    kind.check(path)
    if is_begun(path) and not overwrite:
        raise UsageError(
            f"{path} is not empty; go on with the run in it by --resume, replace it by --overwrite, or give another --out"
        )
    present = [item for item in present if item not in (path / lock.LOCK, path / lock.HOLDER)]
    names = [item.relative_to(path).as_posix() for item in present]
    foreign = [name for name in names if not any(_matches(name, pattern) for pattern in kind.patterns)]
    if foreign:
        raise UsageError(f"{path} holds {foreign[0]!r}, which no run writes: it is not overwritten; give another --out")
    return present


def is_begun(path: Path) -> bool:
    """Whether a run was begun in a directory: it has a config.toml, or anything else that is not left of beginning one."""
    if (path / CONFIG).exists():
        return True
    return path.is_dir() and any(
        item.name not in lock.FILES and not files.is_temporary(item) for item in path.iterdir()
    )


def _matches(name: str, pattern: str) -> bool:
    """Whether a file is named by the pattern, or is what a killed process left of writing such a file."""
    folder, slash, last = pattern.rpartition("/")
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{folder}{slash}.{last}.*.tmp")


def create(path: Path, experiment: AnyExperiment, kind: RunKind = RUN, *, overwrite: bool) -> None:
    """Make `path` ready for a new run, after `check_new`: empty but for config.toml."""
    empty(path, check_new(path, kind, overwrite=overwrite))
    files.write_atomically(path / CONFIG, config.write(experiment))


def empty(path: Path, old: Sequence[Path]) -> None:
    """Make the folder, or remove from it what `check_new` found. RunError if that fails."""
    files.make_directory(path)
    try:
        for item in old:
            item.rmdir() if item.is_dir() and not item.is_symlink() else item.unlink()
    except OSError as error:
        raise files.cannot("empty", path, error) from error


def saved_tree(path: Path) -> dict[str, Any]:
    """The experiment that the run in `path` was begun with, as parsed TOML. Raises UsageError if there is no run."""
    if not (path / CONFIG).exists():
        raise UsageError(f"{path} holds no run to resume ({CONFIG} is missing); leave out --resume to begin one")
    try:
        return read_toml(path / CONFIG)
    except UsageError as error:
        raise RunError(f"{error}; {NO_CONFIG}") from None


def check_same(path: Path, experiment: Experiment) -> None:
    """Raise UsageError naming the keys in which `experiment` differs from the run in `path`.

    More epochs are no difference, unless the schedule reads their number. Raises RunError where config.toml was changed.
    """
    saved, _ = config.parse(saved_tree(path), str(path / CONFIG))
    differences = config.changes(config.tree(saved), config.tree(experiment))
    if experiment.training.max_epochs > saved.training.max_epochs and not _reads_max_epochs(saved):
        del differences["training.max_epochs"]
    if differences:
        listed = ", ".join(f"{key} (was {before}, now {after})" for key, (before, after) in differences.items())
        raise UsageError(f"{path} cannot be resumed with other keys: {listed}; leave them out, or give another --out")
    if begun := identity_of(path):
        check_unchanged(path, experiment_identity(saved, begun.data), begun)


def check_unchanged(path: Path, run: Identity, begun: Identity) -> None:
    """Raise RunError naming the keys in which config.toml differs from what the run in `path` was begun with."""
    if differs := run.differs(begun):
        raise RunError(
            f"{path / CONFIG} was changed since the run was begun: {differs}; put it back, or begin a new run"
        )


def _reads_max_epochs(experiment: Experiment) -> bool:
    return schedule(experiment.training.schedule).reads_max_epochs


def reopen(path: Path, experiment: Experiment) -> None:
    """Make `path` ready to go on, after `check_same`: a larger max_epochs is noted in config.toml."""
    check_same(path, experiment)
    if saved_tree(path) != config.tree(experiment):
        files.write_atomically(path / CONFIG, config.write(experiment))


def ended(path: Path, experiment: Experiment) -> dict[str, Any] | None:
    """The summary of the run in `path`, if no epoch is left of those that `experiment` grants it; else None."""
    summary = read_json(path / SUMMARY)
    if summary is None:
        return None
    if summary["stop_reason"] == "max_epochs":
        return summary if summary["epochs_run"] >= experiment.training.max_epochs else None
    return summary if summary["stop_reason"] in ("early_stopping", "diverged") else None  # else stopped from without


def write_json(path: Path, content: dict[str, Any], run: Identity | None = None) -> None:
    """Write a JSON file for people and programs alike: indented, null where a number is not finite, and sealed.

    With the digest of a `run`, that the file belongs to.
    """
    marks: dict[str, Any] = {"format": FORMAT} if run is None else {"format": FORMAT, "run": run.digest}
    files.write_atomically(path, _sealed(marks | finite(content)))


def read_json(path: Path, run: Identity | None = None) -> dict[str, Any] | None:
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
        raise RunError(f"{path} cannot be read ({reason(error)}); {_WAY_OUT}") from None
    seal = content.pop("sha256", None)
    if (seal is not None or "format" in content) and text != _sealed(content):
        raise RunError(f"{path} was changed or damaged: it does not match its SHA-256; {_WAY_OUT}")
    content.pop("format", None)
    digest = content.pop("run", None)
    if None not in (run, digest) and digest != run.digest:  # pyright: ignore[reportOptionalMemberAccess]
        raise RunError(f"{path} belongs to another run; {_WAY_OUT}")
    return content


NO_CONFIG = "bring it back from a copy, or begin anew with --overwrite"
_WAY_OUT = "bring it back from a copy, or remove it and go on with --resume"


def _sealed(content: dict[str, Any]) -> str:
    """The text of a JSON file, with the digest of its content in it."""
    text = json.dumps(content, sort_keys=False, allow_nan=False)
    return json.dumps(content | {"sha256": hashlib.sha256(text.encode()).hexdigest()}, indent=2, allow_nan=False) + "\n"


def reason(error: Exception) -> str:
    """Why a file cannot be read, in a few words."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "too deeply nested" if isinstance(error, RecursionError) else " ".join(str(error).split())[:200]


def identity_of(path: Path, environment: dict[str, Any] | None = None) -> Identity | None:
    """What the run in `path` was begun with, by its environment.json; None where that is missing, or too old to say it."""
    content = read_json(path / ENVIRONMENT) if environment is None else environment
    if content is None or "identity" not in content:
        return None
    try:
        return Identity.from_json(json.dumps(content["identity"]))
    except ValueError as error:
        raise RunError(f"{path / ENVIRONMENT} cannot be read ({error}); {_WAY_OUT}") from None


def experiment_identity(experiment: AnyExperiment, data: str) -> Identity:
    """The identity of an experiment on data of a checksum; more epochs are the same run, unless the schedule reads them."""
    free = isinstance(experiment, Experiment) and not _reads_max_epochs(experiment)
    return identity(config.tree(experiment), data, without=("training.max_epochs",) if free else ())


def append_metrics(path: Path, *epochs: Epoch) -> None:
    """Add the line of each epoch to metrics.jsonl."""
    lines = [json.dumps(finite(epoch.to_json()), allow_nan=False) for epoch in epochs]
    files.append_lines(path / METRICS, lines)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, up to the first that is not whole (the last one, after a kill)."""
    return list(whole_lines(path / METRICS))


def metrics_digest(path: Path) -> str | None:
    """The SHA-256 of metrics.jsonl, or None where it cannot be read."""
    try:
        return hashlib.sha256(files.read_bytes(path / METRICS)).hexdigest()
    except OSError:
        return None


def restore_metrics(path: Path, epochs: Sequence[Epoch]) -> str | None:
    """Make metrics.jsonl hold exactly these epochs, as a checkpoint has them; returns what was wrong with it, or None.

    Lines of later epochs are no fault: these epochs are trained again.
    """
    lines = [json.dumps(finite(epoch.to_json()), allow_nan=False) + "\n" for epoch in epochs]
    try:
        before = files.read_bytes(path / METRICS) if (path / METRICS).exists() else b""
    except OSError:
        before = b""
    written, whole = before.splitlines(keepends=True), "".join(lines)
    if before != whole.encode():
        files.write_atomically(path / METRICS, whole)
    wrong = [i for i, line in enumerate(lines) if i >= len(written) or written[i] != line.encode()]
    return (
        f"{count_of(len(wrong), 'line')} of {METRICS}, from epoch {wrong[0] + 1} on, lost or damaged" if wrong else None
    )


def cut_metrics(path: Path, epochs: int) -> list[Epoch]:
    """Cut metrics.jsonl back to its first `epochs` epochs, and return them: beside a checkpoint that does not hold them.

    Raises RunError if there are fewer.
    """
    lines = read_metrics(path)[:epochs]
    try:
        records = [Epoch.from_json(line) for line in lines]
    except (KeyError, TypeError):
        records = []
    if [epoch.epoch for epoch in records] != list(range(1, epochs + 1)):
        raise RunError(
            f"{path / METRICS} has {len(lines)} whole lines, the checkpoint {epochs} epochs; the file was changed or"
            " damaged: begin the run anew with --overwrite"
        )
    restore_metrics(path, records)
    return records


def whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines, up to the first that is not whole; none where there is no file."""
    if not path.exists():
        return
    try:
        text = files.read_bytes(path).decode(errors="replace")
    except OSError as error:
        raise files.cannot("read", path, error) from error
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):
            return
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(row, dict):
            return
        yield row


def finite(value: Any) -> Any:
    """For strict JSON: None for every number that is not finite, however deep."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
