"""Checks of the data that an estimator is given, in scikit-learn's words."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import column_or_1d
from sklearn.utils.validation import _check_sample_weight, validate_data


class Data(NamedTuple):
    """Examples, what they are, and the weight of each."""

    X: Any  # dense or sparse
    y: np.ndarray
    weights: np.ndarray | None


def data(estimator: Any, X: Any, y: Any, sample_weight: Any, *, first: bool) -> Data:
    """The data as arrays; the `first` ones say what further ones have to be. Raises ValueError for others."""
    options: Any = {"accept_sparse": ["csr", "csc"], "dtype": (np.float64, np.float32), "multi_output": True}
    X, y = validate_data(estimator, X, y, reset=first, y_numeric=not is_classifier(estimator), **options)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if sample_weight is not None:
        sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
    return Data(X, y, sample_weight)


def validation_data(estimator: Any, given: Any) -> Data:
    """(X, y) or (X, y, sample_weight) of an estimator that knows its data, with targets as the training has them.

    Raises:
        ValueError: for anything else, with "validation_data" in front.
    """
    if estimator.solver == "lbfgs":
        raise ValueError("validation_data is given, and solver 'lbfgs' has no epochs; accepted is None")
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        count = f" of {len(given)}" if isinstance(given, tuple | list) else ""
        raise ValueError(
            f"validation_data is {type(given).__name__}{count}; accepted is (X, y) or (X, y, sample_weight): for a share of"
            " X, take early_stopping=True and validation_fraction"
        )
    X, y, *weights = given
    try:
        checked = data(estimator, X, y, weights[0] if weights else None, first=False)
        targets = estimator._own_targets(checked.y)
    except ValueError as error:
        raise ValueError(f"validation_data: {error}") from None
    if targets.ndim == 2 and targets.shape[1] != estimator.n_outputs_:
        raise ValueError(f"validation_data: y has {targets.shape[1]} outputs; accepted is {estimator.n_outputs_}")
    return checked._replace(y=targets)
