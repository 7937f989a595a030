"""Where the report can be read in more than one way: each reading is trained, and compared with the report's results."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmlp.fields import changed
from jaxmlp.report.published import EXPERIMENTS, Published
from jaxmlp.report.runner import Part, ReportCallbacks, read_experiment, settings_of, statistics_of, summarise, train
from jaxmlp.run import config
from jaxmlp.run.config import Experiment

READING_SEEDS = 3
NEAR = {"accuracy": 0.003, "loss": 0.02, "epoch": 2}  # how far a number may be off to fit


class Reading(NamedTuple):
    """Another way to read what the report says of an experiment: the keys of the config that differ."""

    name: str
    changes: dict[str, Any]  # by full name, such as hyper.l1


def readings_of(experiment: Experiment) -> list[Reading]:
    """All readings of an experiment that change it, the configured one first."""
    l1, l2 = experiment.hyper.l1, experiment.hyper.l2
    penalty, factor, batch = ("hyper.l1" if l1 else "hyper.l2"), l1 or l2, experiment.training.batch_size
    readings = [Reading("as configured", {})]
    if factor:
        readings += [
            Reading("lambda/2 (eq. 7 as printed)" if l1 else "lambda/2", {penalty: factor / 2}),
            Reading(f"lambda divided by the batch of {batch}", {penalty: factor / batch}),
            Reading("lambda 0.001", {penalty: 0.001}),
            Reading("lambda 0.0001", {penalty: 0.0001}),
            Reading("stopped by validation loss plus penalty", {"training.monitor": "objective"}),
        ]
    if l1:
        readings.append(Reading("soft threshold in place of sign(w)", {"training.l1_step": "proximal"}))
    if experiment.training.optimizer == "momentum":
        readings.append(Reading("momentum without the factor (1 - gamma)", {"training.optimizer": "heavy_ball"}))
    readings += [
        Reading("patience: consecutive increases", {"training.stop_rule": "consecutive_increase"}),
        Reading("normalised over all pixels together", {"data.normalise": "global"}),
        Reading("normalised pixel by pixel", {"data.normalise": "per_feature"}),
    ]
    if experiment.network.hidden:
        readings += [
            Reading("first weights: LeCun, normal", {"network.init": "lecun_normal"}),
            Reading("first weights: Glorot, uniform", {"network.init": "glorot_uniform"}),
            Reading("first weights: uniform in +-0.03", {"network.init": "uniform"}),
        ]
    return readings[:1] + [reading for reading in readings if changed(experiment, reading.changes) != experiment]


READINGS = {f"readings_{name}": name for name in EXPERIMENTS}


def readings(part: str, seeds: int, data_name: str | None, callbacks: ReportCallbacks) -> Part:
    """One experiment under each of its readings."""
    name = READINGS[part]
    base = read_experiment(name, data_name)
    variants = [(reading.name, changed(base, reading.changes)) for reading in readings_of(base)]
    settings = settings_of(base, seeds) | {"readings": [config.tree(experiment) for _, experiment in variants]}

    def run() -> dict[str, Any]:
        rows = []
        for title, experiment in variants:
            callbacks.on_message(f"{part}: {title}")
            result, first_weights = train(experiment, seeds, callbacks)
            zeros = {"zeros": float(np.mean(first_weights == 0))}
            rows.append({"name": title} | comparison(EXPERIMENTS[name], result["runs"]) | summarise(result) | zeros)
        return {"experiment": name, "seeds": seeds, "readings": rows, "conclusion": conclusion(EXPERIMENTS[name], rows)}

    return Part(part, settings, run)


def comparison(published: Published, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How far the results of a reading are from the report's, and which of them fit: those that are off by at most NEAR.

    Accuracy and loss are means over the seeds; the epoch is that of the seed that stops nearest to the report's, which
    may count its epochs from 1 or from 0.
    """
    off = {
        "accuracy": statistics_of(runs, "test", "accuracy")["mean"] - published.test_accuracy,
        "loss": statistics_of(runs, "test", "loss")["mean"] - published.test_loss,
    }
    stops = [run["epochs_run"] for run in runs]
    at = {}
    if published.stop_epoch is not None:
        off["epoch"] = min((stop - shift - published.stop_epoch for stop in stops for shift in (0, 1)), key=abs)
        at = {f"from {1 - shift}": sum(stop - shift == published.stop_epoch for stop in stops) for shift in (0, 1)}
    return {
        "fits": [name for name, by in off.items() if abs(by) <= NEAR[name]],
        "off": off,
        "stopped_epochs": stops,
        "seeds_at_epoch": at,  # how many stop exactly there, by how epochs are counted
    }


def conclusion(published: Published, rows: Sequence[dict[str, Any]]) -> str:
    """Which reading gives the report's results, in words."""
    stated = _listed(list(rows[0]["off"]))
    most = max(len(row["fits"]) for row in rows)
    best = [row for row in rows if len(row["fits"]) == most]
    if most == len(rows[0]["off"]):
        text = f"The report's {stated} come out {_under(best)}."
    elif most:
        text = f"No reading gives the report's {stated} together. Nearest: " + "; ".join(
            f"{_listed(row['fits'])} {_under([row])}" for row in best
        )
        text += "."
    else:
        text = f"None of the report's {stated} comes out under any reading."
    if published.stop_epoch is None:
        return text
    exact = [
        f"{_under([row])} by {seeds} of {len(row['stopped_epochs'])} seeds, with epochs counted {counted}"
        for row in rows
        for counted, seeds in row["seeds_at_epoch"].items()
        if seeds
    ]
    nearest = min(rows, key=lambda row: abs(row["off"]["epoch"]))
    seeds = "; ".join(exact) or f"by no seed; nearest is one {_under([nearest])}, off by {nearest['off']['epoch']:+d}"
    return f"{text} Epoch {published.stop_epoch} itself is met {seeds}."


def _listed(names: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])


def _under(rows: Sequence[dict[str, Any]]) -> str:
    return "; ".join(row["name"] if row["name"] == "as configured" else f"with {row['name']!r}" for row in rows)
