"""What is written of a trial: a row of results, and its curve."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax

from jaxmlp.grid.results import TrialResult, sparsity
from jaxmlp.grid.units import Record
from jaxmlp.nn.losses import VALUES
from jaxmlp.spec import Examples
from jaxmlp.sweep.trials import SweepTrial
from jaxmlp.training import fitting
from jaxmlp.training.loop import TrainState

if TYPE_CHECKING:
    from jaxmlp.sweep.groups import SweepGroup


class Recorder:
    """Makes the lines of the trials of a sweep; with `test`, each is evaluated on the test examples too."""

    def __init__(self, trials: Sequence[SweepTrial], groups: "Sequence[SweepGroup]", *, test: bool) -> None:
        self.trials, self.groups, self.test = trials, groups, test
        self.zeros = any(group.spec.training.l1_step == "proximal" for group in groups)
        self._test_examples: tuple[int, Examples] | None = None  # of the current group, on the device

    def record(self, group: int, result: TrialResult) -> Record:
        """The lines of a trial in results.jsonl (`row`) and curves.jsonl (`curve`)."""
        trial = self.trials[result.trial]
        (train, validation, _), values = self.groups[group].examples, self.groups[group].kind == VALUES
        row: dict[str, Any] = {"trial": result.trial}
        row |= {key: list(value) if isinstance(value, tuple) else value for key, value in trial.values.items()}
        row |= {"seed": trial.experiment.seed} | result.row(train, validation, values=values)
        if self.zeros:
            row["zeros"] = sparsity(result.state.best_params, below=0.0)
        if self.test:
            row |= self._tested(group, trial, result.state)
        return Record(row, {"trial": result.trial} | result.curve(train, validation, values=values))

    def _tested(self, group: int, trial: SweepTrial, state: TrainState) -> dict[str, Any]:
        held = self._test_examples  # threads that meet here put a copy each on the device; each uses its own
        if held is None or held[0] != group:
            self._test_examples = held = group, jax.device_put(self.groups[group].data().splits.test)
        params = jax.device_put(state.best_params)
        test = fitting.measure(self.groups[group].spec, trial.experiment.hyper, params, held[1])
        return {f"test_{name}": value for name, value in test.to_json().items()}
