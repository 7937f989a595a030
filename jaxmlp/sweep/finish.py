"""The end of a sweep: the table, the run directory of the best trial, the pictures, the page, and the summary."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.grid.fit_grid import epochs_of
from jaxmlp.grid.histories import COLUMNS
from jaxmlp.plots import sweep as sweep_plots
from jaxmlp.runs import checkpoints, directory, files, runner
from jaxmlp.runs.directory import CHECKPOINTS, PLOTS, SUMMARY, append_metrics, write_json
from jaxmlp.statistics import accuracy_interval
from jaxmlp.sweep import page, store
from jaxmlp.sweep.config import Sweep
from jaxmlp.sweep.groups import SweepGroup
from jaxmlp.sweep.recorder import Best
from jaxmlp.sweep.store import BEST, Curve
from jaxmlp.sweep.trials import SweepTrial
from jaxmlp.training.callbacks import Callbacks


class Work(NamedTuple):
    """What a sweep took, over all processes and sessions, but for compiling and total: those are of the last session."""

    compiles: int  # shapes of this process
    epochs: int  # of trials, all together
    seconds: float  # in the compiled program
    compile_seconds: float
    total_seconds: float
    processes: int
    peak_bytes: int  # of memory, of this process


def finish(
    path: Path,
    sweep: Sweep,
    every: Sequence[SweepTrial],
    groups: Sequence[SweepGroup],
    rows: list[dict[str, Any]],
    best: Best | None,
    work: Work,
    callbacks: Callbacks,
) -> dict[str, Any]:
    """Write all that a sweep leaves but its summary, which is returned."""
    store.write_table(path, rows)
    curves = store.curves(path)
    statuses = [row["status"] for row in rows]
    summary: dict[str, Any] = {
        "trials": len(every),
        "groups": len(groups),
        "compiles": work.compiles,
        "seconds": {"total": work.total_seconds, "train": work.seconds, "compile": work.compile_seconds},
        "trial_epochs": work.epochs,
        "trial_epochs_per_second": work.epochs / work.seconds if work.seconds else None,
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "processes": work.processes,
        "peak_bytes": work.peak_bytes,
        "best": None,
    }
    if sweep.prune is not None:
        summary["pruning"] = saving(rows)
    if best is not None:
        row = next(row for row in rows if row["trial"] == best.trial)
        trial, group = every[best.trial], groups[best.group]
        test = leave_best(path / BEST, trial, row["status"], group, best, curves[best.trial], callbacks)["test"]
        low, high = accuracy_interval(test["correct"], test["count"])
        summary["best"] = row | {"test": test | {"interval_95": [low, high]}, "directory": BEST}
    files.make_directory(path / PLOTS)
    axes = [axis.key for axis in sweep.axes]
    pictures = sweep_plots.draw(
        path / PLOTS, rows, axes, curves, None if best is None else best.trial, sweep.prune is not None
    )
    page.write(path, summary, rows, axes, pictures)
    return summary


def saving(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What pruning spared: a pruned trial would have run as many epochs as the others did on the average."""
    whole = [row["epochs_run"] for row in rows if row["status"] != "pruned"]
    pruned = [row["epochs_run"] for row in rows if row["status"] == "pruned"]
    spent, without = sum(whole) + sum(pruned), float(np.mean(whole)) * len(rows)
    return {
        "pruned": len(pruned),
        "trial_epochs": spent,
        "trial_epochs_without": without,
        "saved": 1 - spent / without,
    }


def leave_best(
    path: Path, trial: SweepTrial, status: str, group: SweepGroup, best: Best, curve: Curve, callbacks: Callbacks
) -> dict[str, Any]:
    """The run directory of a trial, as `train` would have left it: it can be predicted with, and resumed. Its summary.

    One that was pruned was stopped from without: resumed, it goes on.
    """
    data = group.data()
    directory.create(path, trial.experiment, overwrite=True)
    runner.record_environment(trial.experiment, path, data, callbacks)
    epochs = epochs_of(group.spec, data.splits, history_of(curve))
    append_metrics(path, *epochs)
    state = jax.device_put(best.state)
    checkpoints.save(path / CHECKPOINTS, int(best.state.epoch), best.state, {})
    summary = runner.finish(group.spec, path, state, epochs, jax.device_put(data.splits), data.preparation)
    seconds = sum(epoch.seconds for epoch in epochs)
    summary["stop_reason"] = status
    summary |= {"seconds": {"compile": 0.0, "train": seconds, "total": seconds}}
    summary["examples_per_second"] = len(data.splits.train.x) * len(epochs) / seconds
    write_json(path / SUMMARY, summary)
    return summary


def history_of(curve: Curve) -> np.ndarray:
    """The history that a line of curves.jsonl was made from; what was not finite is NaN."""
    columns = [[np.nan if value is None else value for value in curve[name]] for name in COLUMNS]
    return np.array(columns, float).T.reshape(-1, len(COLUMNS))
