"""What the page of a network of columns holds: the range and the typical value of each."""

from typing import Any

import numpy as np

from jaxmlp.data.arrow import as_floats, as_text
from jaxmlp.data.columns import Column, Columns
from jaxmlp.data.preparing import Preparation
from jaxmlp.data.sources import Dataset
from jaxmlp.data.tables import Table
from jaxmlp.errors import DataError, UsageError

MOST = 300  # columns with a control
DEVIATIONS = 2.5  # of a range, where no data are at hand
TEXT = (
    "The columns that change the answer most come first: by how far any output goes as the network runs over the column’s"
    " range, 1st to 99th percentile, with the others typical. The curve is that of the answer at the values of now."
)


def check(preparation: Preparation) -> None:
    """Raise UsageError for more columns than the page has room for."""
    count = len(_columns(preparation).columns)
    if count > MOST:
        raise UsageError(f"the network takes {count:,} columns; a page has controls for at most {MOST}")


def content(preparation: Preparation, data: Dataset | Table | None) -> list[dict[str, Any]]:
    """What the script of the page reads of each column. Raises DataError where nothing tells their ranges."""
    result, first = [], 0
    for number, column in enumerate(_columns(preparation).columns):
        values = _values(column, number, data)
        description = column._asdict() | {"indicator": int(column.indicator)}
        if column.categories is None:
            result.append(description | _numbers(column, first, preparation, values))
        else:
            result.append(description | {"typical": _most_frequent(column, values)})
        first += column.inputs
    return result


def _columns(preparation: Preparation) -> Columns:
    """The columns of a table; of an array [N, D] inputs with numbers for names."""
    if preparation.columns is not None:
        return preparation.columns
    return Columns(tuple(Column(f"input {n + 1}") for n in range(preparation.input_shape[0])))


def _values(column: Column, number: int, data: Dataset | Table | None) -> Any:
    """The values of a column in the training data: float64 [N] or an array of Arrow; None where there are none."""
    if isinstance(data, Dataset):
        return data.train_images[:, number].astype(float)
    if data is None or column.name not in data.train.column_names:
        return None
    values = data.train.column(column.name).combine_chunks()
    return as_floats(values) if column.categories is None else as_text(values)


def _numbers(column: Column, first: int, preparation: Preparation, values: np.ndarray | None) -> dict[str, Any]:
    """The range, the typical value and whether all are whole numbers."""
    if values is not None:
        values = values[np.isfinite(values)]
        low, high = (float(edge) for edge in np.percentile(values, (1, 99)))
        if low == high:
            low, high = float(values.min()), float(values.max())
        median = column.median if preparation.columns is not None else float(np.median(values))
        whole = bool((values == np.round(values)).all()) and high - low >= 2
        low, high = (float(np.floor(low)), float(np.ceil(high))) if whole else (low, high)
        return {"low": low, "high": high, "median": median, "typical": median, "whole": whole}
    if preparation.normalise != "per_feature":
        raise DataError(
            f"nothing tells the range of column {column.name!r}: give the directory of a run, with its data"
        )
    mean, std = float(preparation.mean[first]), float(preparation.std[first])
    median = column.median if preparation.columns is not None else mean
    return {
        "low": mean - DEVIATIONS * std,
        "high": mean + DEVIATIONS * std,
        "median": median,
        "typical": median,
        "whole": False,
    }


def _most_frequent(column: Column, values: Any) -> int:
    """The number of the most frequent category; the first where no data are at hand."""
    assert column.categories is not None
    counts = {} if values is None else {c["values"]: c["counts"] for c in values.value_counts().to_pylist()}
    return int(np.argmax([counts.get(category, 0) for category in column.categories]))
