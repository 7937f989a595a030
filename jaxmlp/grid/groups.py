"""A whole grid of trainings: grouped by what is compiled, advanced call by call, pruned at rungs, stopped and resumed.

Trials differ in numbers and seeds (traced), groups in what fixes a shape or a code path. Groups run one after the other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from jaxmlp.grid.program import Devices
from jaxmlp.grid.pruning import survivors
from jaxmlp.grid.scheduler import Call, Ended, Packing, Scheduler, Trial
from jaxmlp.grid.snapshots import Snapshot
from jaxmlp.spec import Spec, Splits


class Group(NamedTuple):
    """Trials that one compiled program serves."""

    spec: Spec
    trials: Mapping[int, Trial]  # by number; of a grid over several processes, those of this one
    splits: Callable[[], Splits]  # read when the group's turn comes


class Rungs(NamedTuple):
    """When configurations are taken out, and how many go on; `configurations` says which one each trial belongs to."""

    epochs: tuple[int, ...] = ()
    keep: float = 1.0
    configurations: Sequence[int] = ()


NO_RUNGS = Rungs()


@runtime_checkable
class Host(Protocol):
    """Who is told what happens, between two calls of the program; and speaks with the other processes, if there are any."""

    def called(self, grid: "Grid", call: Call | None) -> bool:
        """A call is over (None: nothing was left to do here). Returns whether any process has one to go in this group."""
        ...

    def gathered(self, scores: dict[int, float]) -> dict[int, float]:
        """The scores of all trials, from those of this process."""
        ...

    def pruned(self, grid: "Grid", ended: dict[int, list[Ended]]) -> None:
        """Trials were taken out at a rung: those of each group."""


class Grid:
    """Groups of trials on the devices of this process, and how far they have come."""

    def __init__(
        self,
        groups: Sequence[Group],
        settings: Sequence[Packing],
        devices: Devices,
        rungs: Rungs = NO_RUNGS,
        *,
        alone: bool = False,
    ) -> None:
        self.groups, self.rungs = groups, rungs
        self.schedulers = [
            Scheduler(group.spec, group.trials, devices, setting, alone=alone)
            for group, setting in zip(groups, settings, strict=True)
        ]
        longest = max(group.spec.training.max_epochs for group in groups)
        self.stages = (*rungs.epochs, longest)
        self.stage, self.group = 0, 0
        self.entered = False  # the group has begun this stage
        self.out: set[int] = set()  # configurations that were pruned

    @property
    def scheduler(self) -> Scheduler:
        """The trials at work."""
        return self.schedulers[self.group]

    @property
    def compiles(self) -> int:
        """Programs that have been compiled for calls."""
        return sum(len(scheduler.programs.shapes) for scheduler in self.schedulers)

    @property
    def compile_seconds(self) -> float:
        """What compiling them took."""
        return sum(scheduler.programs.compile_seconds for scheduler in self.schedulers)

    def run(self, host: Host) -> None:
        """Train all trials to their ends, from where the grid stands. The host may leave by an exception."""
        while self.stage < len(self.stages):
            while self.group < len(self.groups):
                self._run_group(host)
                self.group += 1
            self.group = 0
            if self.stage < len(self.rungs.epochs):
                host.pruned(self, self._prune(host))
            self.stage += 1

    def _run_group(self, host: Host) -> None:
        group, scheduler = self.groups[self.group], self.scheduler
        if not self.entered:
            scheduler.enter(min(self.stages[self.stage], group.spec.training.max_epochs))
            self.entered = True
        if scheduler.seated:
            scheduler.load(group.splits())
        while host.called(self, scheduler.call() if scheduler.seated else None):
            pass
        scheduler.unload()
        self.entered = False

    def _prune(self, host: Host) -> dict[int, list[Ended]]:
        """Take out the configurations that are not among the best at this rung; returns those that had not ended."""
        mine = {
            number: scheduler.best.get(number, np.inf) for scheduler in self.schedulers for number in scheduler.numbers
        }
        scores: dict[int, list[float]] = {}
        for number, score in sorted(host.gathered(mine).items()):
            configuration = self.rungs.configurations[number]
            if configuration not in self.out:
                scores.setdefault(configuration, []).append(score)
        self.out |= set(scores) - survivors(scores, self.rungs.keep)
        taken = {}
        for group, scheduler in enumerate(self.schedulers):
            taken[group] = scheduler.prune(i for i in scheduler.numbers if self.rungs.configurations[i] in self.out)
        return taken

    def snapshot(self) -> tuple[list[Snapshot], dict[str, Any]]:
        """All it takes to go on: of every group, and where the grid stands (what JSON can hold)."""
        at = {"stage": self.stage, "group": self.group, "entered": self.entered, "out": sorted(self.out)}
        return [scheduler.snapshot() for scheduler in self.schedulers], at

    def restore(self, snapshots: Sequence[Snapshot], at: Mapping[str, Any]) -> None:
        """Go on from a snapshot of this grid."""
        self.stage, self.group, self.entered, self.out = at["stage"], at["group"], at["entered"], set(at["out"])
        for scheduler, snapshot in zip(self.schedulers, snapshots, strict=True):
            scheduler.restore(snapshot)
