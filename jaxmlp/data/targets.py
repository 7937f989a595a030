"""What is to be learnt, told from the values: classes, label sets, or values; and their weights."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from jaxmlp.errors import DataError, UsageError, line_of
from jaxmlp.fields import LARGEST, shown
from jaxmlp.nn.losses import CLASSES, LABELS, VALUES

KINDS = (CLASSES, LABELS, VALUES)
MOST_LABEL = 2**63 - 1  # they are kept as int64
MOST_WHOLE = 2**53  # up to here every whole number is a float64
BALANCED = "balanced"


def be(called: str, verb: str = "be") -> str:
    """The name of some values with a verb: training labels are, y is; training labels have, y has."""
    several = called.endswith("s")
    return f"{called} {({'be': 'are', 'have': 'have'} if several else {'be': 'is', 'have': 'has'})[verb]}"


def kind_of(y: np.ndarray, learns: Collection[str] = KINDS) -> str:
    """What targets are, where nobody says it.

    Text, whole numbers, and floats that are all whole are classes [N]; 0 and 1 as whole numbers or booleans [N, K] are label
    sets; other numbers are values. A loss that does not learn what they are so, but could learn the same numbers as
    another kind, has them as that: counts under the Poisson loss are values.
    """
    numeric = y.dtype.kind in "biuf"
    if y.ndim < 2 or y.shape[1:] == (1,):
        kind = VALUES if y.dtype.kind == "f" and not _whole(y) else CLASSES
    else:
        kind = LABELS if y.dtype.kind in "biu" and _binary(y) else VALUES
        if kind == VALUES and VALUES not in learns and LABELS in learns and numeric and _binary(y):
            kind = LABELS
    return VALUES if kind not in learns and VALUES in learns and numeric else kind


def as_kind(y: np.ndarray, kind: str, called: str) -> np.ndarray:
    """Targets as int64, booleans or text [N] (classes), or float32 [N, K]. Raises DataError where they are none."""
    if y.ndim == 2 and y.shape[1] == 1 and kind == CLASSES:
        y = y[:, 0]
    if kind == CLASSES:
        return _as_classes(y, called)
    if y.ndim == 1 and kind == VALUES:
        y = y[:, None]
    if y.ndim != 2 or not y.shape[1]:
        accepted = "[N, K]" if kind == LABELS else "[N] or [N, K]"
        raise DataError(f"{be(called, 'have')} shape {y.shape}; {kind} of {accepted} are expected")
    if y.dtype.kind not in "biuf":
        raise DataError(f"{be(called)} {_type(y)}; numbers are expected, as they are to be {kind}")
    if kind == LABELS and not _binary(y):
        raise DataError(
            f"{called}: of a label set 1 says that an example has the label, 0 that it has not; found others"
        )
    _check_finite(y, called)
    return y.astype(np.float32)


def is_text(labels: np.ndarray) -> bool:
    """Whether labels are text, and neither whole numbers nor booleans, which are those of 0 and 1."""
    return labels.dtype.kind == "U"


def number(labels: np.ndarray, classes: np.ndarray, called: str) -> np.ndarray:
    """Class numbers, int32, 0 to K-1."""
    numbers = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    strange = np.unique(labels[classes[numbers] != labels])
    if len(strange):
        named = ", ".join(str(label) for label in strange[:5]) + (", ..." if len(strange) > 5 else "")
        raise DataError(f"{called} that no training example has: {named}; bring training examples of these classes")
    return numbers.astype(np.int32)


def checked_weights(weights: np.ndarray, rows: int, called: str) -> np.ndarray:
    """Weights of examples, float32 [N]. Raises DataError for other shapes, types, and weights below 0 or not finite."""
    if weights.shape not in ((rows,), (rows, 1)):
        raise DataError(
            f"{be(called, 'have')} shape {weights.shape}; a number for each of the {rows:,} rows is expected"
        )
    if weights.dtype.kind not in "biuf":
        raise DataError(f"{be(called)} {_type(weights)}; numbers of at least 0 are expected")
    _check_finite(weights, called)
    if weights.size and weights.min() < 0:
        raise DataError(f"{be(called)} as low as {weights.min():g}; numbers of at least 0 are expected")
    return weights.reshape(rows).astype(np.float32)


def class_weights(numbers: np.ndarray, classes: tuple[Any, ...], wanted: Any) -> np.ndarray:
    """The weight of each training example by its class, float32 [N].

    "balanced": N / (K n_k), for n_k of N examples in class k of K (King and Zeng 2001, as scikit-learn has it). A mapping
    gives the weight of each label, 1 where it names none. Raises UsageError for anything else.
    """
    if isinstance(wanted, str) and wanted == BALANCED:
        counts = np.bincount(numbers, minlength=len(classes))
        return (len(numbers) / (len(classes) * counts))[numbers].astype(np.float32)
    accepted = f"{BALANCED!r}, or a mapping of labels to numbers above 0, such as {{{classes[0]!r}: 2.0}}"
    if not isinstance(wanted, Mapping):
        raise UsageError(f"class_weight is {shown(wanted)}; accepted is {accepted}")
    by_label = {label.item() if hasattr(label, "item") else label: weight for label, weight in wanted.items()}
    if strange := [label for label in by_label if label not in classes]:
        raise UsageError(f"class_weight names {shown(strange[0])}, and the classes are {shown(classes)}")
    for label, weight in by_label.items():
        is_number = isinstance(weight, int | float | np.number) and not isinstance(weight, bool)
        if not is_number or not 0 < weight <= LARGEST[float]:
            raise UsageError(f"class_weight of {shown(label)} is {shown(weight)}; accepted is {accepted}")
    return np.array([by_label.get(label, 1.0) for label in classes], np.float32)[numbers]


def _as_classes(labels: np.ndarray, called: str) -> np.ndarray:
    if labels.ndim != 1:
        raise DataError(f"{be(called, 'have')} shape {labels.shape}; one label for each example is expected: [N]")
    if labels.dtype.kind == "f" and _whole(labels):
        return labels.astype(np.int64)
    if labels.dtype.kind == "b":
        return labels
    if labels.dtype.kind in "iu":
        if labels.size and (largest := int(labels.max())) > MOST_LABEL:
            raise DataError(f"{called} go up to {largest}; accepted are whole numbers of at most {MOST_LABEL}")
        return labels.astype(np.int64)
    try:
        if labels.dtype.kind == "U":
            labels.astype(labels.dtype.newbyteorder("<")).tobytes().decode("utf-32-le")  # NumPy keeps any numbers
            return labels
        if labels.dtype.kind == "S":
            return np.char.decode(labels, "utf-8")
    except ValueError as error:
        raise DataError(f"{be(called)} no text in UTF-8 ({line_of(error)}); save them as text or as numbers") from None
    if labels.dtype.kind == "f":
        _check_finite(labels, called)
        raise DataError(f"{be(called)} {labels.dtype}, and not whole; classes are integers or strings")
    raise DataError(f"{be(called)} {_type(labels)}; integers or strings are expected")


def _whole(y: np.ndarray) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(np.all((np.abs(y) <= MOST_WHOLE) & (np.floor(y) == y)))


def _binary(y: np.ndarray) -> bool:
    return bool(np.isin(y, (0, 1)).all())


def _check_finite(y: np.ndarray, called: str) -> None:
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise DataError(f"{called}: {int(np.sum(~np.isfinite(y))):,} are NaN or infinite; remove these rows")
    if y.size and max(abs(float(y.min())), abs(float(y.max()))) > LARGEST[float]:
        raise DataError(f"{called}: numbers exceed float32; rescale them first")


def _type(y: np.ndarray) -> str:
    return "objects" if y.dtype == object else str(y.dtype)
