"""Float32 or float64: the context that a training needs, and its examples in its type of numbers."""

from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import jax
import numpy as np
from jaxtyping import Array

from jaxmlp.spec import Examples, Splits, Training

Whole = TypeVar("Whole", Examples, Splits)


def precision(training: Training) -> AbstractContextManager[object]:
    """The context in which `training.dtype` exists: JAX has float64 only where it is enabled.

    Example:
        with precision(spec.training):
            state = begin(spec, hyper, key)
    """
    return jax.enable_x64(True) if training.dtype == "float64" else nullcontext()


def in_dtype(training: Training, examples: Whole) -> Whole:
    """Examples, or splits, whose numbers are of `training.dtype`; class numbers stay as they are."""

    def cast(array: np.ndarray | Array, *, classes: bool = False) -> np.ndarray | Array:
        whole_numbers = classes and array.ndim == 1
        return array if whole_numbers or array.dtype == training.dtype else array.astype(training.dtype)

    def converted(part: Examples) -> Examples:
        weights = None if part.weights is None else cast(part.weights)
        return Examples(cast(part.x), cast(part.targets, classes=True), weights)  # pyright: ignore[reportArgumentType]

    if isinstance(examples, Splits):
        return Splits(*map(converted, examples))
    return converted(examples)
