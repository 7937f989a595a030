"""The columns of a table: how its numbers and categories become the inputs of a network."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmlp.data.arrow import as_floats, as_text, is_categorical, is_numeric
from jaxmlp.data.memory import check_memory
from jaxmlp.errors import DataError, line_of, nearest
from jaxmlp.fields import shown
from jaxmlp.text import count

SPELT = {
    "true": ("true", "True", "TRUE", "1"),
    "false": ("false", "False", "FALSE", "0"),
}  # in a CSV, as Arrow reads it
MOST_CATEGORIES = 1000  # of a column: one of more is an identifier or a text, and each category costs an input
MOST_STRANGE, FEWEST_NUMBERS = 3, 10  # different values of a column of text that was likely meant as one of numbers


class Column(NamedTuple):
    """One column: numbers, which are one input; or categories, one input each."""

    name: str
    categories: tuple[str, ...] | None = None  # in the order of their inputs; None: numbers
    median: float = 0.0  # of the training examples; it stands where a number is missing
    indicator: bool = False  # whether one more input is 1 where the value is missing

    @property
    def inputs(self) -> int:
        """How many inputs it becomes."""
        return (1 if self.categories is None else len(self.categories)) + self.indicator


class Columns(NamedTuple):
    """The columns in the order of their inputs. A table may bring them in any order, and others beside them.

    A number is one input, which `Preparation` standardises; a missing one is the median of the training examples. A
    category is 1 at its own input, and 0 at the others of its column; a missing or unknown one is 0 at all of them. Where
    training examples had missing values, one more input says where.
    """

    columns: tuple[Column, ...]

    @property
    def inputs(self) -> int:
        """How many inputs they become together: D."""
        return sum(column.inputs for column in self.columns)

    @property
    def text(self) -> tuple[str, ...]:
        """The names of the columns of categories: a CSV may hold only those that look like numbers or dates."""
        return tuple(column.name for column in self.columns if column.categories is not None)

    def numbers(self) -> np.ndarray:
        """Which inputs are numbers [D], to be standardised; the others are 0 or 1."""
        return np.concatenate([np.arange(c.inputs) < (c.categories is None) for c in self.columns])

    def encode(self, table: Any, called: str, on_message: Callable[[str], object]) -> np.ndarray:
        """The inputs of a table, float64 [N, D]. What is passed over is counted, and said.

        Raises DataError for a missing column, and for values of another kind than those trained on.
        """
        names = [column.name for column in self.columns]
        if absent := [name for name in names if name not in table.column_names]:
            hint = nearest(absent[0], set(table.column_names) - set(names))
            if hint.startswith("known: "):
                present = ", ".join(map(shown, table.column_names[:10])) + (", ..." if table.num_columns > 10 else "")
                hint = f"it has {present or 'none'}"
            listed = ", ".join(map(shown, absent[:5])) + (", ..." if len(absent) > 5 else "")
            raise DataError(f"{called}: no column {listed}, which the network was trained on; {hint}")
        if extra := [name for name in table.column_names if name not in names]:
            listed = ", ".join(map(shown, extra[:5])) + (", ..." if len(extra) > 5 else "")
            on_message(f"{called}: {count(len(extra), 'column')} not trained on, ignored: {listed}")
        check_memory(called, table.num_rows, self.inputs)
        x = np.zeros((table.num_rows, self.inputs))  # [N, D]
        first = 0
        for column in self.columns:
            part = x[:, first : first + column.inputs]
            _encode(column, table.column(column.name), part, f"{called}: column {shown(column.name)}", on_message)
            first += column.inputs
        return x

    def to_json(self) -> list[dict[str, Any]]:
        """As they are kept with a model."""
        return [column._asdict() for column in self.columns]

    @classmethod
    def from_json(cls, content: Any) -> "Columns":
        """The inverse of `to_json`. Raises ValueError for anything else."""
        try:
            columns = tuple(_from_json(**entry) for entry in content)
        except TypeError as error:
            raise ValueError(f"its columns are of another form ({line_of(error)})") from None
        if not columns or len({column.name for column in columns}) != len(columns):
            raise ValueError("its columns are none, or of the same name")
        return cls(columns)


def columns_of(table: Any, called: str, on_message: Callable[[str], object]) -> Columns:
    """The columns of the training examples: categories, medians, and where values are missing. Raises DataError.

    `on_message` is told of columns that are text because of few values that are no numbers.
    """
    if not table.num_columns:
        raise DataError(f"{called}: no column is left to learn from")
    return Columns(tuple(_column(name, table.column(name), called, on_message) for name in table.column_names))


def check_types(table: Any, called: str) -> None:
    """Raise DataError for the first column that holds neither numbers nor categories."""
    import pyarrow as pa

    for field in table.schema:
        if not (is_numeric(field.type) or is_categorical(field.type) or pa.types.is_null(field.type)):
            raise DataError(
                f"{called}: column {shown(field.name)} is {field.type}; accepted are numbers, text, true and false, and"
                f" categories: make it one of them, or leave it out{'' if called == 'X' else ' (data.leave_out)'}"
            )


def _column(name: str, chunked: Any, called: str, on_message: Callable[[str], object]) -> Column:
    where, values = f"{called}: column {shown(name)}", chunked.combine_chunks()
    if len(values) == values.null_count:
        raise DataError(f"{where} has no value in the training rows; leave it out")
    if is_numeric(values.type):
        numbers = as_floats(values)
        missing = np.isnan(numbers)
        if missing.all():
            raise DataError(f"{where} has no number in the training rows; leave it out")
        if np.isinf(numbers).any():
            raise DataError(f"{where} has {count(int(np.isinf(numbers).sum()), 'infinite value')}; clean it first")
        return Column(name, None, float(np.median(numbers[~missing])), bool(missing.any()))
    counts = {entry["values"]: entry["counts"] for entry in as_text(values.drop_null()).value_counts().to_pylist()}
    cause = _why_text(counts)
    if len(counts) > MOST_CATEGORIES:
        raise DataError(
            f"{where} has {len(counts):,} different values; accepted are at most {MOST_CATEGORIES:,} categories: leave"
            f" it out, or make numbers of it{cause and f' (it {cause})'}"
        )
    column = Column(name, tuple(sorted(counts)), 0.0, values.null_count > 0)
    if cause:
        on_message(
            f"{where} {cause}, and becomes {column.inputs:,} inputs; leave these values empty to learn from numbers"
        )
    return column


def _why_text(counts: Mapping[str, int]) -> str:
    """The clause that a column is text because of few different values that are no numbers; empty where it is not."""
    strange = [name for name in counts if not _is_number(name)]
    if not 0 < len(strange) <= MOST_STRANGE or len(counts) < FEWEST_NUMBERS + len(strange):
        return ""
    return (
        f"is text because of {count(sum(counts[name] for name in strange), 'value')}: {', '.join(map(shown, strange))}"
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and text == text.strip() and "_" not in text  # as Arrow has it


def _encode(column: Column, chunked: Any, x: np.ndarray, where: str, on_message: Callable[[str], object]) -> None:
    """Fill the inputs [N, *] of one column, which are 0."""
    import pyarrow as pa
    from pyarrow import compute

    values = chunked.combine_chunks()
    if column.categories is None:
        numbers = _as_numbers(values, where)
        missing = np.isnan(numbers)
        if np.isinf(numbers).any():
            raise DataError(f"{where} has {count(int(np.isinf(numbers).sum()), 'infinite value')}; clean it first")
        x[:, 0] = np.where(missing, column.median, numbers)
    else:
        text = _as_categories(values, where)
        missing = text.is_null().to_numpy(zero_copy_only=False)
        of_truths = set(column.categories) <= SPELT.keys()
        spellings = [SPELT[name] if of_truths else (name,) for name in column.categories]
        options = compute.SetLookupOptions(pa.array([word for words in spellings for word in words], text.type))
        spelling = compute.call_function("index_in", [text], options).fill_null(-1).to_numpy()
        places = np.array([k for k, words in enumerate(spellings) for _ in words] + [-1])[spelling]
        known = np.flatnonzero((places >= 0) & ~missing)
        x[known, places[known]] = 1
        if unknown := len(places) - len(known) - int(missing.sum()):
            strange = text.filter(pa.array((places < 0) & ~missing)).unique().to_pylist()
            listed = ", ".join(map(shown, strange[:3])) + (", ..." if len(strange) > 3 else "")
            on_message(f"{where} has {count(unknown, 'value')} of unknown categories, taken as none: {listed}")
    if column.indicator:
        x[:, -1] = missing
    elif missing.any():
        instead = "none" if column.categories is not None else f"{column.median:g}"
        several = count(int(missing.sum()), "missing value")
        on_message(f"{where} has {several}, and had none in training: taken as {instead}")


def _as_numbers(values: Any, where: str) -> np.ndarray:
    """Numbers as float64. Raises DataError for text that says none."""
    import pyarrow as pa

    try:
        if is_numeric(values.type) or pa.types.is_null(values.type):
            return as_floats(values)
        if is_categorical(values.type) and not pa.types.is_boolean(values.type):
            return as_floats(as_text(values))
    except pa.ArrowException:
        row, word = next(
            (n, v) for n, v in enumerate(as_text(values).to_pylist(), 1) if v is not None and not _is_number(v)
        )
        raise DataError(f"{where} was trained on as numbers; row {row:,} has {shown(word)}") from None
    raise DataError(f"{where} is {values.type}; it was trained on as numbers")


def _as_categories(values: Any, where: str) -> Any:
    """Categories as text. Raises DataError for values of another kind."""
    import pyarrow as pa

    if is_categorical(values.type) or pa.types.is_integer(values.type) or pa.types.is_null(values.type):
        return as_text(values)
    if pa.types.is_floating(values.type) and np.isnan(as_floats(values)).all():  # a column of which all are missing
        return pa.nulls(len(values), pa.string())
    raise DataError(f"{where} is {values.type}; it was trained on as categories: give it as text")


def _from_json(name: str, categories: Sequence[str] | None, median: float, indicator: bool) -> Column:
    """A column as it was kept. Raises ValueError for values of other types."""
    words = [name, *(categories or [])]
    if not all(type(word) is str for word in words) or type(indicator) is not bool or type(median) not in (int, float):
        raise ValueError(f"its column {shown(name)} is of another form")
    if not np.isfinite(median) or (categories is not None and not 0 < len(set(categories)) == len(categories)):
        raise ValueError(f"its column {shown(name)} has no categories, one twice, or a median that is not finite")
    return Column(name, None if categories is None else tuple(categories), float(median), indicator)
