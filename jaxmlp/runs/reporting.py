"""The report: every experiment over many seeds, kept one by one so that an interrupted report goes on, then summed up."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.errors import UsageError, nearest
from jaxmlp.runs import checkpoints, config, directory, files
from jaxmlp.runs.config import AnyExperiment, Experiment
from jaxmlp.runs.gradchecking import Options, as_tree, check_gradients
from jaxmlp.runs.online_running import PerceptronExperiment, compare_thresholds, learn
from jaxmlp.runs.online_running import spec_of as perceptron_spec
from jaxmlp.runs.online_running import summarise as summarise_online
from jaxmlp.runs.published import EXPERIMENTS
from jaxmlp.runs.running import Loaded, measured, read_data, spec_of
from jaxmlp.runs.spread import Spread
from jaxmlp.training.fitting import Fit
from jaxmlp.training.members import fit_members

SPARSE = 1e-3  # a weight of smaller magnitude counts as none
PERCEPTRONS = ("sigmoid", "tanh", "arctan", "identity")
THRESHOLDS = (0.03, 0.01, 1e-4, 3e-6)
LEAST_SEEDS = 20  # of the table over thresholds, where more than one seed is asked for
PARTS = (*EXPERIMENTS, "gradcheck", "perceptron_sigmoid", "thresholds", *(f"perceptron_{n}" for n in PERCEPTRONS[1:]))


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
    settings = _settings(experiment, seeds)

    def run() -> dict[str, Any]:
        result, first = _train(experiment, seeds, listener)
        checkpoints.save_tensors(out / "parts" / f"{name}.safetensors", {"w": first}, {})
        return result

    return Part(name, settings, run)


def _train(experiment: Experiment, seeds: int, listener: Listener) -> tuple[dict[str, Any], np.ndarray]:
    """The results of all seeds, and the first-layer weights [D, H] of the first."""
    data = _read_data(experiment.data)
    spec = spec_of(experiment, data.splits, data.preparation)
    numbers = range(experiment.seed, experiment.seed + seeds)
    fits = fit_members(spec, [experiment.hyper] * seeds, numbers, data.splits, on_epoch=listener.epochs)
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


def _of(runs: Sequence[dict[str, Any]], *keys: str) -> dict[str, float]:
    """The spread of a number over the runs; None (not finite) counts as NaN."""
    values = []
    for run in runs:
        found: Any = run
        for key in keys:
            found = found[key]
        values.append(float("nan") if found is None else found)
    return Spread.of(values)._asdict()


def summarise(result: dict[str, Any]) -> dict[str, Any]:
    """The spread of each number of an experiment over its seeds: mean std min max."""
    runs = result["runs"]
    return {
        "seeds": len(runs),
        "test_accuracy": _of(runs, "test", "accuracy"),
        "test_loss": _of(runs, "test", "loss"),
        "stopped_epoch": _of(runs, "epochs_run"),
        "best_epoch": _of(runs, "best_epoch"),
        "validation_accuracy": _of(runs, "validation", "accuracy"),
        "validation_loss": _of(runs, "validation", "loss"),
        "sparsity": _of(runs, "sparsity"),
        "test_correct": [run["test"]["correct"] for run in runs],
        "test_count": runs[0]["test"]["count"],
        "stop_reasons": sorted({run["stop_reason"] for run in runs}),
    }


def gradients(data_name: str | None) -> Part:
    """The gradient check of configs/report/gradcheck.toml: every weight, in float64; no epoch is timed."""
    experiment = read_experiment("gradcheck", data_name)
    settings = _settings(experiment, 1)
    options = Options(epochs=0)
    return Part("gradcheck", settings, lambda: as_tree(experiment, options, check_gradients(experiment, options)))


def parts(names: Sequence[str], seeds: int, data_name: str | None, out: Path, listener: Listener) -> list[Part]:
    """The parts of these names (of PARTS and READINGS), in the order of the page."""
    found = []
    for name in names:
        if name in EXPERIMENTS:
            found.append(trained(name, read_experiment(name, data_name), seeds, out, listener))
        elif name in READINGS:
            found.append(readings(name, min(seeds, READING_SEEDS), data_name, listener))
        elif name == "gradcheck":
            found.append(gradients(data_name))
        elif name == "thresholds":
            found.append(thresholds(max(seeds, LEAST_SEEDS) if seeds > 1 else 1, data_name))
        else:
            found.append(perceptron(name, seeds, data_name))
    return found


def perceptron(name: str, seeds: int, data_name: str | None) -> Part:
    """The perceptron of configs/perceptron/*.toml that the part `name` means, over seeds."""
    experiment = _read_perceptron(name.removeprefix("perceptron_"), data_name)
    return Part(name, _settings(experiment, seeds), partial(_perceptron, experiment, seeds))


def thresholds(seeds: int, data_name: str | None) -> Part:
    """The perceptron with sigmoid, with each of THRESHOLDS."""
    experiment = _read_perceptron("sigmoid", data_name)
    settings = _settings(experiment, seeds) | {"thresholds": list(THRESHOLDS)}
    return Part("thresholds", settings, partial(_thresholds, experiment, seeds))


def _settings(experiment: AnyExperiment, seeds: int) -> dict[str, Any]:
    return {"experiment": config.tree(experiment), "seeds": seeds, "data": _read_data(experiment.data).crc32}


def _read_perceptron(name: str, data_name: str | None) -> PerceptronExperiment:
    experiment, _ = config.read(Path("configs/perceptron") / f"{name}.toml", PerceptronExperiment)
    if data_name is not None:
        experiment = replace(experiment, data=replace(experiment.data, name=data_name))
    return experiment


def _perceptron(experiment: PerceptronExperiment, seeds: int) -> dict[str, Any]:
    fit = learn(experiment, _read_data(experiment.data), seeds)
    found = summarise_online(experiment, fit)
    runs = found.get("runs", [found])
    return {
        "steps": Spread.of([run["steps"] for run in runs])._asdict(),
        "test_accuracy": _of(runs, "test", "accuracy"),
        "stop_reasons": sorted({run["stop_reason"] for run in runs}),
        "runs": [run | {"curve": member.curve} for run, member in zip(runs, fit.members, strict=True)],
    }


def _thresholds(experiment: PerceptronExperiment, seeds: int) -> dict[str, Any]:
    data = _read_data(experiment.data)
    numbers = range(experiment.seed, experiment.seed + seeds)
    rows = compare_thresholds(perceptron_spec(experiment, data), experiment.online, THRESHOLDS, numbers, data.splits)
    return {
        "seeds": seeds,
        "rows": [
            {
                "threshold": row.threshold,
                "steps": row.steps._asdict(),
                "test_accuracy": row.accuracy._asdict(),
                "below": row.below,
            }
            for row in rows
        ],
    }


class Reading(NamedTuple):
    """Another way to read what the report says of an experiment: what differs from the config."""

    name: str
    changes: dict[str, Any]  # full names of keys, such as hyper.l1


_COMMON = (
    Reading("patience: consecutive increases", {"training.stop_rule": "consecutive_increase"}),
    Reading("normalised over all pixels together", {"data.normalise": "global"}),
    Reading("normalised pixel by pixel", {"data.normalise": "per_feature"}),
    Reading("first weights: LeCun, normal", {"network.init": "lecun_normal"}),
    Reading("first weights: Glorot, uniform", {"network.init": "glorot_uniform"}),
)
READING_SEEDS = 3
READINGS: dict[str, tuple[str, tuple[Reading, ...]]] = {
    f"readings_{name}": (
        name,
        (
            Reading("as configured", {}),
            Reading("lambda/2 (eq. 7 as printed)" if name == "l1" else "lambda/2", {f"hyper.{name}": 0.005}),
            Reading("lambda divided by the batch of 128", {f"hyper.{name}": 0.01 / 128}),
            Reading("lambda 0.001", {f"hyper.{name}": 0.001}),
            Reading("lambda 0.0001", {f"hyper.{name}": 0.0001}),
            Reading("stopped by validation loss plus penalty", {"training.monitor": "objective"}),
            *_COMMON,
        ),
    )
    for name in ("l1", "l2")
}


def readings(part: str, seeds: int, data_name: str | None, listener: Listener) -> Part:
    """One experiment under each of its readings."""
    name, each = READINGS[part]
    base = read_experiment(name, data_name)
    changed = [(reading.name, _changed(base, reading.changes)) for reading in each]
    settings = _settings(base, seeds) | {"readings": [config.tree(experiment) for _, experiment in changed]}

    def run() -> dict[str, Any]:
        rows = []
        for title, experiment in changed:
            result = _train(experiment, seeds, listener)[0]
            summary = summarise(result)
            rows.append({"name": title, "fits": fits(name, summary)} | summary)
        return {"experiment": name, "seeds": seeds, "readings": rows}

    return Part(part, settings, run)


def fits(name: str, summary: dict[str, Any]) -> list[str]:
    """Which of the report's numbers come out: accuracy within 0.3 points, loss within 0.02, epoch within 2 of a seed."""
    theirs = EXPERIMENTS[name]
    found = []
    if abs(summary["test_accuracy"]["mean"] - theirs.test_accuracy) <= 0.003:
        found.append("accuracy")
    if abs(summary["test_loss"]["mean"] - theirs.test_loss) <= 0.02:
        found.append("loss")
    stopped = summary["stopped_epoch"]
    if theirs.stop_epoch is not None and stopped["min"] - 2 <= theirs.stop_epoch <= stopped["max"] + 2:
        found.append("epoch")
    return found


def _changed(experiment: Experiment, changes: dict[str, Any]) -> Experiment:
    for key, value in changes.items():
        section, field = key.split(".")
        part = getattr(experiment, section)
        part = part._replace(**{field: value}) if section == "hyper" else replace(part, **{field: value})
        experiment = replace(experiment, **{section: part})
    return experiment
