"""The record of an epoch on the host: from the log of the compiled program, to a line of metrics.jsonl and back."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxmlp.nn.losses import VALUES, kind_of_targets, loss
from jaxmlp.spec import Examples, Spec, Splits
from jaxmlp.training.loop import EpochLog
from jaxmlp.training.validation import counted


class Measured(NamedTuple):
    """The mean loss of some examples, and how good the outputs are: exact counts of classes and labels, or R2 of values."""

    loss: float
    correct: int | None  # examples of the right class, or with all labels right; None for values
    count: int  # pyright: ignore[reportIncompatibleMethodOverride]
    right_labels: int | None = None  # of label sets: single labels that are right
    r2: float | None = None  # of values, like mae
    mae: float | None = None

    @classmethod
    def of_score(cls, loss: float, score: float | int, count: int, *, values: bool) -> "Measured":
        """From the log of an epoch, whose one score is the count of correct examples, or R2."""
        return cls(loss, None, count, r2=float(score)) if values else cls(loss, int(score), count)

    @property
    def score(self) -> float | int:
        """R2 of values, else the count of correct examples: as it stands in the log of an epoch."""
        score = self.correct if self.r2 is None else self.r2
        assert score is not None
        return score

    @property
    def accuracy(self) -> float:
        """The share of correct examples: an integer over an integer; NaN for values, and where there are no examples."""
        return self.correct / self.count if self.correct is not None and self.count else math.nan

    def __str__(self) -> str:
        if self.correct is None:
            mae = "" if self.mae is None else f", mean absolute error {self.mae:.4g}"
            return f"loss {self.loss:.4f}, R2 {self.r2:.4f}{mae} on {self.count:,} examples"
        return f"loss {self.loss:.4f}, accuracy {self.correct:,}/{self.count:,} = {100 * self.accuracy:.2f} %"

    def names(self) -> tuple[str, ...]:
        """What `shown` shows: the heads of columns of a table."""
        if self.correct is None:
            return ("R2", "examples") if self.mae is None else ("R2", "mean absolute error", "examples")
        return ("accuracy", "correct") if self.right_labels is None else ("all labels right", "correct", "right labels")

    def shown(self) -> tuple[str, ...]:
        """The score as people read it first, and the counts behind it."""
        if self.correct is None:
            return (f"{self.r2:.4f}", *(() if self.mae is None else (f"{self.mae:.4g}",)), f"{self.count:,}")
        counts = f"{100 * self.accuracy:.2f} %", f"{self.correct:,} of {self.count:,}"
        return counts if self.right_labels is None else (*counts, f"{self.right_labels:,}")

    def to_json(self) -> dict[str, Any]:
        """The form in the files of a run."""
        if self.correct is None:
            form = {"loss": self.loss, "r2": self.r2, "mae": self.mae, "count": self.count}
        else:
            form = {"loss": self.loss, "accuracy": self.accuracy, "correct": self.correct, "count": self.count}
            form["right_labels"] = self.right_labels
        return {name: value for name, value in form.items() if value is not None or name == "loss"}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "Measured":
        """The inverse of `to_json`."""
        if "r2" not in saved:
            return cls(_number(saved["loss"]), saved["correct"], saved["count"], saved.get("right_labels"))
        mae = _number(saved["mae"]) if "mae" in saved else None
        return cls(_number(saved["loss"]), None, saved["count"], r2=_number(saved["r2"]), mae=mae)


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


def are_values(spec: Spec, examples: Examples) -> bool:
    """Whether the targets are numbers to come near to; else they are classes or labels, which are right or wrong."""
    return kind_of_targets(loss(spec.network.loss), examples.targets) == VALUES


def epoch_row(spec: Spec, splits: Splits, log: EpochLog, index: int, epoch: int, seconds: float) -> Epoch:
    """The record of entry `index` of a log [E]: epoch number `epoch`, which took so many seconds."""
    train, validation = (
        Measured.of_score(
            float(losses[index]), score[index].item(), counted(examples), values=are_values(spec, examples)
        )
        for losses, score, examples in (
            (log.train_loss, log.train_score, splits.train),
            (log.validation_loss, log.validation_score, splits.validation),
        )
    )
    disagreement = float(log.disagreement[index]) if spec.training.gradient == "both" else None
    return Epoch(epoch, float(log.learning_rate[index]), train, validation, seconds, disagreement)
