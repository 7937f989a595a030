"""What users give as X and y: arrays, lists, sparse matrices, and frames of any library that narwhals reads."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmlp.data.arrow import as_floats, as_text, is_categorical, is_numeric
from jaxmlp.data.memory import check_memory
from jaxmlp.errors import DataError, line_of
from jaxmlp.fields import shown

FRAMES = "a frame of pandas, polars or pyarrow"
ROWS = f"an array or a list [N, D] of numbers, images [N, height, width, ...], a sparse matrix, or {FRAMES}"
TARGETS = "an array or a list [N] or [N, K], a series or a frame"


def as_rows(x: Any, called: str) -> Any:
    """Examples as an array, or as a table of Arrow where they are a frame. Raises DataError, which names the argument."""
    if is_frame(x):
        return as_table(x, called)
    if _is_series(x):
        raise DataError(f"{called} is one column; accepted is {ROWS}: give it as a frame, as by to_frame()")
    x = _dense(x, called)
    x = _as_array(x, called, ROWS)
    if x.dtype == object and x.size and all(isinstance(value, int | float | np.number) for value in x.ravel().tolist()):
        raise DataError(f"{called} is an array of {_what(x)}; give {called}.astype(float)")
    if x.dtype == object or x.dtype.kind in "USMmV":
        raise DataError(f"{called} is an array of {_what(x)}; accepted is {ROWS} (which may have columns of text)")
    if not x.size:
        raise DataError(f"{called} is empty, of the shape {list(x.shape)}; accepted is {ROWS}")
    if x.ndim < 2:
        raise DataError(f"{called} has the shape {list(x.shape)}; accepted is {ROWS}: one feature is X[:, None]")
    return x


def as_targets(y: Any, called: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Targets as an array of numbers or text [N] or [N, K], and their names where they have some. Raises DataError."""
    if is_frame(y):
        table = as_table(y, called)
        if not table.num_columns:
            raise DataError(f"{called} has no columns; accepted is {TARGETS}")
        return values_of(table, table.column_names, called, called), tuple(table.column_names)
    if _is_series(y):
        import narwhals as nw

        series = nw.from_native(y, series_only=True)
        names = () if series.name in (None, "") else (str(series.name),)
        return column_values(_to_arrow(series, called), called), names
    y = _as_array(_dense(y, called), called, TARGETS)
    return (_plain(y, called) if y.dtype == object else y), ()


def as_table(frame: Any, called: str) -> Any:
    """A frame as a table of Arrow, its columns called by text. Raises DataError."""
    import narwhals as nw
    import pyarrow as pa

    try:
        narwhal = nw.from_native(frame, eager_only=True)
        names = [str(name) for name in narwhal.columns]
    except TypeError:
        raise DataError(f"{called} is a lazy frame; collect it first, as by X.collect()") from None
    except Exception as error:  # of any library, such as for columns of one name
        raise DataError(f"{called} cannot be read as a frame: {line_of(error)}") from None
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{called} has two columns {shown(twice)}; give each a name of its own")
    columns = [
        _to_arrow(narwhal.get_column(column), f"{called}: column {shown(name)}")
        for column, name in zip(narwhal.columns, names, strict=True)
    ]
    return pa.table(columns, names) if names else pa.table({})


def is_frame(x: Any) -> bool:
    """Whether narwhals knows it as a frame, lazy or not."""
    import narwhals as nw

    return nw.dependencies.is_into_dataframe(x) or nw.dependencies.is_polars_lazyframe(x)


def column_values(values: Any, called: str) -> np.ndarray:
    """A column of Arrow as numbers or text [N]. Raises DataError for missing values, and for values of another kind."""
    import pyarrow as pa

    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    missing = values.null_count
    if not missing and pa.types.is_floating(values.type):
        missing = int(np.isnan(as_floats(values)).sum())
    if missing:
        raise DataError(
            f"{called} has {missing:,} missing values of {len(values):,}; remove these rows, or fill them in"
        )
    if pa.types.is_boolean(values.type) or pa.types.is_integer(values.type):
        return np.asarray(values.to_numpy(zero_copy_only=False))
    if is_numeric(values.type):
        return as_floats(values)
    if is_categorical(values.type):
        return np.array(as_text(values).to_pylist(), str)
    raise DataError(f"{called} is {values.type}; accepted are numbers, text, true and false, and categories")


def values_of(table: Any, names: Sequence[str], source: str, called: str) -> np.ndarray:
    """Columns of a table of Arrow: one of numbers or text [N], or several of numbers side by side [N, K].

    Raises DataError, of a column of `source`, or of all of them as `called`.
    """
    parts = [column_values(table.column(name), f"{source}: column {shown(name)}") for name in names]
    if len(parts) == 1:
        return parts[0]
    if any(part.dtype.kind not in "biuf" for part in parts):
        raise DataError(f"{called}: of several columns one is text; accepted are several of numbers, or one of text")
    return np.stack(parts, axis=1)


def _is_series(values: Any) -> bool:
    import narwhals as nw

    return nw.dependencies.is_into_series(values)


def _to_arrow(series: Any, called: str) -> Any:
    import pyarrow as pa

    try:
        values = series.to_arrow()
    except Exception as error:  # of any library, such as for objects of several types
        raise DataError(
            f"{called} has values of several types, or of one that is unknown: {line_of(error)}; make all of them numbers,"
            " or all of them text"
        ) from None
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _dense(x: Any, called: str) -> Any:
    """A sparse matrix as an array; anything else as it is."""
    if not type(x).__module__.startswith("scipy.sparse"):
        return x
    if len(x.shape) == 2:
        check_memory(called, *x.shape)
    return x.toarray()


def _as_array(x: Any, called: str, accepted: str) -> np.ndarray:
    if not (isinstance(x, list | tuple | np.ndarray) or hasattr(x, "__array__")):
        raise DataError(f"{called} is a {type(x).__name__}; accepted is {accepted}")
    try:
        return np.asarray(x)
    except (ValueError, TypeError, OverflowError) as error:
        ragged = "inhomogeneous" in str(error)
        what = "has rows of unequal lengths" if ragged else f"cannot be read ({line_of(error)})"
        raise DataError(f"{called} {what}; accepted is {accepted}") from None


def _what(array: np.ndarray) -> str:
    if array.dtype != object:
        return "text" if array.dtype.kind in "US" else str(array.dtype)
    kinds = sorted({type(value).__name__ for value in array.ravel()[:1000].tolist()})
    return f"objects ({', '.join(kinds[:4])})"


def _plain(y: np.ndarray, called: str) -> np.ndarray:
    """An array of objects, as pandas has them, as one of text or numbers."""
    values = y.ravel().tolist()
    for accepted, dtype in ((str, str), (bool | np.bool_, bool), (int | np.integer, None), (int | float, float)):
        if values and all(isinstance(value, accepted) for value in values):
            return np.array(values, dtype).reshape(y.shape)
    raise DataError(f"{called} is an array of {_what(y)}; accepted is {TARGETS} of whole numbers, text or numbers")
