"""A whole grid of trainings: grouped by what is compiled, advanced call by call, pruned at rungs, stopped and resumed.

Trials differ in hyperparameters and seeds (traced), groups in what fixes a shape or a code path. Groups run one after the
other.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmlp.grid.packing import Packing
from jaxmlp.grid.program import Devices
from jaxmlp.grid.pruning import Prune, survivors
from jaxmlp.grid.results import TrialResult
from jaxmlp.grid.scheduler import Call, Scheduler
from jaxmlp.grid.snapshots import Snapshot
from jaxmlp.grid.trials import Trial
from jaxmlp.spec import Spec, Splits
from jaxmlp.training.callbacks import Callbacks

NO_CALL = Call([])


class Stopped(Exception):  # noqa: N818
    """Training was asked to stop between two calls."""


class Group(NamedTuple):
    """Trials that one compiled program serves."""

    spec: Spec
    trials: Mapping[int, Trial]  # by number; of a grid over several processes, those of this one
    splits: Callable[[], Splits]  # read when the group begins a stage


class Best(NamedTuple):
    """The best of the finished trials."""

    group: int
    result: TrialResult


class GridSnapshot(NamedTuple):
    """All it takes to resume a grid."""

    groups: list[Snapshot]
    position: dict[str, Any]  # the current stage and group, and the pruned configurations, for JSON
    best: Best | None


def trained_again(
    snapshot: GridSnapshot, trials: Sequence[Collection[int]], lost: Collection[int], stages: int
) -> GridSnapshot:
    """The snapshot of a grid whose finished trials `lost` are to be trained again, because their results were lost.

    `trials` are those of this process in each group; `stages` is how many the grid has (one more than rungs).
    """
    groups = []
    for group, numbers in zip(snapshot.groups, trials, strict=True):
        unbegun = sorted({*group.facts["unbegun"], *(set(lost) & set(numbers))})
        groups.append(group._replace(facts=group.facts | {"unbegun": unbegun}))
    stage = min(snapshot.position["stage"], stages - 1)
    return snapshot._replace(
        groups=groups, position=snapshot.position | {"stage": stage, "group": 0, "in_stage": False}
    )


class Exchange:
    """What happens between two calls of a grid's programs. Subclasses write results and exchange them between processes."""

    def after_call(self, grid: "Grid", call: Call) -> bool:
        """Take the finished trials of a call; returns whether any process has another call in this group and stage.

        NO_CALL is given where this process has none. To stop, raise `Stopped`.
        """
        return grid.scheduler.has_call

    def gather(self, scores: dict[int, float]) -> dict[int, float]:
        """The scores of all trials, from those of this process."""
        return scores


class Grid:
    """Groups of trials on the devices of this process, with the current stage and group.

    At the rungs of `prune` the worse configurations are pruned; `configurations` holds the configuration of each trial.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        packings: Sequence[Packing],
        devices: Devices,
        prune: Prune | None = None,
        configurations: Sequence[int] = (),
        *,
        alone: bool = False,
        callbacks: Callbacks | None = None,
    ) -> None:
        self.groups, self.prune, self.configurations = groups, prune, configurations
        self.schedulers = [
            Scheduler(group.spec, group.trials, devices, packing, alone=alone, callbacks=callbacks)
            for group, packing in zip(groups, packings, strict=True)
        ]
        longest = max(group.spec.training.max_epochs for group in groups)
        self.stages = (*(prune.rung_epochs if prune else ()), longest)
        self.stage, self.group = 0, 0
        self.in_stage = False  # the group has begun this stage
        self.pruned: set[int] = set()  # configurations
        self.best: Best | None = None

    @property
    def scheduler(self) -> Scheduler:
        """The trials of the current group."""
        return self.schedulers[self.group]

    @property
    def compiles(self) -> int:
        """Programs that were compiled for this grid."""
        return sum(scheduler.programs.compiles for scheduler in self.schedulers)

    @property
    def compile_seconds(self) -> float:
        """The seconds it took to compile them."""
        return sum(scheduler.programs.compile_seconds for scheduler in self.schedulers)

    def run(self, exchange: Exchange) -> None:
        """Train all trials until they finish, from the current stage and group on."""
        while self.stage < len(self.stages):
            while self.group < len(self.groups):
                self._run_group(exchange)
                self.group += 1
            self.group = 0
            self.stage += 1
            if self.stage < len(self.stages):
                exchange.after_call(self, Call(self._prune(exchange)))

    def _run_group(self, exchange: Exchange) -> None:
        group, scheduler = self.groups[self.group], self.scheduler
        if not self.in_stage:
            scheduler.begin_stage(min(self.stages[self.stage], group.spec.training.max_epochs))
            self.in_stage = True
        if scheduler.has_call:
            scheduler.load(group.splits())
        while True:
            call = scheduler.call() if scheduler.has_call else NO_CALL
            for result in call.finished:
                self._keep_best(self.group, result)
            if not exchange.after_call(self, call):
                break
        scheduler.unload()
        self.in_stage = False

    def _prune(self, exchange: Exchange) -> list[TrialResult]:
        """Finish the trials of all configurations that are not among the best at this rung."""
        assert self.prune is not None
        own_scores = {
            trial: scheduler.lowest_losses.get(trial, np.inf)
            for scheduler in self.schedulers
            for trial in scheduler.trials
        }
        scores: dict[int, list[float]] = {}
        for trial, score in sorted(exchange.gather(own_scores).items()):
            configuration = self.configurations[trial]
            if configuration not in self.pruned:
                scores.setdefault(configuration, []).append(score)
        self.pruned |= set(scores) - survivors(scores, self.prune.keep)
        finished = []
        for group, scheduler in enumerate(self.schedulers):
            pruned = [trial for trial in scheduler.trials if self.configurations[trial] in self.pruned]
            for result in scheduler.finish(pruned, "pruned"):
                self._keep_best(group, result)
                finished.append(result)
        return finished

    def _keep_best(self, group: int, result: TrialResult) -> None:
        if result.rank < (self.best.result.rank if self.best else (np.inf, 0)):
            self.best = Best(group, result)

    def finish_all(self) -> list[TrialResult]:
        """End all unfinished trials where they are, with the status "stopped"."""
        finished = []
        for group, scheduler in enumerate(self.schedulers):
            for result in scheduler.finish_all():
                self._keep_best(group, result)
                finished.append(result)
        return finished

    def group_of(self, trial: int) -> int:
        """The group of a trial of this process."""
        return next(number for number, group in enumerate(self.groups) if trial in group.trials)

    def snapshot(self) -> GridSnapshot:
        """All it takes to resume this grid."""
        position = {
            "stage": self.stage,
            "group": self.group,
            "in_stage": self.in_stage,
            "pruned": sorted(self.pruned),
        }
        return GridSnapshot([scheduler.snapshot() for scheduler in self.schedulers], position, self.best)

    def restore(self, snapshot: GridSnapshot) -> None:
        """Go on from a snapshot of this grid."""
        position = snapshot.position
        self.stage, self.group, self.in_stage = position["stage"], position["group"], position["in_stage"]
        self.pruned, self.best = set(position["pruned"]), snapshot.best
        for scheduler, group_snapshot in zip(self.schedulers, snapshot.groups, strict=True):
            scheduler.restore(group_snapshot)
