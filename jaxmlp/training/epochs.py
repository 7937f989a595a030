"""The record of an epoch on the host: from the log of the compiled program, to a line of metrics.jsonl and back."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple


class Measured(NamedTuple):
    """The mean loss of some examples, and how many of them are classified correctly: exact counts."""

    loss: float
    correct: int
    count: int  # pyright: ignore[reportIncompatibleMethodOverride]

    @property
    def accuracy(self) -> float:
        """The share of correct examples: an integer over an integer."""
        return self.correct / self.count

    def __str__(self) -> str:
        return f"loss {self.loss:.4f}, accuracy {self.correct:,}/{self.count:,} = {100 * self.accuracy:.2f} %"

    def to_json(self) -> dict[str, Any]:
        """The form in the files of a run."""
        return {"loss": self.loss, "accuracy": self.accuracy, "correct": self.correct, "count": self.count}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "Measured":
        """The inverse of `to_json`."""
        return cls(_number(saved["loss"]), saved["correct"], saved["count"])


class Epoch(NamedTuple):
    """The metrics of one epoch; epochs are counted from 1."""

    epoch: int
    learning_rate: float  # of the last step
    train: Measured  # of the minibatches as they were trained
    validation: Measured
    seconds: float
    disagreement: float | None  # of the two derived gradients, where training.gradient is "both"

    def to_json(self) -> dict[str, Any]:
        """The line of metrics.jsonl."""
        line = self._asdict() | {"train": self.train.to_json(), "validation": self.validation.to_json()}
        disagreement = line.pop("disagreement")
        return line if disagreement is None else line | {"gradient_disagreement": disagreement}

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> "Epoch":
        """The inverse of `to_json`. Raises KeyError or TypeError for a line of another form."""
        return cls(
            epoch=line["epoch"],
            learning_rate=_number(line["learning_rate"]),
            train=Measured.from_json(line["train"]),
            validation=Measured.from_json(line["validation"]),
            seconds=line["seconds"],
            disagreement=_number(line["gradient_disagreement"]) if "gradient_disagreement" in line else None,
        )


def _number(saved: float | None) -> float:
    """Files hold null for each number that is not finite."""
    return math.nan if saved is None else saved
