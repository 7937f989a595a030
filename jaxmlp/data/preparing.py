"""From examples as they came to the splits a network trains on, and what it takes to treat others like them."""

import math
import warnings
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from jaxmlp import display
from jaxmlp.data import inputs, normalising, tables, targets
from jaxmlp.data.bundled import TEST_SEED
from jaxmlp.data.columns import Columns, columns_of
from jaxmlp.data.config import Data
from jaxmlp.data.parts import Called, Choices, Part, check, check_alike, draw
from jaxmlp.data.sources import Dataset
from jaxmlp.data.tables import Table
from jaxmlp.data.targets import BALANCED, CLASSES, KINDS, be
from jaxmlp.errors import DataError, UsageError
from jaxmlp.nn.losses import LOSSES
from jaxmlp.spec import Examples, Splits

FEW = 4  # examples a class: with fewer the targets may be meant as numbers


def warn(message: str) -> None:
    """A warning, in the name of the caller of `Preparation.apply`."""
    warnings.warn(message, stacklevel=4)


class Preparation(NamedTuple):
    """What it takes to treat a new example like the training examples; stored with the model.

    per_image    (x - mean) / standard deviation, of each image by itself; a constant image becomes zeros
    unit         x / 255 for uint8 pixels, else x / (the largest magnitude in the training examples)
    per_feature  (x - mean) / standard deviation, of each feature over the training examples; 1 for a constant feature
    global       (x - mean) / standard deviation, of all pixels of the training examples together
    none         x
    """

    normalise: str
    mean: np.ndarray  # [D] for per_feature, [1] for global and unit, else empty
    std: np.ndarray  # standard deviation (or scale), of the shape of mean
    classes: (
        tuple[int, ...] | tuple[bool, ...] | tuple[str, ...]
    )  # class k is classes[k]; of label sets and values the names of the outputs
    input_shape: tuple[int, ...]  # of one example, as it comes: [H, W], [H, W, C] or [D]; of a table [D], encoded
    kind: str = CLASSES  # of the targets: classes, labels or values
    columns: Columns | None = None  # how a table becomes [N, D]; None for arrays

    @property
    def outputs(self) -> int:
        """How many output units the targets ask for: K."""
        return len(self.classes)

    def __repr__(self) -> str:
        return display.fields(self)

    def apply(self, rows: Any, called: str = "", on_message: Callable[[str], object] = warn) -> np.ndarray:
        """Normalised examples, float32 [N, D].

        Args:
            rows: An array, list or sparse matrix [N, *input_shape]; a frame where the network was trained on one.
            called: What messages call them.
            on_message: Is told what is passed over: columns that were not trained on, unknown categories.

        Raises:
            DataError: for another shape, NaN, or a missing column.
        """
        if self.columns is not None:
            return self._encoded(rows, called or "the table", on_message)
        called = called or ("images" if len(self.input_shape) > 1 else "rows")
        if not isinstance(rows, np.ndarray):
            if inputs.is_frame(rows):
                raise DataError(f"{called} are a frame; the network was trained on an array: give X.to_numpy()")
            rows = inputs.as_rows(rows, called)
        if rows.shape[1:] != self.input_shape:
            raise DataError(f"{called} have shape {rows.shape[1:]}; the model was trained on {self.input_shape}")
        normalising.check_numbers(rows, called)
        rows = rows.reshape(len(rows), math.prod(self.input_shape))
        return normalising.scaled(rows, self.normalise, self.mean, self.std)

    def _encoded(self, rows: Any, called: str, on_message: Callable[[str], object]) -> np.ndarray:
        assert self.columns is not None
        if not inputs.is_frame(rows):
            names = ", ".join(column.name for column in self.columns.columns[:5])
            raise DataError(
                f"{called} is a {type(rows).__name__}; the network was trained on a table: give a frame of its"
                f" {len(self.columns.columns)} columns ({names}{', ...' if len(self.columns.columns) > 5 else ''})"
            )
        x = self.columns.encode(inputs.as_table(rows, called), called, on_message)  # [N, D]
        normalising.check_numbers(x, called)
        return normalising.scaled(x, self.normalise, self.mean, self.std)


def prepare(
    dataset: Dataset | Table,
    data: Data,
    learns: Collection[str] = KINDS,
    on_message: Callable[[str], object] = warn,
) -> tuple[Splits, Preparation]:
    """Training, validation and test examples as float32 [N, D] and targets, and how to treat other examples alike.

    Classes, means and standard deviations are those of the training examples, without the validation examples.

    Args:
        dataset: As `load_data` gives it, or of one's own arrays.
        data: How it is split and normalised.
        learns: The kinds of targets that the loss learns, where `data.kind` is auto.
        on_message: Is told what is passed over in the columns of a table.

    Raises:
        UsageError: for an unknown normalisation; DataError: for what cannot be learnt from.
    """
    names: tuple[str, ...] = ()
    validation: Part | float | None = data.validation
    test: Part | float | None = data.test
    if isinstance(dataset, Table):
        train, own_validation, own_test, names = tables.parts(dataset, data)
        validation, test = own_validation or validation, own_test or test
    else:
        train = _part("training", dataset.train_images, dataset.train_labels, dataset.train_weights)
        test = _part("test", dataset.test_images, dataset.test_labels, dataset.test_weights)
        if dataset.validation_images is not None and dataset.validation_labels is not None:
            labels, weights = dataset.validation_labels, dataset.validation_weights
            validation = _part("validation", dataset.validation_images, labels, weights)
    choices = Choices(
        normalise=data.normalise,
        images=isinstance(dataset, Dataset) and dataset.train_images.ndim > 2,
        kind=data.kind,
        learns=learns,
        class_weight=BALANCED if data.class_weight == BALANCED else None,
        names=names,
        seed=data.split_seed,
        test_seed=TEST_SEED,
        stratified=data.stratified,
    )
    return splits_of(train, validation, test, choices, on_message)


def _part(split: str, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> Part:
    return Part(x, y, weights, Called(f"{split} images", f"{split} labels", f"{split} weights"))


def splits_of(
    train: Part,
    validation: Part | float | None,
    test: Part | float | None,
    choices: Choices,
    on_message: Callable[[str], object],
) -> tuple[Splits, Preparation]:
    """The splits, and how other examples are prepared alike.

    Args:
        train: The examples to learn from, and to draw of.
        validation: The validation examples, or the share that is drawn after the test examples; None for none.
        test: The test examples, or the share that is drawn; None for none.
        choices: How they are prepared.
        on_message: Is told what is passed over in the columns of a table.

    Returns:
        x float32 [N, D], targets int32 [N] or float32 [N, K], weights float32 [N] or None. Classes, means, medians and
        categories are those of the training examples alone.

    Raises:
        UsageError: for an unknown name; DataError: for what cannot be learnt from.
    """
    given = [part for part in (validation, test) if isinstance(part, Part)]
    for part in (train, *given):
        check(part, train)
    kind = targets.kind_of(train.y, choices.learns) if choices.kind == normalising.AUTO else choices.kind
    if kind not in choices.learns:
        losses = ", ".join(name for name, loss in LOSSES.items() if kind in loss.learns)
        raise UsageError(
            f"{be(train.called.y)} {kind}, and network.loss learns {' or '.join(choices.learns)}: take one of {losses}"
        )
    train = _of_kind(train, kind)
    validation, test = (_of_kind(part, kind) if isinstance(part, Part) else part for part in (validation, test))
    for part in (validation, test):
        if isinstance(part, Part):
            check_alike(train, part)
    train, test = draw(train, test, "test", choices.test_seed, stratified=choices.stratified and kind == CLASSES)
    train, validation = draw(
        train, validation, "validation", choices.seed, stratified=choices.stratified and kind == CLASSES
    )
    preparation = _preparation(train, kind, choices, on_message)
    train_examples = _examples(preparation, train, on_message)
    if choices.class_weight is not None:
        train_examples = _weighted(preparation, train_examples, choices.class_weight)
    rest = [
        Examples(train_examples.x[:0], train_examples.targets[:0])
        if part is None
        else _examples(preparation, part, on_message)
        for part in (validation, test)
    ]
    return Splits(train_examples, *rest), preparation


def has_few_examples_each(splits: Splits, preparation: Preparation) -> bool:
    """Whether whole numbers are so many classes that they may be meant as values."""
    is_whole = preparation.kind == CLASSES and not isinstance(preparation.classes[0], str)
    return is_whole and preparation.outputs > 2 and FEW * preparation.outputs > len(splits.train.x)


def _of_kind(part: Part, kind: str) -> Part:
    """Examples with targets of a kind, and weights that are checked."""
    weights = part.weights
    if weights is not None:
        weights = targets.checked_weights(weights, len(part.y), part.called.weights)
    return replace(part, y=targets.as_kind(part.y, kind, part.called.y), weights=weights)


def _preparation(train: Part, kind: str, choices: Choices, on_message: Callable[[str], object]) -> Preparation:
    """How examples are prepared: by the statistics of the training examples."""
    classes = _outputs(train, kind, choices.names)
    if isinstance(train.x, np.ndarray):
        shape = tuple(train.x.shape[1:])
        normalise = normalising.resolved(choices.normalise, shape, images=choices.images)
        mean, std = normalising.statistics(train.x, normalise, images=choices.images)
        return Preparation(normalise, mean, std, classes, shape, kind)
    normalise = normalising.resolved(choices.normalise, (1,), images=False, table=True)
    columns = columns_of(train.x, train.called.x, on_message)
    mean, std = np.zeros(0, np.float32), np.zeros(0, np.float32)
    if normalise == "per_feature":
        x = columns.encode(train.x, train.called.x, lambda _: None)
        normalising.check_numbers(x, train.called.x)
        mean, std = normalising.statistics(x, normalise)
        mean, std = np.where(columns.numbers(), mean, 0.0), np.where(columns.numbers(), std, 1.0)
    return Preparation(normalise, mean, std, classes, (columns.inputs,), kind, columns)


def _outputs(train: Part, kind: str, names: tuple[str, ...]) -> Any:
    """The classes of the training examples, or the names of the outputs. Raises DataError where nothing is to be learnt."""
    if kind == CLASSES:
        classes = np.unique(train.y)
        if len(classes) < 2:
            raise DataError(
                f"all {len(train.y):,} training examples have the label {classes[0]!s}; two classes are needed"
            )
        return tuple(classes.tolist())
    if (train.y == train.y[0]).all():
        raise DataError(f"all {len(train.y):,} training examples have the {kind} {train.y[0].tolist()}; they must vary")
    K = train.y.shape[1]
    return names if len(names) == K else tuple(range(K))


def _examples(preparation: Preparation, part: Part, on_message: Callable[[str], object]) -> Examples:
    """Inputs, targets and weights in NumPy, until they are put on a device."""
    y, weights = part.y, part.weights
    if preparation.kind == CLASSES:
        y = targets.number(y, np.asarray(preparation.classes), part.called.y)
    if weights is not None and not weights.any():
        raise DataError(f"{be(part.called.weights)} all 0; at least one above 0 is expected")
    x = preparation.apply(part.x, part.called.x, on_message)
    return Examples(x, y, weights)  # pyright: ignore[reportArgumentType]


def _weighted(preparation: Preparation, examples: Examples, class_weight: Any) -> Examples:
    """Examples with the weights of their classes, times those that they have."""
    if preparation.kind != CLASSES:
        raise DataError(f"class_weight is for classes, and the targets are {preparation.kind}; give weights instead")
    weights = targets.class_weights(np.asarray(examples.targets), preparation.classes, class_weight)
    whole = weights if examples.weights is None else weights * np.asarray(examples.weights)
    return examples._replace(weights=whole)  # pyright: ignore[reportArgumentType]
