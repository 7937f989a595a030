"""How good the predictions of each class, label or output are: counted here, as scikit-learn takes a second to load.

`jaxmlp evaluate` has more, by scikit-learn; the tests hold that both say the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np


def confusions(targets: np.ndarray, predicted: np.ndarray, K: int) -> np.ndarray:
    """How often each class was predicted as each: [K, K]."""
    counts = np.zeros((K, K), int)
    np.add.at(counts, (targets, predicted), 1)
    return counts


def of_classes(counts: np.ndarray, names: Sequence[Any]) -> list[dict[str, Any]]:
    """Of each class from the confusions [K, K], row the true class: see `_rates`, and what it is taken for most often."""
    right, held, said = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    entries = _rates(right, held, said, names)
    for k, entry in enumerate(entries):
        wrong = np.where(np.arange(len(names)) == k, 0, counts[k])
        most = int(wrong.argmax())
        entry["taken_for"] = (names[most], int(wrong[most])) if wrong[most] else None
    return entries


def of_labels(targets: np.ndarray, predicted: np.ndarray, names: Sequence[Any]) -> list[dict[str, Any]]:
    """Of each label, from targets and predictions [N, K] of 0 and 1: see `_rates`."""
    true, said = targets > 0, predicted > 0
    return _rates((true & said).sum(axis=0), true.sum(axis=0), said.sum(axis=0), names)


def of_values(targets: np.ndarray, outputs: np.ndarray, names: Sequence[Any]) -> list[dict[str, Any]]:
    """R2, mean absolute error and root mean square error of each output, from [N, K]."""
    t, y = targets.astype(float), outputs.astype(float)
    with np.errstate(all="ignore"):  # outputs of a network that overflows
        squares, variation = ((y - t) ** 2).sum(axis=0), ((t - t.mean(axis=0)) ** 2).sum(axis=0)
        mae, rmse = np.abs(y - t).mean(axis=0), np.sqrt(squares / len(t))
        r2 = np.where(variation > 0, 1 - squares / np.where(variation > 0, variation, 1), np.nan)
    measures = zip(names, r2.tolist(), mae.tolist(), rmse.tolist(), strict=True)
    return [{"name": name, "r2": r2, "mae": mae, "rmse": rmse} for name, r2, mae, rmse in measures]


def _rates(right: np.ndarray, held: np.ndarray, said: np.ndarray, names: Sequence[Any]) -> list[dict[str, Any]]:
    """Precision right / said, recall right / held, and F1, twice their product over their sum.

    As with scikit-learn precision is 0 where nothing is said; of what is neither held nor said nothing is defined: None.
    """
    entries = []
    for name, r, h, s in zip(names, right.tolist(), held.tolist(), said.tolist(), strict=True):
        rates = {
            "precision": r / s if s else 0.0,
            "recall": r / h if h else 0.0,
            "f1": 2 * r / (h + s) if h + s else 0.0,
        }
        entries.append({"name": name, "count": h, "right": r} | (rates if h + s else dict.fromkeys(rates)))
    return entries
