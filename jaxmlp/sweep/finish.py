"""What a sweep writes once all trials have finished: table, run directory of the best trial, pictures, page, summary."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp import files, plots
from jaxmlp.errors import RunError
from jaxmlp.grid.journal import Best
from jaxmlp.grid.results import TrialResult, epochs_of
from jaxmlp.run import card, config, directory, environment, metrics, pictures, runner
from jaxmlp.run import page as run_page
from jaxmlp.run.directory import CONFIG, ENVIRONMENT, PLOTS, SUMMARY
from jaxmlp.run.identity import Identity
from jaxmlp.run.sealed import read_json, write_json
from jaxmlp.statistics import accuracy_interval
from jaxmlp.sweep import logs, page, store
from jaxmlp.sweep.config import Sweep
from jaxmlp.sweep.groups import SweepGroup
from jaxmlp.sweep.store import BEST
from jaxmlp.sweep.trials import SweepTrial
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.precision import precision


class Work(NamedTuple):
    """What a sweep took, over all sessions; compiling and the total are of this one."""

    compiles: int
    epochs: int  # of trials, all together
    seconds: float  # in compiled programs, of all workers side by side
    compile_seconds: float
    total_seconds: float
    workers: int
    peak_bytes: int  # of memory, of this process


def finish(
    path: Path,
    sweep: Sweep,
    groups: Sequence[SweepGroup],
    rows: list[dict[str, Any]],
    best: Best | None,
    work: Work,
    run: Identity,
    callbacks: Callbacks,
) -> dict[str, Any]:
    """Write all results, the summary last, then pictures and page; returns the summary.

    Raises RunError where the table does not hold each trial once.
    """
    _check_complete(path, rows, len(sweep.trials))
    store.write_table(path, rows, run)
    for name in (store.RESULTS, store.CURVES):
        files.flush(path / name)
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
        "workers": work.workers,
        "peak_bytes": work.peak_bytes,
        "best": None,
    }
    if sweep.prune is not None:
        summary["pruning"] = saving(rows)
    if best is not None:
        number = best.result.trial
        row = next(row for row in rows if row["trial"] == number)
        test = write_best(path / BEST, sweep.trials[number], groups[best.group], best.result, callbacks)["test"]
        if "correct" in test:
            test = test | {"interval_95": list(accuracy_interval(test["correct"], test["count"]))}
        summary["best"] = row | {"test": test, "directory": BEST}
    write_json(path / SUMMARY, summary, run)
    files.make_directory(path / PLOTS)
    axes, drawn = [axis.key for axis in sweep.axes], []
    best_trial = None if best is None else best.result.trial
    drawings = plots.sweep_pictures(rows, axes, curves, best_trial, sweep.prune is not None)
    for name, picture in drawings.items():
        with pictures.drawing(path / PLOTS / f"{name}.png", callbacks):
            picture().save(path / PLOTS / f"{name}.png")
            drawn.append(f"{name}.png")
    with pictures.drawing(path / store.PAGE, callbacks):
        page.write(path, summary, rows, axes, drawn, lambda trial: config.write(sweep.trials[trial].experiment))
    return summary


def _check_complete(path: Path, rows: Sequence[dict[str, Any]], trials: int) -> None:
    numbers = sorted(row["trial"] for row in rows)
    if numbers != list(range(trials)):
        absent = sorted(set(range(trials)) - set(numbers))
        wrong = f"lacks trial {absent[0]}" if absent else "holds a trial more than once"
        raise RunError(f"{path / store.RESULTS} {wrong}: the sweep is not finished; begin it anew with --overwrite")


def missing(path: Path, summary: dict[str, Any]) -> str | None:
    """What a sweep that has ended lacks, or has damaged; None where all is there."""
    for name in (ENVIRONMENT, store.RESULTS, store.CURVES, store.TABLE, store.PAGE, PLOTS):
        if not (path / name).exists():
            return f"{path / name} is missing"
    run = directory.identity_of(path)
    log, curves = (logs.read(path / name, run) for name in (store.RESULTS, store.CURVES))
    for name, read in ((store.RESULTS, log), (store.CURVES, curves)):
        if read.damaged or sorted(trial for trial, _ in read.lines) != list(range(summary["trials"])):
            return f"{path / name} is damaged"
    if files.read_bytes(path / store.TABLE).decode(errors="replace") != store.table_text(log.rows()):
        return f"{path / store.TABLE} is damaged"
    if summary["best"] is None:
        return None
    if not (path / BEST / CONFIG).exists():
        return f"{path / BEST / CONFIG} is missing"
    of_best = read_json(path / BEST / SUMMARY)
    return f"{path / BEST / SUMMARY} is missing" if of_best is None else runner.missing(path / BEST, of_best)


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
    run = directory.experiment_identity(trial.experiment, data.crc32)
    environment.write(path, environment.of_run(trial.experiment, run, data.origin))
    epochs = epochs_of(result.history, group.spec, data.splits)
    metrics.append(path, *epochs)
    runner.save(path, result.state, epochs, run)
    hyper, splits = trial.experiment.hyper, data.splits
    with precision(group.spec.training):
        state = jax.device_put(result.state)
        trained, summary = runner.write_model(group.spec, hyper, path, state, epochs, splits, data.preparation, run)
    summary["stop_reason"] = result.status
    write_json(path / SUMMARY, summary, run)
    card.write(path, trial.experiment, data.origin, splits, trained, summary)
    run_page.show(path, trained, epochs, summary, splits, callbacks)
    return summary
