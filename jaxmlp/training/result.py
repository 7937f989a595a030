"""What `fit` returns: the trained network, and how it was trained."""

from dataclasses import asdict
from typing import Any, NamedTuple

from jaxmlp import display
from jaxmlp.errors import UsageError
from jaxmlp.fields import flat, shown
from jaxmlp.nn.network import Params
from jaxmlp.spec import Spec
from jaxmlp.training.epochs import Epoch, Measured
from jaxmlp.training.loop import TrainState
from jaxmlp.training.model import Model


class Fit(NamedTuple):
    """A trained network and how it was trained."""

    model: Model  # of the best epoch
    state: TrainState  # after the last epoch
    epochs: list[Epoch]
    best_epoch: int  # the one of the lowest watched value (`training.monitor`); 0 where none was finite
    stop_reason: str  # early_stopping, max_epochs, diverged; stopped: by a callback; interrupted: by Ctrl-C
    validation: Measured  # of `model`, like test
    test: Measured
    compile_seconds: float

    @property
    def params(self) -> Params:
        """The weights of the best epoch."""
        return self.model.params

    @property
    def history(self) -> dict[str, list[Any]]:
        """The epochs as columns, a value an epoch: `pandas.DataFrame(fit.history)` or `polars.DataFrame(fit.history)`."""
        columns: dict[str, list[Any]] = {
            "epoch": [epoch.epoch for epoch in self.epochs],
            "learning_rate": [epoch.learning_rate for epoch in self.epochs],
        }
        score = "r2" if self.validation.correct is None else "accuracy"
        for split in ("train", "validation"):
            measured = [getattr(epoch, split) for epoch in self.epochs]
            columns[f"{split}_loss"] = [of_epoch.loss for of_epoch in measured]
            columns[f"{split}_{score}"] = [getattr(of_epoch, score) for of_epoch in measured]
        columns["seconds"] = [epoch.seconds for epoch in self.epochs]
        if any(epoch.disagreement is not None for epoch in self.epochs):
            columns["gradient_disagreement"] = [epoch.disagreement for epoch in self.epochs]
        return columns

    @property
    def _ending(self) -> str:
        reason = self.stop_reason.replace("_", " ")
        return f"{display.sizes(self.params)}: {reason} after epoch {len(self.epochs)}, best epoch {self.best_epoch}"

    def __repr__(self) -> str:
        return f"Fit({self._ending}\n  validation: {self.validation}\n  test:       {self.test}\n)"

    def _repr_html_(self) -> str:
        rows = [
            (name, f"{split.loss:.4f}", *split.shown())
            for name, split in (("validation", self.validation), ("test", self.test))
        ]
        losses = {name: [getattr(epoch, name).loss for epoch in self.epochs] for name in ("train", "validation")}
        table = display.table(f"Fit {self._ending}", ("split", "loss", *self.test.names()), rows)
        return table + display.curves("loss", losses, self.best_epoch)


def check_start(spec: Spec, start: Fit) -> None:
    """Raise UsageError for the first thing in which the spec of an earlier training differs, but for max_epochs."""
    here, there = dict(flat(asdict(spec))), dict(flat(asdict(start.model.spec)))
    for key in here:
        if key != "training.max_epochs" and here[key] != there[key]:
            raise UsageError(
                f"start was trained with {key} {shown(there[key])}, the spec has {shown(here[key])}; accepted is the same"
                " spec, but for max_epochs"
            )
