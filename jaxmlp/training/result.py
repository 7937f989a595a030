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
    def summary(self) -> dict[str, Any]:
        """How it ended, as in the summary.json of a run."""
        measured = {name: part.to_json() for name, part in self._measured.items()}
        ended = {"best_epoch": self.best_epoch, "epochs_run": len(self.epochs), "stop_reason": self.stop_reason}
        return measured | ended

    @property
    def _measured(self) -> dict[str, Measured]:
        """Of the splits that have examples."""
        splits = {"validation": self.validation, "test": self.test}
        return {name: measured for name, measured in splits.items() if measured.count}

    @property
    def _ending(self) -> str:
        reason = self.stop_reason.replace("_", " ")
        return f"{display.sizes(self.params)}: {reason} after epoch {len(self.epochs)}, best epoch {self.best_epoch}"

    def __repr__(self) -> str:
        lines = [f"  {name + ':':<11} {measured}\n" for name, measured in self._measured.items()]
        return f"Fit({self._ending}\n{''.join(lines)})"

    def _repr_html_(self) -> str:
        rows = [(name, f"{part.loss:.4f}", *part.shown()) for name, part in self._measured.items()]
        losses = {name: [getattr(epoch, name).loss for epoch in self.epochs] for name in ("train", "validation")}
        table = display.table(f"Fit {self._ending}", ("split", "loss", *self.test.names()), rows)
        return table + display.curves("loss", losses, self.best_epoch)


def check_start(spec: Spec, start: Any) -> None:
    """Raise UsageError for what is no Fit, or of a spec that differs in more than max_epochs; it names the first thing."""
    if not isinstance(start, Fit):
        raise UsageError(f"start is a {type(start).__name__}; accepted is a Fit, as fit returns it")
    here, there = dict(flat(asdict(spec))), dict(flat(asdict(start.model.spec)))
    for key in here:
        if key != "training.max_epochs" and here[key] != there[key]:
            raise UsageError(
                f"start was trained with {key} {shown(there[key])}, the spec has {shown(here[key])}; accepted is the same"
                " spec, but for max_epochs"
            )
