"""The columns of a table: how its numbers and categories become the inputs of a network."""

from typing import Any, NamedTuple


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
    """The columns in the order of their inputs. A table may bring them in any order, and others beside them."""

    columns: tuple[Column, ...]

    @property
    def inputs(self) -> int:
        """How many inputs they become together: D."""
        return sum(column.inputs for column in self.columns)

    def to_json(self) -> list[dict[str, Any]]:
        """As they are kept with a model."""
        return [column._asdict() for column in self.columns]

    @classmethod
    def from_json(cls, content: Any) -> "Columns":
        """The inverse of `to_json`. Raises ValueError for anything else."""
        try:
            columns = tuple(_column(**entry) for entry in content)
        except TypeError as error:
            raise ValueError(f"its columns are of another form ({error})") from None
        if not columns or len({column.name for column in columns}) != len(columns):
            raise ValueError("its columns are none, or of the same name")
        return cls(columns)


def _column(name: str, categories: list[str] | None, median: float, indicator: bool) -> Column:
    """A column as it was kept. Raises ValueError for values of other types."""
    words = [name, *(categories or [])]
    if not all(type(word) is str for word in words) or type(indicator) is not bool or type(median) not in (int, float):
        raise ValueError(f"its column {name!r} is of another form")
    if categories is not None and len(set(categories)) != len(categories):
        raise ValueError(f"its column {name!r} has a category twice")
    return Column(name, None if categories is None else tuple(categories), float(median), indicator)
