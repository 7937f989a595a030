"""Examples in a file of a user, for a trained network: the rows of a CSV, Parquet or NPZ, and what is true of them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxmlp.data import npz, tables
from jaxmlp.data.inputs import column_values, values_of
from jaxmlp.data.preparing import Preparation
from jaxmlp.data.targets import as_kind, checked_weights, is_text, number
from jaxmlp.errors import DataError, nearest
from jaxmlp.fields import shown
from jaxmlp.nn.losses import CLASSES

NPZ = ".npz"
ENDS = (*tables.ENDS, NPZ)
X_KEYS, TARGET_KEYS = (("x",), ("x_test",)), (("x", "y"), ("x_test", "y_test"))


class Rows(NamedTuple):
    """The examples of a file, normalised, and its columns, if it is a table."""

    x: np.ndarray  # float32 [N, D]
    table: Any  # of Arrow; None for an NPZ


class Truth(NamedTuple):
    """What is true of examples: numbers of classes [N], or labels or values [N, K]; and their weights."""

    targets: np.ndarray
    weights: np.ndarray | None


def is_table(path: Path) -> bool:
    """Whether a file holds rows, and no image, by its end."""
    return path.suffix.lower() in ENDS


def read_rows(
    path: Path, preparation: Preparation, on_message: Callable[[str], object], keep: Sequence[str] = ()
) -> Rows:
    """The examples in a file; `on_message` is told of columns that are passed over, but for those to `keep`.

    Raises DataError for a missing column, or a file of another kind than the network takes."""
    if path.suffix.lower() == NPZ:
        (x,) = npz.read_some(path, X_KEYS).values()
        return Rows(_of_array(path, x, preparation, on_message), None)
    trained_on = () if preparation.columns is None else {column.name for column in preparation.columns.columns}
    kept = [name for name in keep if name not in trained_on]
    table = tables.read(path, (*_text(preparation), *kept))[0]  # what is kept stays as it stands: 007
    unread = [name for name in kept if name in table.column_names]
    return Rows(_of_table(path, table.drop_columns(unread), preparation, on_message), table)


def read_truth(
    path: Path,
    preparation: Preparation,
    target: str | Sequence[str],
    weight: str,
    on_message: Callable[[str], object],
) -> tuple[Rows, Truth]:
    """The examples in a file, and what is true of them.

    Args:
        path: A CSV or Parquet file with the columns `target`, or an NPZ with x and y, or x_test and y_test.
        preparation: How the network takes them.
        target: The columns that were learnt, in their order, or the text of data.target.
        weight: The column of weights, as in data.weight; empty for none. A file without it counts every example once.
        on_message: Is told what is passed over.

    Raises:
        DataError: as `read_rows`, and for targets of another kind than the network learnt.
    """
    if path.suffix.lower() == NPZ:
        arrays = npz.read_some(path, TARGET_KEYS, ("sample_weight", "sample_weight_test"))
        end = "" if "x" in arrays else "_test"
        rows = Rows(_of_array(path, arrays[f"x{end}"], preparation, on_message), None)
        weights, called = arrays.get(f"sample_weight{end}"), [f"{path}: {name}{end}" for name in ("y", "sample_weight")]
        return rows, _truth(arrays[f"y{end}"], weights, len(rows.x), preparation, *called)
    has_names = preparation.kind == CLASSES and isinstance(preparation.classes[0], str)
    of_target = (target, *tables.names_in(target, ())) if isinstance(target, str) else target
    table = tables.read(path, (*_text(preparation), *(of_target if has_names else ())))[0]
    target = tables.names_in(target, table.column_names) if isinstance(target, str) else target
    weight = ", ".join(tables.names_in(weight, table.column_names))
    for name in target:
        if name not in table.column_names:
            raise DataError(
                f"{path}: no column {shown(name)}, which the network learnt; {nearest(name, table.column_names)}"
            )
    inputs = table.drop_columns([name for name in (*target, weight) if name in table.column_names])
    called = f"{path}: column{'s' * (len(target) > 1)} {', '.join(map(shown, target))}"
    y = values_of(table, target, str(path), called)
    of_weight = f"{path}: column {shown(weight)}"
    weights = column_values(table.column(weight), of_weight) if weight in table.column_names else None
    rows = Rows(_of_table(path, inputs, preparation, on_message), table)
    return rows, _truth(y, weights, len(rows.x), preparation, called, of_weight)


def _text(preparation: Preparation) -> tuple[str, ...]:
    return () if preparation.columns is None else preparation.columns.text


def _truth(
    y: np.ndarray, weights: np.ndarray | None, rows: int, preparation: Preparation, called: str, of_weights: str
) -> Truth:
    kind, classes = preparation.kind, np.asarray(preparation.classes)
    targets = as_kind(y, kind, called)
    if len(targets) != rows:
        raise DataError(f"{called} has {len(targets):,} targets for {rows:,} examples; accepted is one for each")
    if kind == CLASSES:
        if is_text(targets) != is_text(classes):
            words = ["text" if is_text(array) else "whole numbers" for array in (targets, classes)]
            raise DataError(f"{called} is of {words[0]}, and the network learnt classes that are {words[1]}")
        targets = number(targets, classes, f"{called}: classes")
    elif targets.shape[1] != len(classes):
        raise DataError(f"{called} has {targets.shape[1]} {kind} a row, and the network learnt {len(classes)}")
    return Truth(targets, None if weights is None else checked_weights(weights, rows, of_weights))


def _of_table(path: Path, table: Any, preparation: Preparation, on_message: Callable[[str], object]) -> np.ndarray:
    if preparation.columns is not None:
        return preparation.apply(table, str(path), on_message)
    raise DataError(
        f"{path} is a table, and this network was trained on arrays of shape {list(preparation.input_shape)}: give an NPZ"
        f" file with x{' or images' if len(preparation.input_shape) > 1 else ''}"
    )


def _of_array(path: Path, x: np.ndarray, preparation: Preparation, on_message: Callable[[str], object]) -> np.ndarray:
    if preparation.columns is None:
        return preparation.apply(x, f"{path}: x", on_message)
    raise DataError(
        f"{path} holds arrays, and this network was trained on the columns of a table: give a CSV or Parquet"
    )
