"""The report: every experiment over many seeds, kept one by one so that an interrupted report goes on, then summed up."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.grid.fit_grid import fit_trials
from jaxmlp.grid.results import SPARSE
from jaxmlp.runs import checkpoints, config, directory, files
from jaxmlp.runs.config import AnyExperiment, Experiment
from jaxmlp.runs.runner import Loaded, measured, read_data, spec_of
from jaxmlp.statistics import SeedStatistics
from jaxmlp.training.fitting import Fit


class Listener:
    """Who is told how the report goes; this one ignores it."""

    def begins(self, name: str, done: int, of: int) -> None:
        """Experiment `name` begins, after `done` of so many."""

    def epochs(self, running: int, epochs: int) -> None:
        """So many trials are running, and so many epochs of trials are done."""


class Part(NamedTuple):
    """A part of the report: its name, and how it is computed where it has not been kept."""

    name: str
    settings: dict[str, Any]  # what it depends on: another setting is computed anew
    compute: Callable[[], dict[str, Any]]


def read_experiment(name: str, data_name: str | None) -> Experiment:
    """The experiment of configs/report/NAME.toml, on other data if a name is given."""
    experiment, _ = config.read(Path("configs/report") / f"{name}.toml")
    if data_name is not None:
        experiment = replace(experiment, data=replace(experiment.data, name=data_name))
    return experiment


def compute(parts: Sequence[Part], out: Path, callbacks: Listener) -> dict[str, dict[str, Any]]:
    """All parts by name: kept ones of the same settings are read, the others computed and kept at once."""
    kept = out / "parts"
    files.make_directory(kept)
    results = {}
    for number, part in enumerate(parts):
        path = kept / f"{part.name}.json"
        found = directory.read_json(path)
        if found is None or found["settings"] != json.loads(json.dumps(part.settings)):
            callbacks.begins(part.name, number, len(parts))
            started = time.perf_counter()
            result = part.compute()
            found = {"settings": part.settings, "seconds": time.perf_counter() - started, "result": result}
            directory.write_json(path, found)
            found = directory.read_json(path) or {}
        results[part.name] = found["result"] | {"seconds": found["seconds"]}
    callbacks.begins("", len(parts), len(parts))
    return results


@lru_cache(maxsize=2)
def data_of(data: Any) -> Loaded:
    """The data of an experiment; the last two sets stay in memory."""
    return read_data(Experiment(data=data))


def trained(name: str, experiment: Experiment, seeds: int, out: Path, callbacks: Listener) -> Part:
    """An experiment trained over seeds experiment.seed, + 1, ... as one program."""
    settings = settings_of(experiment, seeds)

    def run() -> dict[str, Any]:
        result, first = train(experiment, seeds, callbacks)
        checkpoints.save_tensors(out / "parts" / f"{name}.safetensors", {"w": first}, {})
        return result

    return Part(name, settings, run)


def train(experiment: Experiment, seeds: int, callbacks: Listener) -> tuple[dict[str, Any], np.ndarray]:
    """The results of all seeds, and the first-layer weights [D, H] of the first."""
    data = data_of(experiment.data)
    spec = spec_of(experiment, data.splits, data.preparation)
    numbers = range(experiment.seed, experiment.seed + seeds)
    fits = fit_trials(spec, [experiment.hyper] * seeds, numbers, data.splits, on_call=callbacks.epochs)
    result = {
        "sizes": list(spec.sizes),
        "rows": [len(part.x) for part in data.splits],
        "image_shape": list(data.preparation.image_shape),
        "origin": data.origin,
        "compile_seconds": fits[0].compile_seconds,
        "runs": [_run(seed, fit) for seed, fit in zip(numbers, fits, strict=True)],
    }
    return result, np.asarray(jax.device_get(fits[0].params[0].w))


def _run(seed: int, fit: Fit) -> dict[str, Any]:
    """One seed: how it ended, and its curves."""
    weights = np.asarray(jax.device_get(fit.params[0].w))
    return {
        "seed": seed,
        "epochs_run": len(fit.epochs),
        "best_epoch": fit.best_epoch,
        "stop_reason": fit.stop_reason,
        "validation": measured(fit.validation),
        "test": measured(fit.test),
        "sparsity": float(np.mean(np.abs(weights) < SPARSE)),
        "curves": {
            f"{split}_{what}": [getattr(getattr(row, split), what) for row in fit.epochs]
            for split in ("train", "validation")
            for what in ("loss", "accuracy")
        },
    }


def spread_of(runs: Sequence[dict[str, Any]], *keys: str) -> dict[str, float]:
    """The spread of a number over the runs; None (not finite) counts as NaN."""
    values = []
    for run in runs:
        found: Any = run
        for key in keys:
            found = found[key]
        values.append(float("nan") if found is None else found)
    return SeedStatistics.of(values)._asdict()


def summarise(result: dict[str, Any]) -> dict[str, Any]:
    """The spread of each number of an experiment over its seeds: mean std min max."""
    runs = result["runs"]
    return {
        "seeds": len(runs),
        "test_accuracy": spread_of(runs, "test", "accuracy"),
        "test_loss": spread_of(runs, "test", "loss"),
        "stopped_epoch": spread_of(runs, "epochs_run"),
        "best_epoch": spread_of(runs, "best_epoch"),
        "validation_accuracy": spread_of(runs, "validation", "accuracy"),
        "validation_loss": spread_of(runs, "validation", "loss"),
        "sparsity": spread_of(runs, "sparsity"),
        "test_correct": [run["test"]["correct"] for run in runs],
        "test_count": runs[0]["test"]["count"],
        "stop_reasons": sorted({run["stop_reason"] for run in runs}),
    }


def settings_of(experiment: AnyExperiment, seeds: int) -> dict[str, Any]:
    """What the result of an experiment depends on."""
    return {"experiment": config.tree(experiment), "seeds": seeds, "data": data_of(experiment.data).crc32}
