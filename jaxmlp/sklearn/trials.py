"""Many fits of estimators as trials of few programs: those of one network on the same rows are a group of the grid."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import jax

from jaxmlp.grid import sizing
from jaxmlp.grid.fit_grid import train_groups
from jaxmlp.grid.results import TrialResult
from jaxmlp.grid.trials import Trial
from jaxmlp.grid.units import Group, Record
from jaxmlp.nn.network import Params
from jaxmlp.spec import Hyper, Spec, Splits
from jaxmlp.training.callbacks import Callbacks


class PlannedFit(NamedTuple):
    """A fit that is to be trained; fits of one part of the data have the same `splits`, the object itself."""

    spec: Spec
    hyper: Hyper
    seed: int
    splits: Splits


class TrainedFit(NamedTuple):
    """What a fit has come to."""

    params: Params  # NumPy: after the last epoch, or of the best where the score on validation examples is watched
    epochs: int
    converged: bool  # early stopping has ended it before max_iter


class TrainedFits(NamedTuple):
    """All fits, in their order, and how many programs were compiled for them."""

    fits: list[TrainedFit]
    compiles: int


def train(planned: Sequence[PlannedFit]) -> TrainedFits:
    """Train all fits; each comes to the weights it would have alone, to rounding."""
    device = jax.local_devices()[0]
    members: dict[tuple[Spec, int], list[int]] = defaultdict(list)
    for number, fit in enumerate(planned):
        members[fit.spec, id(fit.splits)].append(number)
    trained: dict[int, TrainedFit] = {}

    def trial(number: int) -> Trial:
        return Trial(planned[number].hyper, planned[number].seed)

    def seed(number: int) -> int:
        return planned[number].seed

    def record(result: TrialResult) -> Record:
        """Keep the weights alone: states of the update rule would take several times the memory."""
        watches_score = planned[result.trial].spec.training.monitor == "score"
        params = result.state.best_params if watches_score else result.state.params
        trained[result.trial] = TrainedFit(params, len(result.history), result.status == "early_stopping")
        row = {"trial": result.trial, "status": result.status, "epochs_run": len(result.history)}
        return Record(row | {"validation_loss": None}, {})

    groups = []
    for (spec, _), numbers in members.items():
        numbers.sort(key=lambda number: planned[number].hyper.learning_rate)  # those that end together share a batch
        splits = planned[numbers[0]].splits
        packing = sizing.packing_for(spec, len(splits.train.x), device, len(numbers))
        groups.append(Group(spec, packing, numbers, trial, seed, lambda splits=splits: splits, record))
    if not groups:
        return TrainedFits([], 0)
    _, driver = train_groups(groups, Callbacks(), spare=1)  # 6 to 8 % faster on two cores: networks are small
    return TrainedFits([trained[number] for number in range(len(planned))], driver.compiles)
