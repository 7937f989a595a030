"""The trials of a sweep as rows of its table: which diverged or were pruned, which is best, and means over seeds.

A row has the value of the trial on each axis (absent where it does not read it), `trial`, `seed`, `status`, `epochs_run`,
`best_epoch`, `validation_loss`, `validation_accuracy` or `validation_r2`, and perhaps `sparsity`.
A trial is diverged if its status says so or its loss is not finite: it is shown, and never part of a mean. A pruned one is
part of a mean, with the loss of fewer epochs.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxmlp.plots.values import label, last, short
from jaxmlp.scores import Score, score_of

Row = Mapping[str, Any]
Rows = Sequence[Row]
LOSS = "validation_loss"


def score(rows: Rows) -> Score:
    """The score that the trials have."""
    return score_of(name for row in rows for name in row)


def score_key(rows: Rows) -> str:
    """The column of the score on the validation examples."""
    return f"validation_{score(rows).name}"


def diverged(row: Row) -> bool:
    """Whether a trial diverged: its status says so, or it has no finite loss."""
    return row["status"] == "diverged" or not math.isfinite(number(row.get(LOSS)))


def pruned(row: Row) -> bool:
    """Whether a trial was stopped at a rung, with a finite loss."""
    return row["status"] == "pruned" and not diverged(row)


def number(value: Any) -> float:
    """A float; NaN for None, which JSON has for what is not finite, and for an infinity."""
    return float(value) if value is not None and math.isfinite(value) else math.nan


def numbers(values: Sequence[Any]) -> np.ndarray:
    """Each value as `number` gives it."""
    return np.array([number(value) for value in values], float)


def measured(rows: Rows, key: str) -> np.ndarray:
    """The finite values of the trials that did not diverge; may be empty."""
    values = numbers([row.get(key) for row in rows if not diverged(row)])
    return values[np.isfinite(values)]


def mean(rows: Rows, key: str) -> float:
    """Over the trials that did not diverge; NaN where there is none."""
    values = measured(rows, key)
    return float(values.mean()) if values.size else math.nan


def grouped(rows: Rows, keys: Sequence[Any]) -> dict[Any, list[Row]]:
    """The rows by key, given the key of each row."""
    groups: dict[Any, list[Row]] = {}
    for row, key in zip(rows, keys, strict=True):
        groups.setdefault(key, []).append(row)
    return groups


def best_of(rows: Rows, best: int | None) -> Row | None:
    """The row of the best trial, if it is there and has a loss."""
    return next((row for row in rows if row["trial"] == best and math.isfinite(number(row.get(LOSS)))), None)


def best_group(groups: Mapping[Any, list[Row]], best: int | None) -> Any | None:
    """The key of the group that holds the best trial; where there are several seeds, of that with the lowest mean loss.

    A group of which a seed diverged comes after all that are whole. None if every trial diverged.
    """
    if all(len(rows) == 1 for rows in groups.values()):
        return next((key for key, rows in groups.items() if best_of(rows, best)), None)
    order = {key: (any(map(diverged, rows)), mean(rows, LOSS)) for key, rows in groups.items()}
    return min((key for key in order if math.isfinite(order[key][1])), key=order.__getitem__, default=None)


def best_label(rows: Rows, axes: Sequence[str] = ()) -> str:
    """What is best, and how good: `best: loss 0.2, accuracy 95.00 % (mean of 3 seeds): momentum 0.9`."""
    measure, loss, value = score(rows), mean(rows, LOSS), mean(rows, score_key(rows))
    measures = f"loss {loss:.4g}" + (f", {measure.title} {measure.text(value)}" if math.isfinite(value) else "")
    which = f"mean of {len(rows)} seeds" if len(rows) > 1 else f"trial {rows[0]['trial']}"
    return f"best: {measures} ({which}): {configuration(rows[0], axes)}"


def configuration(row: Row, axes: Sequence[str]) -> str:
    """The values of a trial on its axes: `learning_rate 0.3, momentum 0.9`."""
    named = [f"{last(key)} {short(label(row[key]), 22)}" for key in axes if row.get(key) is not None]
    return ", ".join(named) if named else f"seed {row.get('seed', 0)}"


def failure(rows: Rows) -> str:
    """The end of a title where every trial diverged; else empty."""
    return ": every trial diverged" if rows and all(map(diverged, rows)) else ""


def ceiling(losses: np.ndarray) -> float:
    """Where a picture cuts off: 30 times the median, lest a single explosion flatten all others."""
    return min(float(losses.max()), 30 * float(np.median(losses)) or math.inf) if losses.size else 1.0


def cut(losses: np.ndarray, top: float | int) -> str:
    """The end of a title where some losses lie above the picture; else empty."""
    return f" (cut at {top:.2g})" if losses.size and losses.max() > top else ""


def logarithmic(losses: np.ndarray) -> bool:
    """Whether they differ so much that a logarithmic axis shows more."""
    return bool(losses.size and losses.min() > 0 and losses.max() > 3 * losses.min())
