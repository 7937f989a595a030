"""`splits_from`: the user's own arrays and frames, as a network trains on them."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxmlp.data import inputs, normalising
from jaxmlp.data.parts import Called, Choices, Part
from jaxmlp.data.preparing import Preparation, has_few_examples_each, splits_of, warn
from jaxmlp.data.targets import KINDS
from jaxmlp.errors import DataError, UsageError, unknown
from jaxmlp.fields import shown
from jaxmlp.spec import Splits

PAIR = "(X, y) or (X, y, weights)"


def splits_from(
    X: Any,
    y: Any,
    *,
    validation: Any = 0.2,
    test: Any = None,
    normalise: str = "auto",
    weights: Any = None,
    class_weight: str | Mapping[Any, Any] | None = None,
    kind: str | None = None,
    seed: int = 0,
) -> tuple[Splits, Preparation]:
    """Own arrays or frames as training, validation and test examples, and how to treat other examples alike.

    Classes, means, medians and categories are those of the training examples alone. Numeric columns of a frame are
    standardised, columns of text, categories and booleans become an input for each category, and a missing number is the
    median (with an input that says so, where training examples miss some).

    Args:
        X: Examples [N, D], or images [N, H, W(, C)]: an array, a list, a sparse matrix, or a frame of pandas, polars or
            pyarrow.
        y: What is learnt: integers, booleans or text [N] are classes, as are floats that are all whole; other floats [N] or
            [N, K] are values, which are not scaled; 0 and 1 [N, K], as integers or booleans, are label sets.
        validation: The share of the examples, after those of the test, that is held out; or (X, y), or (X, y, weights); None
            for no validation examples, which `fit` takes where nothing reads them.
        test: The same for the test examples. None: there are none, and the test split is empty.
        normalise: auto (per_image for images, per_feature for features), per_image, unit, per_feature, global or none.
        weights: Of the examples [N], at least 0; None counts each once.
        class_weight: "balanced", or a mapping of labels to numbers: it multiplies the weights of the training examples.
        kind: classes, labels or values, where y should not be told by its values.
        seed: Of the draws.

    Returns:
        Splits, NumPy arrays: x float32 [N, D]; targets int32 [N] (classes), or float32 [N, K].

    Raises:
        DataError: for what cannot be learnt from; UsageError: for an argument that is none. Both name the argument.

    Example:
        splits, preparation = jaxmlp.splits_from(X, y, test=0.2)
        spec = jaxmlp.Spec(jaxmlp.Network(), jaxmlp.Training(), splits.train.x.shape[1], preparation.outputs)
        fit = jaxmlp.fit(spec, jaxmlp.Hyper(), splits)
    """
    if kind is not None and kind not in KINDS:
        raise unknown("kind", str(kind), KINDS)
    if normalise not in (normalising.AUTO, *normalising.NORMALISATIONS):
        raise unknown("normalise", str(normalise), (normalising.AUTO, *normalising.NORMALISATIONS))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise UsageError(f"seed is {shown(seed)}; accepted is a whole number of at least 0")
    train, names = _part(X, y, weights, Called("X", "y", "weights"))
    choices = Choices(
        normalise=normalise,
        kind=kind or normalising.AUTO,
        class_weight=class_weight,
        names=names,
        seed=int(seed),
        test_seed=int(seed),
    )
    held_out = _held_out(validation, "validation"), _held_out(test, "test")
    splits, preparation = splits_of(train, *held_out, choices, warn)
    if kind is None and has_few_examples_each(splits, preparation):
        warnings.warn(
            f"y is taken as {preparation.outputs:,} classes, with few examples each: to learn numbers, give kind='values'",
            stacklevel=2,
        )
    return splits, preparation


def _held_out(given: Any, argument: str) -> Part | float | None:
    """Examples that are given, or the share that is drawn. Raises UsageError for anything else."""
    if given is None:
        return None
    if isinstance(given, int | float | np.number) and not isinstance(given, bool):
        if not 0 < given < 1:
            raise UsageError(f"{argument} is {shown(given)}; accepted is a share above 0 and below 1, {PAIR}, or None")
        return float(given)
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        what = f"a {type(given).__name__}" + (f" of {len(given)}" if isinstance(given, tuple | list) else "")
        raise UsageError(f"{argument} is {what}; accepted is a share above 0 and below 1, {PAIR}, or None")
    called = Called(*(f"{argument}[{index}]" for index in range(3)))
    x, y, weights = (*given, None)[:3]
    return _part(x, y, weights, called)[0]


def _part(x: Any, y: Any, weights: Any, called: Called) -> tuple[Part, tuple[str, ...]]:
    """Examples as they are given, and the names of their targets where these have some."""
    rows = inputs.as_rows(x, called.x)
    if not len(rows):
        raise DataError(f"{called.x} is empty; accepted is at least one example")
    targets, names = inputs.as_targets(y, called.y)
    return Part(
        rows, targets, None if weights is None else inputs.as_targets(weights, called.weights)[0], called
    ), names
