"""The report: every experiment over many seeds, kept one by one so that an interrupted report goes on, then summed up."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.errors import UsageError, nearest
from jaxmlp.runs import checkpoints, config, directory, files
from jaxmlp.runs.config import Experiment
from jaxmlp.runs.published import EXPERIMENTS
from jaxmlp.runs.running import Loaded, measured, read_data, spec_of
from jaxmlp.training.fitting import Fit
from jaxmlp.training.members import fit_members

SPARSE = 1e-3  # a weight of smaller magnitude counts as none


class Listener:
    """Who is told how the report goes; this one ignores it."""

    def begins(self, name: str, done: int, of: int) -> None:
        """Experiment `name` begins, after `done` of so many."""

    def epochs(self, running: int, epochs: int) -> None:
        """So many members are running, and so many epochs of members are done."""


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


def chosen(only: Sequence[str], known: Iterable[str]) -> list[str]:
    """The names that are asked for, all of them by default. Raises UsageError for one that is not known."""
    known = list(known)
    for name in only:
        if name not in known:
            raise UsageError(f"--only {name!r} is no part of the report; {nearest(name, known)}")
    return [name for name in known if not only or name in only]


def compute(parts: Sequence[Part], out: Path, listener: Listener) -> dict[str, dict[str, Any]]:
    """All parts by name: kept ones of the same settings are read, the others computed and kept at once."""
    kept = out / "parts"
    files.make_directory(kept)
    results = {}
    for number, part in enumerate(parts):
        path = kept / f"{part.name}.json"
        found = directory.read_json(path)
        if found is None or found["settings"] != json.loads(json.dumps(part.settings)):
            listener.begins(part.name, number, len(parts))
            started = time.perf_counter()
            result = part.compute()
            found = {"settings": part.settings, "seconds": time.perf_counter() - started, "result": result}
            directory.write_json(path, found)
            found = directory.read_json(path) or {}
        results[part.name] = found["result"] | {"seconds": found["seconds"]}
    listener.begins("", len(parts), len(parts))
    return results


@lru_cache(maxsize=2)
def _read_data(data: Any) -> Loaded:
    return read_data(Experiment(data=data))


def trained(name: str, experiment: Experiment, seeds: int, out: Path, listener: Listener) -> Part:
    """An experiment trained over seeds experiment.seed, + 1, ... as one program."""
    settings = {"experiment": config.tree(experiment), "seeds": seeds, "data": _read_data(experiment.data).crc32}

    def run() -> dict[str, Any]:
        data = _read_data(experiment.data)
        spec = spec_of(experiment, data.splits, data.preparation)
        numbers = range(experiment.seed, experiment.seed + seeds)
        fits = fit_members(spec, [experiment.hyper] * seeds, numbers, data.splits, on_epoch=listener.epochs)
        first = np.asarray(jax.device_get(fits[0].params[0].w))
        checkpoints.save_tensors(out / "parts" / f"{name}.safetensors", {"w": first}, {})
        return {
            "sizes": list(spec.sizes),
            "rows": [len(part.x) for part in data.splits],
            "image_shape": list(data.preparation.image_shape),
            "origin": data.origin,
            "compile_seconds": fits[0].compile_seconds,
            "runs": [_run(seed, fit) for seed, fit in zip(numbers, fits, strict=True)],
        }

    return Part(name, settings, run)


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


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, standard deviation (of a sample: n - 1), minimum and maximum."""
    array = np.asarray(values, float)
    return {
        "mean": float(array.mean()),
        "deviation": float(array.std(ddof=1)) if len(array) > 1 else 0.0,
        "minimum": float(array.min()),
        "maximum": float(array.max()),
    }


def summarise(result: dict[str, Any]) -> dict[str, Any]:
    """The spread of each number of an experiment over its seeds."""
    runs = result["runs"]
    return {
        "seeds": len(runs),
        "test_accuracy": spread([run["test"]["accuracy"] for run in runs]),
        "test_correct": [run["test"]["correct"] for run in runs],
        "test_count": runs[0]["test"]["count"],
        "test_loss": spread([run["test"]["loss"] for run in runs]),
        "validation_accuracy": spread([run["validation"]["accuracy"] for run in runs]),
        "validation_loss": spread([run["validation"]["loss"] for run in runs]),
        "epochs_run": spread([run["epochs_run"] for run in runs]),
        "best_epoch": spread([run["best_epoch"] for run in runs]),
        "sparsity": spread([run["sparsity"] for run in runs]),
        "stop_reasons": sorted({run["stop_reason"] for run in runs}),
    }


def experiments(only: Sequence[str], seeds: int, data_name: str | None, out: Path, listener: Listener) -> list[Part]:
    """The trained experiments of the report that are asked for."""
    return [
        trained(name, read_experiment(name, data_name), seeds, out, listener) for name in EXPERIMENTS if name in only
    ]
