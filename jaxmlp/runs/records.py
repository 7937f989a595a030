"""What a folder of a run, a sweep or a perceptron says of itself; one that is unfinished or damaged says that."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jaxmlp.errors import JaxmlpError, UsageError, line_of
from jaxmlp.fields import flat
from jaxmlp.plots.values import ABSENT, comparable, label
from jaxmlp.reading import read_toml
from jaxmlp.run import directory, lock, metrics, model, sealed
from jaxmlp.run.directory import CHECKPOINTS, CONFIG, ENVIRONMENT, METRICS, SUMMARY
from jaxmlp.scores import Score, score_of
from jaxmlp.statistics import accuracy_interval
from jaxmlp.sweep import store
from jaxmlp.text import count, short_path

RUN, SWEEP, PERCEPTRON = "run", "sweep", "perceptron"
ENDED, UNFINISHED, RUNNING, DAMAGED = "ended", "unfinished", "running", "damaged"
SIGNS = (CONFIG, SUMMARY, METRICS, ENVIRONMENT, CHECKPOINTS, model.FILE)  # any of them is of a run
DEEPEST = 4  # folders below the one that is listed
ROOT = Path("runs")


@dataclass(frozen=True)
class Record:
    """A folder of a run: what its config.toml and summary.json say, as far as they can be read."""

    path: Path
    kind: str = RUN  # of its config.toml
    state: str = DAMAGED
    note: str = ""  # what is to be said of its state
    tree: Mapping[str, Any] = field(default_factory=dict)  # config.toml
    summary: Mapping[str, Any] = field(default_factory=dict)  # of a sweep that of its best trial
    epochs: int | None = None
    when: float = 0.0  # of the last change, in seconds since 1970

    @property
    def name(self) -> str:
        """The path, as a person would type it from here."""
        return short_path(self.path)

    @property
    def keys(self) -> dict[str, Any]:
        """The config by dotted keys."""
        return dict(flat(self.tree))

    @property
    def test(self) -> Mapping[str, Any] | None:
        """The test result, as in summary.json; None where there is none."""
        return self.summary.get("test")

    @property
    def score(self) -> Score:
        """What its test result is measured by."""
        return score_of(self.test or ())

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the test accuracy (Wilson); None where nothing is counted."""
        test = self.test or {}
        return accuracy_interval(test["correct"], test["count"]) if {"correct", "count"} <= test.keys() else None


def find(folders: Sequence[Path]) -> list[Path]:
    """The runs and sweeps that are given, and those below the folders that are given; without any, those below runs/.

    Raises UsageError for a folder that does not exist, or holds none.
    """
    runs: dict[Path, None] = {}
    for folder in folders or [ROOT]:
        if not folder.is_dir():
            raise UsageError(_absent(folder, given=bool(folders)))
        below = [folder] if _is_begun(folder) else list(_below(folder, DEEPEST))
        if not below and folders:
            raise UsageError(f"{folder} holds no run, and no folder with one: give the folder of a run, or of several")
        runs |= dict.fromkeys(below)
    return list(runs)


def _absent(folder: Path, *, given: bool) -> str:
    if not given:
        return f"there is no folder {folder}/ here, where runs are written: say where they are, or train one"
    if folder.exists():
        return f"{folder} is a file; give the folder of a run"
    known = [str(path) for path in _below(ROOT, DEEPEST)] if ROOT.is_dir() else []
    if str(ROOT / folder) in known:
        return f"{folder} does not exist; did you mean {ROOT / folder}?"
    close = get_close_matches(str(folder), known, n=1)
    return f"{folder} does not exist" + (f"; did you mean {close[0]}?" if close else "")


def _is_begun(folder: Path) -> bool:
    return any((folder / name).exists() for name in SIGNS)


def _below(folder: Path, deepest: int) -> Iterator[Path]:
    """The runs below a folder by name; what lies within a run is its own."""
    try:
        inside = sorted(entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
    except OSError:  # a folder that may not be read holds nothing that is shown
        return
    for path in map(Path, inside):
        if _is_begun(path):
            yield path
        elif deepest > 1:
            yield from _below(path, deepest - 1)


def read(path: Path) -> Record:
    """The record of a folder; whatever is wrong with its files is in its note."""
    try:
        return _read(path)
    except (JaxmlpError, OSError) as error:
        return Record(path, note=line_of(error), when=_changed(path))
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # files of another form, as of a later version
        return Record(path, note=f"its files cannot be understood ({line_of(error, named=True)})", when=_changed(path))


def _read(path: Path) -> Record:
    if not (path / CONFIG).exists():
        raise UsageError(f"{CONFIG} is missing")
    tree, when = read_toml(path / CONFIG), _changed(path)
    kind = SWEEP if {"grid", "sample"} & tree.keys() else PERCEPTRON if "online" in tree else RUN
    identity = directory.identity_of(path)
    summary = sealed.read_json(path / SUMMARY, identity)
    if summary is None:
        return Record(path, kind, *_unfinished(path, kind, tree), tree=tree, epochs=_epochs(path, kind), when=when)
    if kind == SWEEP:
        best = summary["best"] or {}
        note = ", ".join(f"{number:,} {status.replace('_', ' ')}" for status, number in summary["statuses"].items())
        more = {"seconds": summary["seconds"], "trials": summary["trials"], "best_trial": best}
        of_best = {"test": best["test"]} if best else {}
        return Record(path, kind, ENDED, note, tree, of_best | more, summary["trial_epochs"], when)
    if kind == PERCEPTRON:
        return Record(path, kind, ENDED, summary["stop_reason"], tree, summary, None, when)
    if wrong := _wrong(path, summary):
        return Record(path, kind, DAMAGED, wrong, tree, summary, summary["epochs_run"], when)
    note = summary["stop_reason"].replace("_", " ")
    return Record(path, kind, ENDED, note, tree, summary, summary["epochs_run"], when)


def _wrong(path: Path, summary: Mapping[str, Any]) -> str:
    """What a run that has ended lacks of what is needed to predict and to compare; empty where all is there."""
    if not (path / model.FILE).exists():
        return f"{model.FILE} is missing"
    changed = summary.get("metrics_sha256") not in (None, metrics.digest(path))
    return f"{METRICS} is missing or damaged" if changed else ""


def _unfinished(path: Path, kind: str, tree: Mapping[str, Any]) -> tuple[str, str]:
    """The state of what has no summary, and how far it is."""
    done = _epochs(path, kind)
    if kind == SWEEP:
        note = f"{count(len(logged(path)), 'trial')} finished"
    else:
        of = tree.get("training", {}).get("max_epochs")
        note = f"{done:,} of {of:,} epochs" if of and done is not None else "not ended"
    holder = lock.holder(path)
    return (RUNNING, f"{note}, by {holder}") if holder else (UNFINISHED, note)


def _epochs(path: Path, kind: str) -> int | None:
    return len(metrics.read(path)) if kind == RUN else None


def logged(path: Path) -> list[bytes]:
    """The lines that an unfinished sweep has for its trials."""
    try:
        return (path / store.RESULTS).read_bytes().splitlines()
    except OSError:
        return []


def _changed(path: Path) -> float:
    """When a run was last written, by its files that are written last."""
    times = [(path / name).stat().st_mtime for name in (SUMMARY, METRICS, CONFIG) if (path / name).exists()]
    return times[0] if times else path.stat().st_mtime


def differing(trees: Sequence[Mapping[str, Any]]) -> list[str]:
    """The dotted keys whose values differ among configs, in the order of a file.

    A key that is not there is a value: the same as "", which is what keys have that were not given.
    """
    all_keys = list(dict.fromkeys(key for tree in trees for key in tree))
    return [key for key in all_keys if len({comparable(tree.get(key, "")) for tree in trees}) > 1]


def value_of(config: Mapping[str, Any], key: str) -> str:
    """The value of a key in words; a file as a person would type it from here, and a dash for what is not given."""
    text = label(config.get(key)) or ABSENT
    return short_path(Path(text)) if Path(text).is_absolute() else text
