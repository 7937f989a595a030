"""A run of the perceptron: its experiment, for one seed or many, and its run directory."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from jaxmlp import files, plots
from jaxmlp.data.config import Data
from jaxmlp.errors import UsageError
from jaxmlp.perceptron.fitting import Learnt, OnlineFit, fit_online
from jaxmlp.perceptron.online import Online, one_layer
from jaxmlp.run import directory, environment, model, pictures, sealed
from jaxmlp.run.config import AnyExperiment, Experiment
from jaxmlp.run.directory import RunKind
from jaxmlp.run.runner import Loaded
from jaxmlp.spec import Spec, Splits
from jaxmlp.statistics import SeedStatistics
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.model import Model


@dataclass(frozen=True)
class OneLayer:
    """The perceptron's only layer."""

    output_activation: str = "sigmoid"
    """Of the layer, which learns the limits of its range."""
    init: str = "uniform"
    """Of the weights before training; uniform draws in ± online.init_scale."""


@dataclass(frozen=True)
class PerceptronExperiment(AnyExperiment):
    """A perceptron that learns from one random example after another."""

    data: Data = Data(normalise="unit")
    network: OneLayer = OneLayer()
    online: Online = Online()

    def reads(self) -> frozenset[str]:
        return frozenset(Online._fields) - (frozenset() if self.network.init == "uniform" else {"init_scale"})

    def refuse_unread(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.reads():
                raise UsageError(f"online.{name} is set, but not read by init {self.network.init!r}: leave it out")

    def in_common(self) -> Experiment:
        """The same data and seed: all that is needed to read the data and to name a run directory."""
        return Experiment(data=self.data, seed=self.seed)


PERCEPTRON = RunKind(
    "a single run of jaxmlp perceptron",
    table="online",
    tables=frozenset(field.name for field in fields(PerceptronExperiment)),
    patterns=directory.RUN.patterns,
)


class ThresholdRow(NamedTuple):
    """The results of one threshold over the seeds."""

    threshold: float
    steps: SeedStatistics
    accuracy: SeedStatistics  # on the test examples
    below: int  # trials that the threshold ended; max_steps or a divergence ended the others


def compare_thresholds(
    spec: Spec, online: Online, thresholds: Sequence[float], seeds: Sequence[int], splits: Splits
) -> list[ThresholdRow]:
    """Train the same seeds with each of the thresholds, all as one program."""
    pairs = [(online._replace(threshold=float(threshold)), seed) for threshold in thresholds for seed in seeds]
    fits = fit_online(spec, pairs, splits).trials
    rows = []
    for index, threshold in enumerate(thresholds):
        trials = fits[index * len(seeds) : (index + 1) * len(seeds)]
        steps, accuracy = [trial.steps for trial in trials], [trial.test.accuracy for trial in trials]
        below = sum(trial.stop_reason == "threshold" for trial in trials)
        rows.append(ThresholdRow(float(threshold), SeedStatistics.of(steps), SeedStatistics.of(accuracy), below))
    return rows


def spec_of(experiment: PerceptronExperiment, data: Loaded) -> Spec:
    """The static description: the experiment's, with the sizes that the data give."""
    network = experiment.network
    inputs, classes = data.splits.train.x.shape[1], len(data.preparation.classes)
    return one_layer(network.output_activation, network.init, inputs, classes)


def learn(experiment: PerceptronExperiment, data: Loaded, seeds: int, callbacks: Callbacks | None = None) -> OnlineFit:
    """Learn with so many seeds at once, from the experiment's own upwards. Writes nothing."""
    trials = [(experiment.online, experiment.seed + i) for i in range(seeds)]
    return fit_online(spec_of(experiment, data), trials, data.splits, callbacks)


def write_run(
    experiment: PerceptronExperiment, data: Loaded, fit: OnlineFit, path: Path, callbacks: Callbacks
) -> dict[str, Any]:
    """Write what was learnt to the run directory `path` (see `directory.create`), pictures last; returns the summary.

    Model, metrics.jsonl (a line for each window of the curve) and pictures are those of the first seed.
    """
    identity = directory.experiment_identity(experiment, data.crc32)
    environment.write(path, environment.current(experiment.in_common(), identity, data.origin))
    first = fit.trials[0]
    lines = [json.dumps({"step": step, "error": error}) + "\n" for step, error in first.curve]
    files.write_atomically(path / directory.METRICS, "".join(lines))
    learnt = Model(spec_of(experiment, data), first.params, data.preparation)
    model.save(path, learnt, identity)
    summary = summarise(experiment, fit)
    sealed.write_json(path / directory.SUMMARY, summary, identity)
    pictures.draw(path / directory.PLOTS, learnt, [], 0, pictures.Tested.of(learnt, data.splits), callbacks)
    errors = {experiment.network.output_activation: [trial.curve for trial in fit.trials]}
    picture = path / directory.PLOTS / directory.CURVES
    with pictures.drawing(picture, callbacks):
        plots.perceptron_errors(errors, experiment.online.threshold).save(picture)
    return summary


def summarise(experiment: PerceptronExperiment, fit: OnlineFit) -> dict[str, Any]:
    """The content of summary.json: of several seeds mean and standard deviation, and each under `runs`."""
    seconds = {"compile": fit.compile_seconds, "train": fit.seconds}
    runs = [_results(trial, experiment.seed + i) for i, trial in enumerate(fit.trials)]
    if len(runs) == 1:
        return runs[0] | {"seconds": seconds}
    parts = {
        part: {
            name: SeedStatistics.of([run[part][name] for run in runs])._asdict()
            for name in ("loss", "accuracy", "correct")
        }
        | {"count": runs[0][part]["count"]}
        for part in ("test", "validation")
    }
    reasons = sorted({run["stop_reason"] for run in runs})
    steps = SeedStatistics.of([run["steps"] for run in runs])._asdict()
    return {"steps": steps, "stop_reason": "/".join(reasons)} | parts | {"seconds": seconds, "runs": runs}


def _results(trial: Learnt, seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "steps": trial.steps,
        "stop_reason": trial.stop_reason,
        "last_error": trial.error,
        "test": trial.test.to_json(),
        "validation": trial.validation.to_json(),
    }
