"""What is said of a trial that has ended: a row of results, and its curve. What is not finite or not there is None."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxmlp.grid.histories import COLUMNS, History, column
from jaxmlp.grid.scheduler import Ended
from jaxmlp.nn.network import Params

SPARSE = 1e-3  # a weight of smaller magnitude counts as none


def row_of(ended: Ended, train: int, validation: int) -> dict[str, Any]:
    """How it ended and what it came to at its best epoch; of so many training and validation rows."""
    history, best = ended.history, int(ended.state.stopping.best_epoch)
    row: dict[str, Any] = {"status": ended.status, "epochs_run": len(history), "best_epoch": best}
    for split, count in (("validation", validation), ("train", train)):
        correct = int(column(history, f"{split}_correct")[best - 1]) if best else None
        row |= {
            f"{split}_loss": float(column(history, f"{split}_loss")[best - 1]) if best else None,
            f"{split}_accuracy": None if correct is None else correct / count,
            f"{split}_correct": correct,
            f"{split}_count": count,
        }
    return row | {"sparsity": sparsity(ended.state.best_params), "cause": cause(ended)}


def rank(row: Mapping[str, Any], trial: int) -> tuple[float, int]:
    """What orders trials, the best first: by validation loss, of equals by number. One that diverged is never the best."""
    loss = row["validation_loss"]
    return math.inf if loss is None or row["status"] == "diverged" else loss, trial


def sparsity(params: Params, below: float = SPARSE) -> float:
    """The share of the weights (not biases) of all layers that are 0, or of a magnitude less than `below`."""
    magnitudes = np.concatenate([np.abs(layer.w).ravel() for layer in params])
    return float(np.mean((magnitudes < below) | (magnitudes == 0)))


def cause(ended: Ended) -> str | None:
    """Of a divergence: which loss was not finite, and when."""
    if ended.status != "diverged":
        return None
    last = {name: column(ended.history, f"{name}_loss")[-1] for name in ("train", "validation")}
    name = next(name for name, loss in last.items() if not np.isfinite(loss))
    return f"{'training' if name == 'train' else name} loss is {last[name]:g} in epoch {len(ended.history)}"


def curve_of(history: History, train: int, validation: int) -> dict[str, list]:
    """The epochs as a list for each column of a history, with accuracies beside the exact counts."""
    found: dict[str, list] = {}
    for name in COLUMNS:
        values = column(history, name)
        if name.endswith("_correct"):
            found[name] = [int(value) for value in values]
            count = train if name.startswith("train") else validation
            found[name.replace("correct", "accuracy")] = [value / count for value in found[name]]
        else:
            found[name] = [float(value) if np.isfinite(value) else None for value in values]
    return found
