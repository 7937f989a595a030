"""Where the report can be read in more than one way: each reading trained, and which of its numbers come out."""

from typing import Any, NamedTuple

from jaxmlp.fields import changed
from jaxmlp.report.published import EXPERIMENTS
from jaxmlp.report.runner import Listener, Part, read_experiment, settings_of, summarise, train
from jaxmlp.runs import config


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


def readings(part: str, seeds: int, data_name: str | None, callbacks: Listener) -> Part:
    """One experiment under each of its readings."""
    name, each = READINGS[part]
    base = read_experiment(name, data_name)
    tried = [(reading.name, changed(base, reading.changes)) for reading in each]
    settings = settings_of(base, seeds) | {"readings": [config.tree(experiment) for _, experiment in tried]}

    def run() -> dict[str, Any]:
        rows = []
        for title, experiment in tried:
            result = train(experiment, seeds, callbacks)[0]
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
