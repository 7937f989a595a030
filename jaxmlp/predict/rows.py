"""What a network says of examples, as the columns of a table."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxmlp.errors import DataError, nearest
from jaxmlp.fields import shown
from jaxmlp.nn.losses import CLASSES, VALUES, loss
from jaxmlp.run.answers import Answers
from jaxmlp.run.examples import read_rows
from jaxmlp.training.model import Model

PREDICTION = "prediction"
Columns = dict[str, np.ndarray]


def of_file(trained: Model, path: Path, keep: Sequence[str], on_message: Callable[[str], object]) -> Columns:
    """The predictions of the examples in a file, after the columns of it that are kept.

    `on_message` is told what is passed over. Raises DataError for a file that does not fit the network, or has no column
    of a name to keep.
    """
    x, table = read_rows(path, trained.preparation, on_message, keep)
    columns = _of_answers(trained, Answers.of(trained, x))
    if not keep:
        return columns
    if table is None:
        raise DataError(f"{path}: no column {shown(keep[0])} to keep; an NPZ has none")
    for name in keep:
        if name not in table.column_names:
            raise DataError(f"{path}: no column {shown(name)} to keep; {nearest(name, table.column_names)}")
    return joined({name: np.array(table.column(name).to_pylist(), object) for name in keep}, columns)


def of_examples(trained: Model, x: np.ndarray) -> Columns:
    """The predictions of examples [N, *input_shape] as they came."""
    return _of_answers(trained, Answers.of(trained, trained.preparation.apply(x)))


def _of_answers(trained: Model, answers: Answers) -> Columns:
    """Of classes the prediction and the probability of each; of label sets each label, and its probability; values."""
    preparation, word = trained.preparation, loss(trained.spec.network.loss).output_name
    names = [str(name) for name in preparation.classes]
    if preparation.kind == VALUES:
        return {_of(name, names): answers.outputs[:, k] for k, name in enumerate(names)}
    if preparation.kind == CLASSES:
        columns = {PREDICTION: np.asarray(preparation.classes)[answers.predicted]}
    else:
        columns = {f"{PREDICTION}_{name}": answers.predicted[:, k] for k, name in enumerate(names)}
    outputs = answers.of_classes() if preparation.kind == CLASSES else answers.outputs
    return columns | {f"{word}_{name}": outputs[:, k] for k, name in enumerate(names)}


def _of(name: str, names: Sequence[str]) -> str:
    """The column of a value: prediction, or prediction_NAME where there are several."""
    return PREDICTION if len(names) == 1 else f"{PREDICTION}_{name}"


def joined(first: Mapping[str, np.ndarray], others: Columns) -> Columns:
    """Columns before others. Raises DataError where two have one name."""
    if twice := [name for name in first if name in others]:
        raise DataError(f"column {shown(twice[0])} cannot be kept: the predictions have one of that name; rename it")
    return dict(first) | others


def csv_text(columns: Columns) -> str:
    """The columns as CSV, numbers to as many digits as tell them apart; what is not finite, or missing, is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*map(_written, columns.values()), strict=True))
    return text.getvalue()


def records(columns: Columns) -> list[dict[str, Any]]:
    """The columns as a list of rows, for JSON."""
    plain = [_plain(values) for values in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*plain, strict=True)]


def _written(values: np.ndarray) -> list[Any]:
    if values.dtype.kind != "f":
        return ["" if value is None else value for value in values.tolist()]
    return [text if finite else "" for text, finite in zip(values.astype(str), np.isfinite(values), strict=True)]


def _plain(values: np.ndarray) -> list[Any]:
    """As JSON has them: a float32 as its shortest text says, and of dates and the like the text."""
    if values.dtype.kind == "f":
        return [float(text) for text in values.astype(str)]
    return [v if v is None or isinstance(v, bool | int | float | str) else str(v) for v in values.tolist()]
