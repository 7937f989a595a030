"""The parts of the report, by name: experiments, gradient check, perceptrons, thresholds, readings."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from jaxmlp.errors import UsageError, nearest
from jaxmlp.gradcheck.checks import Options, as_tree, check_gradients
from jaxmlp.perceptron.runner import PerceptronExperiment, compare_thresholds, learn, spec_of, summarise
from jaxmlp.report.published import EXPERIMENTS
from jaxmlp.report.readings import READING_SEEDS, READINGS, readings
from jaxmlp.report.runner import Part, ReportCallbacks, data_of, read_experiment, settings_of, statistics_of, trained
from jaxmlp.run import config
from jaxmlp.statistics import SeedStatistics

PERCEPTRONS = ("sigmoid", "tanh", "arctan", "identity")
THRESHOLDS = (0.03, 0.01, 1e-4, 3e-6)
LEAST_SEEDS = 20  # of the table over thresholds, unless the report has one seed
PARTS = (*EXPERIMENTS, "gradcheck", "perceptron_sigmoid", "thresholds", *(f"perceptron_{n}" for n in PERCEPTRONS[1:]))


def chosen(only: Sequence[str], known: Iterable[str]) -> list[str]:
    """The names of `only`, or all that are known where it is empty. Raises UsageError for one that is not known."""
    known = list(known)
    for name in only:
        if name not in known:
            raise UsageError(f"--only {name!r} is no part of the report; {nearest(name, known)}")
    return [name for name in known if not only or name in only]


def parts(names: Sequence[str], seeds: int, data_name: str | None, out: Path, callbacks: ReportCallbacks) -> list[Part]:
    """The parts of these names (of PARTS and READINGS), in the order of the page."""

    def part(name: str) -> Part:
        if name in EXPERIMENTS:
            return trained(name, read_experiment(name, data_name), seeds, out, callbacks)
        if name in READINGS:
            return readings(name, min(seeds, READING_SEEDS), data_name, callbacks)
        if name == "gradcheck":
            return gradients(data_name)
        if name == "thresholds":
            return thresholds(max(seeds, LEAST_SEEDS) if seeds > 1 else 1, data_name)
        return perceptron(name, seeds, data_name)

    return [part(name) for name in names]


def gradients(data_name: str | None) -> Part:
    """The gradient check of configs/report/gradcheck.toml: every weight, in float64; no epoch is timed."""
    experiment = read_experiment("gradcheck", data_name)
    settings = settings_of(experiment, 1)
    options = Options(epochs=0)
    return Part("gradcheck", settings, lambda: as_tree(experiment, options, check_gradients(experiment, options)))


def perceptron(name: str, seeds: int, data_name: str | None) -> Part:
    """The perceptron of configs/perceptron/*.toml of the part `name`, over seeds."""
    experiment = _read_perceptron(name.removeprefix("perceptron_"), data_name)
    return Part(name, settings_of(experiment, seeds), partial(_perceptron, experiment, seeds))


def thresholds(seeds: int, data_name: str | None) -> Part:
    """The perceptron with sigmoid, with each of THRESHOLDS."""
    experiment = _read_perceptron("sigmoid", data_name)
    settings = settings_of(experiment, seeds) | {"thresholds": list(THRESHOLDS)}
    return Part("thresholds", settings, partial(_thresholds, experiment, seeds))


def _read_perceptron(name: str, data_name: str | None) -> PerceptronExperiment:
    experiment, _ = config.read(Path("configs/perceptron") / f"{name}.toml", PerceptronExperiment)
    if data_name is not None:
        experiment = replace(experiment, data=replace(experiment.data, name=data_name))
    return experiment


def _perceptron(experiment: PerceptronExperiment, seeds: int) -> dict[str, Any]:
    fit = learn(experiment, data_of(experiment.data), seeds)
    summary = summarise(experiment, fit)
    runs = summary.get("runs", [summary])
    return {
        "steps": SeedStatistics.of([run["steps"] for run in runs])._asdict(),
        "test_accuracy": statistics_of(runs, "test", "accuracy"),
        "stop_reasons": sorted({run["stop_reason"] for run in runs}),
        "runs": [run | {"curve": trial.curve} for run, trial in zip(runs, fit.trials, strict=True)],
    }


def _thresholds(experiment: PerceptronExperiment, seeds: int) -> dict[str, Any]:
    data = data_of(experiment.data)
    every_seed = range(experiment.seed, experiment.seed + seeds)
    rows = compare_thresholds(spec_of(experiment, data), experiment.online, THRESHOLDS, every_seed, data.splits)
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
