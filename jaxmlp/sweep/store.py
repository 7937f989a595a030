"""The directory of a sweep: what is written when, and how it is read back.

config.toml          the sweep, resolved
environment.json     versions, devices, where the data came from
groups.json          what is compiled, and how trials are packed: kept, so that resuming packs alike
results.jsonl        a line a trial, as they finish; sorted at the end, and beside it results.csv
curves.jsonl         the epochs of each trial, as they finish
checkpoints/K-of-N/  the state of the trials of process K
best/                the run directory of the best trial
plots/, sweep.html   pictures, and a page
summary.json         how it ended
"""

import contextlib
import csv
import io
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.errors import RunError, UsageError
from jaxmlp.grid.groups import Best, GridSnapshot
from jaxmlp.grid.results import COLUMNS, TrialResult
from jaxmlp.grid.snapshots import Snapshot, merged
from jaxmlp.runs import checkpoints, directory, files
from jaxmlp.runs.directory import CHECKPOINTS, CONFIG, ENVIRONMENT, PLOTS, SUMMARY, RunKind, finite, read_json
from jaxmlp.spec import Hyper, Spec
from jaxmlp.sweep import config
from jaxmlp.sweep.config import Sweep
from jaxmlp.text import typed
from jaxmlp.training import loop
from jaxmlp.training.loop import TrainState

RESULTS, TABLE, CURVES, GROUPS, BEST, PAGE = (
    *("results.jsonl", "results.csv", "curves.jsonl", "groups.json", "best", "sweep.html"),
)
SWEEP = RunKind(
    "a sweep of jaxmlp sweep",
    table="grid",
    tables=directory.RUN.tables | set(config.TABLES),
    patterns=(
        *(CONFIG, ENVIRONMENT, SUMMARY, RESULTS, TABLE, CURVES, GROUPS, PAGE, PLOTS, f"{PLOTS}/*.png", CHECKPOINTS),
        *(f"{CHECKPOINTS}/*-of-*", f"{CHECKPOINTS}/*-of-*/epoch-*.safetensors"),
        *(BEST, *(f"{BEST}/{pattern}" for pattern in directory.RUN.patterns)),
    ),
)
_PART = re.compile(r"(\d+)-of-(\d+)")


Curve = dict[str, list[float | None]]


class Saved(NamedTuple):
    """A sweep after a call, as one process saves it."""

    call: int  # calls made
    grid: GridSnapshot
    lines: int  # of the results that had been written
    totals: dict[str, float]  # of the work done: epochs, seconds


def check_new(path: Path, *, overwrite: bool) -> list[Path]:
    """What is to be removed before a sweep can begin. Raises UsageError as `directory.check_new` does."""
    return directory.check_new(path, SWEEP, overwrite=overwrite)


def create(path: Path, sweep: Sweep, *, overwrite: bool) -> None:
    """Make `path` ready for a new sweep, after `check_new`: empty but for config.toml."""
    directory.empty(path, check_new(path, overwrite=overwrite))
    files.write_atomically(path / CONFIG, config.write(sweep))


def reopen(path: Path) -> Sweep:
    """The sweep that was begun in `path`. Raises UsageError if there is none."""
    if not (path / CONFIG).is_file():
        raise UsageError(f"{path} holds no sweep to resume ({CONFIG} is missing); leave out --resume to begin one")
    experiment, keys, tables = config.read(path / CONFIG)
    if not tables:
        raise UsageError(f"{path} holds a single run, not a sweep: resume it with {typed('train')}")
    return config.sweep_of(experiment, keys, tables)


def ended(path: Path) -> dict[str, Any] | None:
    """The summary of a sweep that has ended."""
    return read_json(path / SUMMARY)


def append(path: Path, rows: Sequence[Mapping[str, Any]], curves: Sequence[Mapping[str, Any]]) -> None:
    """Add the lines of trials that have finished."""
    for name, lines in ((RESULTS, rows), (CURVES, curves)):
        if lines:
            files.append_lines(path / name, [json.dumps(finite(dict(line)), allow_nan=False) for line in lines])


def cut(path: Path, lines: int) -> list[dict[str, Any]]:
    """Cut results and curves back to their first lines, and return the results. RunError if there are fewer."""
    kept = []
    for name in (RESULTS, CURVES):
        kept = list(directory.whole_lines(path / name))[:lines]
        if len(kept) < lines:
            raise RunError(
                f"{path / name} has {len(kept)} whole lines, the checkpoint {lines} trials; the file was changed or"
                " damaged: begin the sweep anew with --overwrite"
            )
        files.write_atomically(path / name, "".join(json.dumps(line, allow_nan=False) + "\n" for line in kept))
    return [json.loads(line) for line in (path / RESULTS).read_text(encoding="utf-8").splitlines()]


def curves(path: Path) -> dict[int, Curve]:
    """The epochs of every trial, by its number."""
    return {line.pop("trial"): line for line in directory.whole_lines(path / CURVES)}


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """results.jsonl and results.csv: all the trials in their order, all columns that any of them has."""
    rows = sorted(rows, key=lambda row: row["trial"])
    files.write_atomically(
        path / RESULTS, "".join(json.dumps(finite(dict(row)), allow_nan=False) + "\n" for row in rows)
    )
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: json.dumps(value) if isinstance(value, list) else value for name, value in row.items()} for row in rows
    )
    files.write_atomically(path / TABLE, text.getvalue())


def save(path: Path, index: int, count: int, saved: Saved) -> None:
    """Write the part of process `index` of `count`. RunError if the disk refuses; what was there before still is."""
    groups, position, best = saved.grid
    tree = {
        "groups": {str(i): (group.states, group.histories) for i, group in enumerate(groups)},
        "best": None if best is None else (best.result.state, best.result.history),
    }
    facts: dict[str, Any] = {
        "groups": [group.facts for group in groups],
        "position": position,
        "best": None,
        "lines": saved.lines,
        "totals": saved.totals,
    }
    if best is not None:
        group, (trial, status, history, _) = best
        facts["best"] = {"group": group, "trial": trial, "status": status, "epochs": len(history)}
    for name in (RESULTS, CURVES) if index == 0 else ():  # the checkpoint counts on their lines
        files.flush(path / name)
    checkpoints.save(_part(path, index, count), saved.call, tree, {"sweep": json.dumps(facts)})


def restore(path: Path, specs: Sequence[Spec], index: int, count: int, trials: Sequence[Sequence[int]]) -> Saved | None:
    """What process `index` of `count` goes on from: the newest call that all parts have; None where there is none.

    `trials` are those of this process in each group. RunError where parts are there, but none is whole.
    """
    newest = _newest(path)
    if newest is None:
        return None
    call, parts = newest
    like = [_shapes(spec) for spec in specs]
    if parts == count:
        return _read(_part(path, index, count), call, like)
    saved = [_read(_part(path, part, parts), call, like) for part in range(parts)]
    groups = [merged([part.grid.groups[number] for part in saved], group) for number, group in enumerate(trials)]
    best = _better([part.grid.best for part in saved])
    return saved[0]._replace(grid=GridSnapshot(groups, saved[0].grid.position, best))


def best_of(path: Path, specs: Sequence[Spec], call: int, count: int) -> Best | None:
    """The best trial of all processes, as they saved it at a call."""
    like = [_shapes(spec) for spec in specs]
    return _better([_read(_part(path, index, count), call, like).grid.best for index in range(count)])


def _better(candidates: Sequence[Best | None]) -> Best | None:
    return min((best for best in candidates if best is not None), key=lambda best: best.result.rank, default=None)


def remove_others(path: Path, count: int) -> None:
    """Delete the parts of an earlier number of processes, once those of this one are written."""
    for part in _parts(path):
        if part[1] != count:
            with contextlib.suppress(OSError):
                shutil.rmtree(_part(path, *part))


def _part(path: Path, index: int, count: int) -> Path:
    return path / CHECKPOINTS / f"{index}-of-{count}"


def _parts(path: Path) -> list[tuple[int, int]]:
    try:
        names = [_PART.fullmatch(item.name) for item in (path / CHECKPOINTS).iterdir()]
    except FileNotFoundError:
        return []
    return [(int(name[1]), int(name[2])) for name in names if name]


def _newest(path: Path) -> tuple[int, int] | None:
    """The newest call that all processes of some number have saved, and that number."""
    parts = _parts(path)
    complete = []
    for count in {count for _, count in parts}:
        calls = [set(checkpoints.whole(_part(path, index, count))) for index in range(count)]
        complete += [(call, count) for call in set.intersection(*calls)]
    if complete:
        return max(complete)
    if any(list(_part(path, *part).glob("epoch-*")) for part in parts):
        raise RunError(f"no checkpoint in {path / CHECKPOINTS} is whole for all processes; begin anew with --overwrite")
    return None


def _read(part: Path, call: int, like: Sequence[TrainState]) -> Saved:
    def shapes(metadata: dict[str, str]) -> dict[str, Any]:
        facts = json.loads(metadata["sweep"])
        groups = {}
        for i, (group, state) in enumerate(zip(facts["groups"], like, strict=True)):
            trials = len(group["trials"])
            groups[str(i)] = (_many(state, trials) if trials else None, _history(sum(group["epochs"])))
        best = facts["best"]
        return {"groups": groups, "best": best and (like[best["group"]], _history(best["epochs"]))}

    checkpoint = checkpoints.restore(part, shapes, call)
    if checkpoint is None:
        raise RunError(f"{part} holds no checkpoint of call {call}: another process is writing there; try again")
    facts, best = json.loads(checkpoint.metadata["sweep"]), None
    arrays = checkpoint.tree["groups"]
    groups = [Snapshot(*arrays[str(i)], facts=group) for i, group in enumerate(facts["groups"])]
    if facts["best"] is not None:
        state, history = checkpoint.tree["best"]
        best = Best(
            facts["best"]["group"], TrialResult(facts["best"]["trial"], facts["best"]["status"], history, state)
        )
    return Saved(call, GridSnapshot(groups, facts["position"], best), facts["lines"], facts["totals"])


def _history(epochs: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((epochs, len(COLUMNS)), np.float64)


def _shapes(spec: Spec) -> TrainState:
    return jax.eval_shape(lambda hyper, key: loop.begin(spec, hyper, key), Hyper(), jax.random.key(0))


def _many(state: TrainState, count: int) -> TrainState:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape), leaf.dtype), state)
