"""How good predictions are: scikit-learn's metrics of classes, of label sets, and of values.

Each is a dictionary as --json prints it: single numbers, and under the name of the kind an entry for each class, label or
output. A metric that the examples do not define is None: a class that none of them has has no recall.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmlp.errors import DataError
from jaxmlp.nn.losses import CLASSES, LABELS, VALUES

Weights = np.ndarray | None


def metrics(
    kind: str,
    targets: np.ndarray,
    outputs: np.ndarray,
    predicted: np.ndarray,
    names: Sequence[Any],
    weights: Weights,
    *,
    probable: bool,
) -> dict[str, Any]:
    """All metrics of some examples.

    Args:
        kind: Of the targets: classes, labels or values.
        targets: Class numbers [N], labels of 0 and 1 [N, K], or values [N, K].
        outputs: Of every class, label or value [N, K].
        predicted: Of the shape of the targets.
        names: Of the classes, labels or outputs.
        weights: Of the examples [N]; None counts each once.
        probable: Whether the outputs are probabilities.

    Raises:
        DataError: where there are no examples, or an output is not finite.
    """
    if weights is not None:
        counted = weights > 0
        targets, outputs, predicted, weights = targets[counted], outputs[counted], predicted[counted], weights[counted]
    if not len(targets):
        raise DataError("there are no examples of a weight above 0 to evaluate")
    if wrong := int((~np.isfinite(outputs)).any(axis=1).sum()):
        raise DataError(
            f"the outputs of {wrong:,} of {len(targets):,} examples are not finite; train the network again"
        )
    measure = {CLASSES: _of_classes, LABELS: _of_labels, VALUES: _of_values}[kind]
    outputs = outputs.astype(float)
    with warnings.catch_warnings(action="ignore"):  # of classes that no example has: they are None here
        return {"count": len(targets)} | measure(targets, outputs, predicted, names, weights, probable)


def _of_classes(
    targets: np.ndarray,
    outputs: np.ndarray,
    predicted: np.ndarray,
    names: Sequence[Any],
    weights: Weights,
    probable: bool,
) -> dict[str, Any]:
    from sklearn import metrics as sk

    K = len(names)
    true, said = np.eye(K, dtype=int)[targets], np.eye(K, dtype=int)[predicted]  # [N, K]
    entries = _of_each("class", names, true, said, outputs, weights)
    over_all = {
        "accuracy": float(sk.accuracy_score(targets, predicted, sample_weight=weights)),
        "correct": int((targets == predicted).sum()),
        **_means(entries, "precision", "recall", "f1", "roc_auc"),
    }
    if probable:
        p = outputs / outputs.sum(axis=1, keepdims=True)  # float32 sums to 1 nearly
        over_all["log_loss"] = float(sk.log_loss(targets, p, labels=range(K), sample_weight=weights))
        squares = (p - true) ** 2
        over_all["brier"] = float(np.average(squares[:, 1] if K == 2 else squares.sum(axis=1), weights=weights))
    return over_all | {"classes": entries}


def _of_labels(
    targets: np.ndarray,
    outputs: np.ndarray,
    predicted: np.ndarray,
    names: Sequence[Any],
    weights: Weights,
    probable: bool,
) -> dict[str, Any]:
    from sklearn import metrics as sk

    true = targets.astype(int)
    entries = _of_each("label", names, true, predicted, outputs, weights)
    right = (true == predicted).all(axis=1)
    for k, entry in enumerate(entries):
        entry["accuracy"] = float(sk.accuracy_score(true[:, k], predicted[:, k], sample_weight=weights))
        if probable:
            entry["log_loss"] = float(sk.log_loss(true[:, k], outputs[:, k], labels=[0, 1], sample_weight=weights))
            entry["brier"] = float(np.average((outputs[:, k] - true[:, k]) ** 2, weights=weights))
    over_all = {
        "exact_match": float(np.average(right, weights=weights)),
        "correct": int(right.sum()),
        "right_labels": int((true == predicted).sum()),
    }
    return over_all | _means(entries, *list(entries[0])[2:]) | {"labels": entries}


def _of_values(
    targets: np.ndarray,
    outputs: np.ndarray,
    predicted: np.ndarray,
    names: Sequence[Any],
    weights: Weights,
    probable: bool,
) -> dict[str, Any]:
    from sklearn import metrics as sk

    options: dict[str, Any] = {"sample_weight": weights, "multioutput": "raw_values"}
    t, K = targets.astype(float), len(names)
    r2: Any = sk.r2_score(t, outputs, **options) if len(t) > 1 else [None] * K  # one example has no variance
    mae: Any = sk.mean_absolute_error(t, outputs, **options)
    mse: Any = sk.mean_squared_error(t, outputs, **options)
    entries = [
        {
            "output": names[k],
            "r2": None if r2[k] is None else float(r2[k]),
            "mae": float(mae[k]),
            "rmse": float(np.sqrt(mse[k])),
        }
        for k in range(K)
    ]
    return _means(entries, "r2", "mae", "rmse") | {"values": entries}


def _of_each(
    what: str, names: Sequence[Any], true: np.ndarray, said: np.ndarray, outputs: np.ndarray, weights: Weights
) -> list[dict[str, Any]]:
    """Precision, recall, F1 and ROC AUC of each class or label, by itself against the others.

    As with scikit-learn one that is never predicted has precision 0; of one that neither the targets nor the predictions
    have nothing is defined.
    """
    from sklearn import metrics as sk

    options: dict[str, Any] = {"average": None, "sample_weight": weights, "zero_division": 0}
    rates: Any = sk.precision_recall_fscore_support(true, said, **options)[:3]
    entries = []
    for k, name in enumerate(names):
        held = int(true[:, k].sum())
        occurs = bool(held or said[:, k].any())
        shares = {rate: float(rates[i][k]) if occurs else None for i, rate in enumerate(("precision", "recall", "f1"))}
        scored = 0 < held < len(true)
        auc = float(sk.roc_auc_score(true[:, k], outputs[:, k], sample_weight=weights)) if scored else None
        entries.append({what: name, "count": held, **shares, "roc_auc": auc})
    return entries


def _means(entries: Sequence[dict[str, Any]], *names: str) -> dict[str, float | None]:
    """The means over classes, labels or outputs of what is defined of them."""
    defined = {name: [entry[name] for entry in entries if entry[name] is not None] for name in names}
    return {name: float(np.mean(values)) if values else None for name, values in defined.items()}
