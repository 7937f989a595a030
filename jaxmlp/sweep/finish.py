"""What a sweep writes once all trials have finished: table, run directory of the best trial, pictures, page, summary."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp import plots
from jaxmlp.grid.groups import Best
from jaxmlp.grid.results import TrialResult
from jaxmlp.runs import checkpoints, directory, files, runner
from jaxmlp.runs.directory import CHECKPOINTS, PLOTS, SUMMARY, append_metrics, write_json
from jaxmlp.statistics import accuracy_interval
from jaxmlp.sweep import page, store
from jaxmlp.sweep.config import Sweep
from jaxmlp.sweep.groups import SweepGroup
from jaxmlp.sweep.store import BEST
from jaxmlp.sweep.trials import SweepTrial
from jaxmlp.training.callbacks import Callbacks


class Work(NamedTuple):
    """What a sweep took, over all processes and sessions; compiling and the total are of this process and session."""

    compiles: int  # of this process
    epochs: int  # of trials, all together
    seconds: float  # in the compiled program
    compile_seconds: float
    total_seconds: float
    processes: int
    peak_bytes: int  # of memory, of this process


def finish(
    path: Path,
    sweep: Sweep,
    groups: Sequence[SweepGroup],
    rows: list[dict[str, Any]],
    best: Best | None,
    work: Work,
    callbacks: Callbacks,
) -> dict[str, Any]:
    """Write everything but the summary, which is returned."""
    store.write_table(path, rows)
    curves = store.curves(path)
    statuses = [row["status"] for row in rows]
    summary: dict[str, Any] = {
        "trials": len(sweep.trials),
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
        number = best.result.trial
        row = next(row for row in rows if row["trial"] == number)
        test = write_best(path / BEST, sweep.trials[number], groups[best.group], best.result, callbacks)["test"]
        low, high = accuracy_interval(test["correct"], test["count"])
        summary["best"] = row | {"test": test | {"interval_95": [low, high]}, "directory": BEST}
    files.make_directory(path / PLOTS)
    axes = [axis.key for axis in sweep.axes]
    best_trial = None if best is None else best.result.trial
    pictures = plots.draw_sweep(path / PLOTS, rows, axes, curves, best_trial, sweep.prune is not None)
    page.write(path, summary, rows, axes, pictures)
    return summary


def saving(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The epochs that pruning saved, if a pruned trial had run as many as the others did on average."""
    whole = [row["epochs_run"] for row in rows if row["status"] != "pruned"]
    pruned = [row["epochs_run"] for row in rows if row["status"] == "pruned"]
    spent, without = sum(whole) + sum(pruned), float(np.mean(whole)) * len(rows)
    return {
        "pruned": len(pruned),
        "trial_epochs": spent,
        "trial_epochs_without": without,
        "saved": 1 - spent / without,
    }


def write_best(
    path: Path, trial: SweepTrial, group: SweepGroup, result: TrialResult, callbacks: Callbacks
) -> dict[str, Any]:
    """Write the run directory of a trial, as `train` would have left it: it can be predicted with, and resumed.

    A trial that was pruned goes on when it is resumed. Returns the summary of the run.
    """
    data = group.data()
    directory.create(path, trial.experiment, overwrite=True)
    runner.record_environment(trial.experiment, path, data, callbacks)
    epochs = result.epochs(group.spec, data.splits)
    append_metrics(path, *epochs)
    state = jax.device_put(result.state)
    checkpoints.save(path / CHECKPOINTS, int(result.state.epoch), result.state, {})
    summary = runner.finish(group.spec, path, state, epochs, jax.device_put(data.splits), data.preparation)
    summary["stop_reason"] = result.status
    write_json(path / SUMMARY, summary)
    return summary
