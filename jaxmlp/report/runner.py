"""Parts of the report, kept as they are computed, so that an interrupted report resumes; and an experiment over seeds."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp import files, tensors
from jaxmlp.grid.fit_grid import fit_trials
from jaxmlp.grid.results import SPARSE
from jaxmlp.run import config, sealed
from jaxmlp.run.config import AnyExperiment, Experiment
from jaxmlp.run.runner import Loaded, read_data, spec_of
from jaxmlp.statistics import SeedStatistics
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.result import Fit


class ReportCallbacks(Callbacks):
    """Callbacks of a report: which of its parts is computed, beside the events of the training in it."""

    def on_part_begin(self, name: str, done: int, parts: int) -> None:
        """Part `name` begins, after `done` of so many; the name is empty when all are done."""


class Part(NamedTuple):
    """A part of the report: its name, and the function that computes it where no result is kept."""

    name: str
    settings: dict[str, Any]  # all it depends on: with other settings it is computed anew
    compute: Callable[[], dict[str, Any]]


def read_experiment(name: str, data_name: str | None) -> Experiment:
    """The experiment of configs/report/NAME.toml, on other data if a name is given."""
    experiment, _ = config.read(Path("configs/report") / f"{name}.toml")
    if data_name is not None:
        experiment = replace(experiment, data=replace(experiment.data, name=data_name))
    return experiment


def compute(parts: Sequence[Part], out: Path, callbacks: ReportCallbacks) -> dict[str, dict[str, Any]]:
    """The results of all parts by name: those in `out` with the same settings are read, the others computed and kept."""
    folder = out / "parts"
    files.make_directory(folder)
    kept = {part.name: content for part in parts if (content := _kept(part, folder)) is not None}
    for part in parts:
        if part.name not in kept:
            callbacks.on_part_begin(part.name, len(kept), len(parts))
            started = time.perf_counter()
            result = part.compute()
            seconds = time.perf_counter() - started
            path = folder / f"{part.name}.json"
            sealed.write_json(path, {"settings": part.settings, "seconds": seconds, "result": result})
            kept[part.name] = sealed.read_json(path) or {}
    callbacks.on_part_begin("", len(parts), len(parts))
    return {part.name: kept[part.name]["result"] | {"seconds": kept[part.name]["seconds"]} for part in parts}


def _kept(part: Part, folder: Path) -> dict[str, Any] | None:
    """What `folder` holds of a part that was computed with the same settings."""
    content = sealed.read_json(folder / f"{part.name}.json")
    same = content is not None and content["settings"] == json.loads(json.dumps(part.settings))
    return content if same else None


@lru_cache(maxsize=2)
def data_of(data: Any) -> Loaded:
    """The data of an experiment; the last two sets stay in memory."""
    return read_data(Experiment(data=data))


def trained(name: str, experiment: Experiment, seeds: int, out: Path, callbacks: ReportCallbacks) -> Part:
    """An experiment trained over seeds experiment.seed, + 1, ... as one program."""
    settings = settings_of(experiment, seeds)

    def run() -> dict[str, Any]:
        result, first_weights = train(experiment, seeds, callbacks)
        tensors.save(out / "parts" / f"{name}.safetensors", {"w": first_weights}, {})
        return result

    return Part(name, settings, run)


def train(experiment: Experiment, seeds: int, callbacks: ReportCallbacks) -> tuple[dict[str, Any], np.ndarray]:
    """The results of all seeds, and the first-layer weights [D, H] of the first."""
    data = data_of(experiment.data)
    spec = spec_of(experiment, data.splits, data.preparation)
    every_seed = range(experiment.seed, experiment.seed + seeds)
    fits = fit_trials(spec, [experiment.hyper] * seeds, every_seed, data.splits, callbacks=callbacks)
    result = {
        "sizes": list(spec.sizes),
        "rows": [len(part.x) for part in data.splits],
        "input_shape": list(data.preparation.input_shape),
        "origin": data.origin,
        "compile_seconds": fits[0].compile_seconds,
        "runs": [_run(seed, fit) for seed, fit in zip(every_seed, fits, strict=True)],
    }
    return result, np.asarray(jax.device_get(fits[0].params[0].w))


def _run(seed: int, fit: Fit) -> dict[str, Any]:
    """The results of one seed: how training finished, and its curves."""
    weights = np.asarray(jax.device_get(fit.params[0].w))
    return {
        "seed": seed,
        "epochs_run": len(fit.epochs),
        "best_epoch": fit.best_epoch,
        "stop_reason": fit.stop_reason,
        "validation": fit.validation.to_json(),
        "test": fit.test.to_json(),
        "sparsity": float(np.mean(np.abs(weights) < SPARSE)),
        "curves": {
            f"{split}_{what}": [getattr(getattr(epoch, split), what) for epoch in fit.epochs]
            for split in ("train", "validation")
            for what in ("loss", "accuracy")
        },
    }


def statistics_of(runs: Sequence[dict[str, Any]], *keys: str) -> dict[str, float]:
    """Mean, standard deviation, least and most of one number over the runs; None (not finite) counts as NaN."""
    values: list[Any] = [reduce(dict.__getitem__, keys, run) for run in runs]
    return SeedStatistics.of([math.nan if value is None else value for value in values])._asdict()


def summarise(result: dict[str, Any]) -> dict[str, Any]:
    """Mean, standard deviation, least and most of each number of an experiment, over its seeds."""
    runs = result["runs"]
    return {
        "seeds": len(runs),
        "test_accuracy": statistics_of(runs, "test", "accuracy"),
        "test_loss": statistics_of(runs, "test", "loss"),
        "stopped_epoch": statistics_of(runs, "epochs_run"),
        "best_epoch": statistics_of(runs, "best_epoch"),
        "validation_accuracy": statistics_of(runs, "validation", "accuracy"),
        "validation_loss": statistics_of(runs, "validation", "loss"),
        "sparsity": statistics_of(runs, "sparsity"),
        "test_correct": [run["test"]["correct"] for run in runs],
        "test_count": runs[0]["test"]["count"],
        "stop_reasons": sorted({run["stop_reason"] for run in runs}),
    }


def settings_of(experiment: AnyExperiment, seeds: int) -> dict[str, Any]:
    """What the result of an experiment depends on."""
    return {"experiment": config.tree(experiment), "seeds": seeds, "data": data_of(experiment.data).crc32}
