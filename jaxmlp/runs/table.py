"""Records as the rows of a table, and as JSON."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxmlp.plots.values import label, last, short
from jaxmlp.runs.comparison import values_of
from jaxmlp.runs.records import ENDED, PERCEPTRON, RUN, SWEEP, Record, differing
from jaxmlp.text import count

SHOWN = {  # keys that have a column of their own
    *("data.name", "data.dir", "network.hidden", "network.activation", "training.optimizer", "hyper.learning_rate"),
}


def differences(records: Sequence[Record]) -> dict[Path, dict[str, Any]]:
    """Of each run the values of the keys that differ among the runs, without those that have a column."""
    runs = [record for record in records if record.kind == RUN and record.tree]
    keys = [key for key in differing([run.keys for run in runs]) if key not in SHOWN]
    return {run.path: {key: run.keys[key] for key in keys if key in run.keys} for run in runs}


def network(record: Record) -> str:
    """The hidden layers and their activation: 128-64 relu."""
    section = record.tree.get("network", {})
    hidden = "-".join(map(str, section.get("hidden", ()))) or "no hidden"
    return f"{hidden} {section['activation']}" if "activation" in section else hidden


def rule(record: Record) -> str:
    """The update rule and its learning rate; of a sweep its axes."""
    tree = record.tree
    if record.kind == SWEEP:
        grid = tree.get("grid", {})
        axes = [last(key) for key in (*grid, *tree.get("sample", {}).get("space", {})) if key != "seeds"]
        seeds = grid.get("seeds", 1)
        return "over " + ", ".join([*axes, *([count(seeds, "seed")] if seeds != 1 else [])])
    if record.kind == PERCEPTRON:
        return f"delta rule {label(tree['online'].get('learning_rate'))}"
    optimizer, rate = tree.get("training", {}).get("optimizer", ""), tree.get("hyper", {}).get("learning_rate")
    return f"{optimizer} {label(rate)}" if rate is not None else optimizer


def tested(record: Record) -> str:
    """The test score with its interval: 93.20 % (91.5 to 94.6)."""
    test = record.test
    if test is None:
        return ""
    score = record.score
    value = test.get(score.name)
    if isinstance(value, dict):  # of several seeds
        return score.pair(value["mean"], value["std"])
    text = "not finite" if value is None else score.text(value)
    if score.unit == "":
        text = f"{score.title} {text}"
    interval = record.interval if "correct" in test and not isinstance(test["correct"], dict) else None
    return text if interval is None else f"{text} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def seconds(record: Record) -> str:
    """That it took in all."""
    taken = record.summary.get("seconds", {})
    total = taken.get("total", sum(taken.values()) if taken else None)
    return "" if total is None else f"{total:,.1f}"


def when(record: Record) -> str:
    """The time of its last change."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(record.when)) if record.when else ""


def rows(records: Sequence[Record]) -> list[dict[str, str]]:
    """The cells of each record, by head."""
    different = differences(records)
    return [
        {
            "run": record.name,
            "data": short(Path(str(record.tree.get("data", {}).get("name", ""))).name, 24),
            "network": network(record) if record.tree else "",
            "rule": rule(record) if record.tree else "",
            "test (95 %)": tested(record),
            "epochs": "" if record.epochs is None else f"{record.epochs:,}",
            "seconds": seconds(record),
            "when": when(record),
            "what differs": _differing(record, different.get(record.path, {})),
        }
        for record in records
    ]


def _differing(record: Record, values: dict[str, Any]) -> str:
    """The values that differ; in front of them what is to be said of a run that has not ended, or of a sweep."""
    parts = [values_of(values, list(values))] if values else []
    if record.state != ENDED:
        parts.insert(0, f"{record.state}: {record.note}")
    elif record.kind == SWEEP:
        best = record.summary["best_trial"]
        chosen = f"best: trial {best['trial']}" if best else "no best: all diverged"
        parts.insert(0, f"sweep of {record.summary['trials']:,} trials ({record.note}); {chosen}")
    elif record.kind == PERCEPTRON:
        parts.insert(0, f"perceptron, ended by {record.note}")
    elif record.note == "diverged":
        parts.insert(0, "diverged")
    return "; ".join(parts)


def to_json(records: Sequence[Record]) -> list[dict[str, Any]]:
    """The records as --json prints them."""
    different = differences(records)
    return [
        {
            "run": record.name,
            "kind": record.kind,
            "state": record.state,
            "note": record.note,
            "data": record.tree.get("data", {}).get("name"),
            "network": record.tree.get("network"),
            "optimizer": record.tree.get("training", {}).get("optimizer"),
            "learning_rate": record.tree.get("hyper", {}).get("learning_rate"),
            "seed": record.tree.get("seed"),
            "test": record.test,
            "interval_95": None if isinstance((record.test or {}).get("correct"), dict) else record.interval,
            "epochs": record.epochs,
            "seconds": record.summary.get("seconds"),
            "changed": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(record.when)),
            "differs": different.get(record.path, {}),
        }
        for record in records
    ]
