"""The run directory: what is in it, how it is opened, and how it is read back.

config.toml          the experiment, resolved; feeding it back gives the same run (config.py)
environment.json     versions, device, seed, PRNG implementation, where the data came from (environment.py)
metrics.jsonl        a line an epoch (metrics.py)
checkpoints/         the state of training (checkpoints.py)
model.safetensors    the best weights, with what it takes to predict (model.py)
summary.json         how it ended (runner.py)
plots/               pictures (pictures.py)
README.md            the model card (card.py)
export/              the network as files for other programs, where `jaxmlp export` has put some
run.html             a page with all of it (page.py)
tensorboard/ wandb/ mlflow/   what --track writes (jaxmlp/tracking)
.lock                held by the process that writes; .holder.json says which it is (lock.py)
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path
from typing import Any

from jaxmlp import files
from jaxmlp.errors import RunError, UsageError
from jaxmlp.reading import read_toml
from jaxmlp.run import config, lock
from jaxmlp.run.config import AnyExperiment, Experiment
from jaxmlp.run.identity import Identity
from jaxmlp.run.sealed import WAY_OUT, read_json
from jaxmlp.tracking import names as tracking
from jaxmlp.training.schedules import schedule

CONFIG, ENVIRONMENT, METRICS, SUMMARY = "config.toml", "environment.json", "metrics.jsonl", "summary.json"
CHECKPOINTS, PLOTS, PAGE, CARD, EXPORT = "checkpoints", "plots", "run.html", "README.md", "export"
NO_CONFIG = "bring it back from a copy, or begin anew with --overwrite"
CURVES, CONFUSION, WEIGHTS, MISTAKES = "curves.png", "confusion.png", "weights.png", "mistakes.png"
PREDICTED, LABEL_RATES = "predicted.png", "labels.png"
EXPORTED = ("model.onnx", "model.stablehlo", "model_*.py", "model_*.npz", "model_*.safetensors", "__pycache__*")
PICTURES = (CURVES, CONFUSION, WEIGHTS, MISTAKES, PREDICTED, LABEL_RATES)


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
        """Raise UsageError if the directory holds a run of another kind, by its config.toml.

        A table that nearly has the name of its own is a damaged one.
        """
        try:
            tree = read_toml(path / CONFIG)
        except UsageError:
            return
        signs = [f"[{table}]" for table in tree if not get_close_matches(table, self.tables)]
        signs += [f"no [{self.table}]"] if tree and not get_close_matches(self.table, tree) else []
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
        *(CONFIG, ENVIRONMENT, METRICS, SUMMARY, "model.safetensors", CHECKPOINTS, PLOTS, PAGE, *lock.FILES),
        *(f"{PLOTS}/{picture}" for picture in PICTURES),
        *(CARD, EXPORT, *(f"{EXPORT}/{name}" for name in EXPORTED)),
        *(f"{CHECKPOINTS}/epoch-*.safetensors", *tracking.PATTERNS),
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
    present = [item for item in present if item not in (path / lock.LOCK, path / lock.HOLDER)]
    names = [item.relative_to(path).as_posix() for item in present]
    foreign = [name for name in names if not any(_matches(name, pattern) for pattern in kind.patterns)]
    if foreign:
        raise UsageError(f"{path} holds {foreign[0]!r}, which no run writes: give another --out")
    if is_begun(path) and not overwrite:
        go_on = "go on with the run in it by --resume, " if (path / CONFIG).exists() else ""
        raise UsageError(f"{path} is not empty; {go_on}replace it by --overwrite, or give another --out")
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
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file; --out takes a directory")
    if not (path / CONFIG).exists():
        way_out = NO_CONFIG if is_begun(path) else "leave out --resume to begin one"
        raise UsageError(f"{path} holds no run to resume ({CONFIG} is missing); {way_out}")
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
    environment = read_json(path / ENVIRONMENT) or {}
    if begun := identity_of(path, environment):
        check_unchanged(path, experiment_identity(saved, begun.data), begun)
    granted, epochs = environment.get("max_epochs", 0), saved.training.max_epochs
    if epochs < granted:
        raise _changed(path, f"training.max_epochs ({epochs} here, {granted} there)")


def check_unchanged(path: Path, identity: Identity, begun: Identity) -> None:
    """Raise RunError naming the keys in which config.toml differs from what the run in `path` was begun with."""
    if differs := identity.differs(begun):
        raise _changed(path, differs)


def _changed(path: Path, differs: str) -> RunError:
    """What is raised for a config.toml that is not the one that the run in `path` was begun with."""
    return RunError(
        f"{path / CONFIG} was changed since the run was begun, or {ENVIRONMENT} is of another run: {differs}; put it"
        " back, or begin a new run"
    )


def moved(path: Path, experiment: Experiment) -> str | None:
    """A line, where the data lie elsewhere by config.toml than when the run in `path` was begun; else None."""
    begun = (read_json(path / ENVIRONMENT) or {}).get("data", {})
    now = config.tree(experiment)["data"]
    changes = [
        f"data.{key} (was {begun[key]}, now {now[key]})"
        for key in ("name", "dir")
        if key in begun and begun[key] != now[key]
    ]
    return f"{path / CONFIG} was changed since the run was begun: {', '.join(changes)}" if changes else None


@contextmanager
def data_of(path: Path | None) -> Iterator[None]:
    """Name config.toml of the run at `path`, if there is one, where the data that it names are not found: RunError."""
    try:
        yield
    except UsageError as error:
        raise error if path is None else RunError(f"{path / CONFIG}: {error}; put it back, if it was changed") from None


def _reads_max_epochs(experiment: Experiment) -> bool:
    return schedule(experiment.training.schedule).reads_max_epochs


def reopen(path: Path, experiment: Experiment) -> None:
    """Make `path` ready to go on, after `check_same`: a larger max_epochs is noted in config.toml."""
    check_same(path, experiment)
    if saved_tree(path) != config.tree(experiment):
        files.write_atomically(path / CONFIG, config.write(experiment))


def ended(path: Path, experiment: Experiment) -> dict[str, Any] | None:
    """The summary of the run in `path`, if no epoch is left of those that `experiment` grants it; else None."""
    summary = read_json(path / SUMMARY, identity_of(path))
    if summary is None:
        return None
    if summary["stop_reason"] == "max_epochs":
        return summary if summary["epochs_run"] >= experiment.training.max_epochs else None
    return summary if summary["stop_reason"] in ("early_stopping", "diverged") else None  # else stopped from without


def identity_of(path: Path, environment: dict[str, Any] | None = None) -> Identity | None:
    """What the run in `path` was begun with, by its environment.json; None where that is missing, or too old to say it."""
    content = read_json(path / ENVIRONMENT) if environment is None else environment
    if content is None or "identity" not in content:
        return None
    try:
        return Identity.from_json(json.dumps(content["identity"]))
    except ValueError as error:
        raise RunError(f"{path / ENVIRONMENT} cannot be read ({error}); {WAY_OUT}") from None


def experiment_identity(experiment: AnyExperiment, data: str) -> Identity:
    """The identity of an experiment on data of a checksum; more epochs are the same run, unless the schedule reads them."""
    free = isinstance(experiment, Experiment) and not _reads_max_epochs(experiment)
    return Identity.of(config.tree(experiment), data, without=("training.max_epochs",) if free else ())
