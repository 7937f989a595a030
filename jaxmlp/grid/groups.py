"""A whole grid of trainings: grouped by what is compiled, advanced call by call, pruned at rungs, stopped and resumed.

Members differ in numbers and seeds (traced), groups in what fixes a shape or a code path. Groups run one after the other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from jaxmlp.grid.program import Devices
from jaxmlp.grid.pruning import survivors
from jaxmlp.grid.scheduler import Call, Cohort, Ended, Member, Packing
from jaxmlp.grid.snapshots import Snapshot
from jaxmlp.spec import Spec, Splits


class Group(NamedTuple):
    """Members that one compiled program serves."""

    spec: Spec
    members: Mapping[int, Member]  # by number; of a grid over several processes, those of this one
    splits: Callable[[], Splits]  # read when the group's turn comes


class Rungs(NamedTuple):
    """When configurations are taken out, and how many go on; `configurations` says which one each member belongs to."""

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
        """The scores of all members, from those of this process."""
        ...

    def pruned(self, grid: "Grid", ended: dict[int, list[Ended]]) -> None:
        """Members were taken out at a rung: those of each group."""


class Grid:
    """Groups of members on the devices of this process, and how far they have come."""

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
        self.cohorts = [
            Cohort(group.spec, group.members, devices, setting, alone=alone)
            for group, setting in zip(groups, settings, strict=True)
        ]
        longest = max(group.spec.training.max_epochs for group in groups)
        self.stages = (*rungs.epochs, longest)
        self.stage, self.group = 0, 0
        self.entered = False  # the group has begun this stage
        self.out: set[int] = set()  # configurations that were pruned

    @property
    def cohort(self) -> Cohort:
        """The members at work."""
        return self.cohorts[self.group]

    @property
    def compiles(self) -> int:
        """Programs that have been compiled for calls."""
        return sum(len(cohort.programs.shapes) for cohort in self.cohorts)

    @property
    def compile_seconds(self) -> float:
        """What compiling them took."""
        return sum(cohort.programs.compile_seconds for cohort in self.cohorts)

    def run(self, host: Host) -> None:
        """Train all members to their ends, from where the grid stands. The host may leave by an exception."""
        while self.stage < len(self.stages):
            while self.group < len(self.groups):
                self._run_group(host)
                self.group += 1
            self.group = 0
            if self.stage < len(self.rungs.epochs):
                host.pruned(self, self._prune(host))
            self.stage += 1

    def _run_group(self, host: Host) -> None:
        group, cohort = self.groups[self.group], self.cohort
        if not self.entered:
            cohort.enter(min(self.stages[self.stage], group.spec.training.max_epochs))
            self.entered = True
        if cohort.seated:
            cohort.load(group.splits())
        while host.called(self, cohort.call() if cohort.seated else None):
            pass
        cohort.unload()
        self.entered = False

    def _prune(self, host: Host) -> dict[int, list[Ended]]:
        """Take out the configurations that are not among the best at this rung; returns those that had not ended."""
        mine = {number: cohort.best.get(number, np.inf) for cohort in self.cohorts for number in cohort.numbers}
        scores: dict[int, list[float]] = {}
        for number, score in sorted(host.gathered(mine).items()):
            configuration = self.rungs.configurations[number]
            if configuration not in self.out:
                scores.setdefault(configuration, []).append(score)
        self.out |= set(scores) - survivors(scores, self.rungs.keep)
        taken = {}
        for group, cohort in enumerate(self.cohorts):
            taken[group] = cohort.prune(i for i in cohort.numbers if self.rungs.configurations[i] in self.out)
        return taken

    def snapshot(self) -> tuple[list[Snapshot], dict[str, Any]]:
        """All it takes to go on: of every group, and where the grid stands (what JSON can hold)."""
        at = {"stage": self.stage, "group": self.group, "entered": self.entered, "out": sorted(self.out)}
        return [cohort.snapshot() for cohort in self.cohorts], at

    def restore(self, snapshots: Sequence[Snapshot], at: Mapping[str, Any]) -> None:
        """Go on from a snapshot of this grid."""
        self.stage, self.group, self.entered, self.out = at["stage"], at["group"], at["entered"], set(at["out"])
        for cohort, snapshot in zip(self.cohorts, snapshots, strict=True):
            cohort.restore(snapshot)
