"""The directory of a sweep: what is written when, and how it is read back.

config.toml          the sweep, resolved, with the options it is run with
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
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.errors import RunError, UsageError
from jaxmlp.grid.groups import Best, GridSnapshot
from jaxmlp.grid.results import COLUMNS, TrialResult
from jaxmlp.grid.snapshots import Snapshot, merged
from jaxmlp.runs import checkpoints, directory, files, lock
from jaxmlp.runs.directory import CHECKPOINTS, CONFIG, ENVIRONMENT, PLOTS, SUMMARY, RunKind
from jaxmlp.runs.identity import Identity
from jaxmlp.runs.sealed import read_json
from jaxmlp.spec import Hyper, Spec
from jaxmlp.sweep import config, logs
from jaxmlp.sweep.config import Sweep
from jaxmlp.sweep.options import MODES, Options
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
        *lock.FILES,
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
    skipped: tuple[str, ...] = ()  # a line for each checkpoint that was passed over


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


def append(path: Path, rows: Sequence[Mapping[str, Any]], curves: Sequence[Mapping[str, Any]], run: Identity) -> None:
    """Add the lines of trials that have finished."""
    for name, lines in ((RESULTS, rows), (CURVES, curves)):
        if lines:
            files.append_lines(path / name, [logs.line(row, run) for row in lines])


def recover(path: Path, finished: Collection[int], run: Identity) -> tuple[list[dict[str, Any]], list[int], list[int]]:
    """Cut results and curves back to the trials that had finished at a checkpoint.

    Returns the rows of the results, and the numbers of the trials whose row, or else curve, is lost or damaged.
    """
    kept: dict[str, dict[int, bytes]] = {}
    for name in (RESULTS, CURVES):
        log, kept[name] = logs.read(path / name, run), {}
        for trial, text in log.lines:
            if trial in finished:
                kept[name].setdefault(trial, text)
        if log.damaged or len(kept[name]) != len(log.lines) or not (path / name).exists():
            _write_lines(path / name, kept[name].values())
    lost, without_curve = (sorted(set(finished) - kept[name].keys()) for name in (RESULTS, CURVES))
    if lost:  # they are trained again, and leave another curve
        _write_lines(path / CURVES, [text for trial, text in kept[CURVES].items() if trial not in set(lost)])
    rows = logs.Log(list(kept[RESULTS].items()), []).rows()
    return rows, lost, sorted(set(without_curve) - set(lost))


def _write_lines(path: Path, lines: Iterable[bytes]) -> None:
    files.write_atomically(path, b"".join(text + b"\n" for text in lines))


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


def save(path: Path, index: int, count: int, saved: Saved, run: Identity) -> None:
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
    metadata = {"sweep": json.dumps(facts), "identity": run.to_json()}
    checkpoints.save(_part(path, index, count), saved.call, tree, metadata)


def restore(
    path: Path,
    specs: Sequence[Spec],
    index: int,
    count: int,
    trials: Sequence[Sequence[int]],
    refuse: checkpoints.Refuse,
) -> Saved | None:
    """What process `index` of `count` goes on from: the newest call that all parts have; None where there is none.

    `trials` are those of this process in each group; checkpoints that `refuse` gives a reason against are passed over.
    RunError where parts are there, but none can be used.
    """
    newest = _newest(path, refuse)
    if newest is None:
        return None
    call, parts, skipped = newest
    like = [_shapes(spec) for spec in specs]
    if parts == count:
        return _read(_part(path, index, count), call, like)._replace(skipped=skipped)
    saved = [_read(_part(path, part, parts), call, like) for part in range(parts)]
    groups = [merged([part.grid.groups[number] for part in saved], group) for number, group in enumerate(trials)]
    best = _better([part.grid.best for part in saved])
    return saved[0]._replace(grid=GridSnapshot(groups, saved[0].grid.position, best), skipped=skipped)


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


def unusable(path: Path, refuse: checkpoints.Refuse) -> list[str]:
    """A line for each checkpoint that cannot be used, or that says that there is none."""
    usable = [checkpoints.whole(_part(path, *part), refuse) for part in sorted(_parts(path))]
    lines = [line for _, skipped in usable for line in skipped]
    return lines if any(calls for calls, _ in usable) else [*lines, f"{path} has no checkpoint that can be used"]


def _newest(path: Path, refuse: checkpoints.Refuse) -> tuple[int, int, tuple[str, ...]] | None:
    """The newest call that all processes of some number have saved, that number, and what was passed over."""
    complete, skipped = [], []
    for count in {count for _, count in _parts(path)}:
        usable = [checkpoints.whole(_part(path, index, count), refuse) for index in range(count)]
        complete += [(call, count) for call in set.intersection(*(set(calls) for calls, _ in usable))]
        skipped += [line for _, lines in usable for line in lines]
    if complete:
        return *max(complete), tuple(skipped)
    if skipped:
        raise RunError(
            f"no checkpoint can be used; bring a copy back, or begin anew by --overwrite ({'; '.join(skipped)})"
        )
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
