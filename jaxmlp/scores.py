"""The score beside a loss, as files name it and people read it: accuracy, or R2 of values."""

from collections.abc import Iterable
from typing import NamedTuple


class Score(NamedTuple):
    """A measure of which more is better, and 1 is all."""

    name: str  # in files
    title: str
    factor: int  # by which it is written: 100, in per cent
    unit: str
    digits: int

    def text(self, value: float | int) -> str:
        """As it is written in a line: 97.50 %, 0.9312."""
        return f"{self.factor * value:.{self.digits}f}{self.unit}"

    def pair(self, mean: float | int, std: float | int | None) -> str:
        """A mean, and its standard deviation if there is one: 97.50 ± 0.25 %."""
        spread = "" if std is None else f" ± {self.factor * std:.{self.digits}f}"
        return f"{self.factor * mean:.{self.digits}f}{spread}{self.unit}"


ACCURACY = Score("accuracy", "accuracy", 100, " %", 2)
R2 = Score("r2", "R2", 1, "", 4)


def score_of(names: Iterable[str]) -> Score:
    """The score that a file has, by the names of its columns, such as validation_r2: R2 if there is one, else accuracy."""
    return R2 if any(name == R2.name or name.endswith(f"_{R2.name}") for name in names) else ACCURACY
