"""A worker trains units on one device: the same bits wherever, and however often, a unit runs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from jaxmlp.grid.program import Device, Programs
from jaxmlp.grid.results import TrialResult
from jaxmlp.grid.scheduler import Call, Scheduler
from jaxmlp.grid.snapshots import Snapshot
from jaxmlp.grid.units import Done, Group, Record, Unit
from jaxmlp.spec import Splits
from jaxmlp.training.precision import precision


class Saved(NamedTuple):
    """A unit after so many calls: all it takes to go on, and for its trials to go on in the next stage."""

    calls: int
    snapshot: Snapshot
    finished: list[Record]
    best: TrialResult | None  # of the finished trials
    epochs: int  # of all trials together
    seconds: float
    whole: bool = False  # all its trials have finished, or wait for the next stage


@runtime_checkable
class States(Protocol):
    """Where the states of units are kept: a dict, or folders that all workers see."""

    def save(self, unit: Unit, saved: Saved) -> None:
        """Keep the state of an attempt at a unit."""
        ...

    def load(self, name: str) -> Saved | None:
        """The state of the unit of this name that is furthest, of any attempt; None where there is none."""
        ...


class Pulse(NamedTuple):
    """How far a unit is."""

    unit: str
    epochs: int  # of all its trials together
    finished: int  # trials
    running: int
    best: Record | None  # of those that have finished since the last pulse


class Compiling(NamedTuple):
    """A worker compiles a program; `what` names it, such as `784-128-10`."""

    what: str


Emit = Callable[[Pulse | Compiling], None]


class Worker:
    """Trains units of `groups` on a device, one after the other; keeps programs and data from one to the next.

    Args:
        groups: The groups of the grid, by number.
        device: Where their trials are trained.
        states: Where the states of units are kept.
        save_seconds: A unit is saved at most so often, and when it is stopped. None: it is never saved, and its trials
            are ended where they are when it is stopped.
    """

    def __init__(
        self, groups: Sequence[Group], device: Device, states: States, save_seconds: float | None = None
    ) -> None:
        self.groups, self.device, self.states, self.save_seconds = groups, device, states, save_seconds
        self._loaded: tuple[int, Splits, Programs] | None = None  # group, its data on the host, programs

    def run(self, unit: Unit, emit: Emit, stop: Callable[[], bool]) -> Done | None:
        """Train a unit, from where an earlier attempt has saved it; None where it is stopped and saved.

        A pulse is emitted after each call of a program, and `stop` is asked before it.
        """
        with precision(self.groups[unit.group].spec.training):
            return self._train(unit, emit, stop)

    def _train(self, unit: Unit, emit: Emit, stop: Callable[[], bool]) -> Done | None:
        group, programs = self.groups[unit.group], self._programs(unit.group)
        programs.on_compile = lambda what: emit(Compiling(what))
        compiles, compile_seconds = programs.compiles, programs.compile_seconds
        scheduler = Scheduler(
            programs, {number: group.trial(number) for number in unit.trials}, group.packing, unit.until
        )
        saved = self.states.load(unit.name)
        if saved is None:
            scheduler.begin([self._source(name) for name in unit.sources])
            progress = _Progress(group, [], None, 0, 0, 0.0)
        else:
            scheduler.restore(saved.snapshot)
            progress = _Progress(group, list(saved.finished), saved.best, saved.calls, saved.epochs, saved.seconds)
        saved_at, pause = time.monotonic(), self.save_seconds
        while scheduler.has_call and not stop():
            emit(progress.pulse(unit, scheduler, progress.add(scheduler.call())))
            if pause is not None and scheduler.has_call and time.monotonic() - saved_at >= pause:
                begun = time.monotonic()
                self.states.save(unit, progress.saved(scheduler))
                saved_at = time.monotonic()
                pause = max(pause, saved_at - begun)
        if scheduler.has_call and self.save_seconds is not None:
            self.states.save(unit, progress.saved(scheduler))
            return None
        if scheduler.has_call:
            progress.add(Call(scheduler.finish("stopped")))
        waiting = scheduler.results("pruned")
        if waiting:
            self.states.save(unit, progress.saved(scheduler)._replace(whole=True))
        return Done(
            unit.name,
            progress.finished,
            [group.record(result) for result in waiting],
            {trial: scheduler.lowest_losses.get(trial, np.inf) for trial in unit.trials},
            progress.best,
            progress.epochs,
            progress.seconds,
            programs.compiles - compiles,
            programs.compile_seconds - compile_seconds,
            self.device.device_kind,
        )

    def _source(self, name: str) -> Snapshot:
        saved = self.states.load(name)
        if saved is None or not saved.whole:
            raise RuntimeError(f"the states of unit {name} are gone")
        return saved.snapshot

    def _programs(self, number: int) -> Programs:
        """The programs of a group, with its data on the device."""
        if self._loaded is None or self._loaded[0] != number:
            group = self.groups[number]
            splits = group.splits()
            programs = Programs(group.spec, self.device, group.packing.epochs, alone=group.alone)
            loaded = self._loaded
            if loaded is not None and loaded[1] is splits and loaded[2].dtype == programs.dtype:
                programs.share(loaded[2])
            else:
                self._loaded = None  # frees the data of the group before
                programs.load(splits)
            self._loaded = number, splits, programs
        return self._loaded[2]


def better(best: TrialResult | None, *results: TrialResult) -> TrialResult | None:
    """The best of some results; None where all have diverged."""
    candidates = [result for result in (best, *results) if result is not None and np.isfinite(result.rank[0])]
    return min(candidates, key=lambda result: result.rank, default=None)


@dataclass
class _Progress:
    """What has come of a unit so far."""

    group: Group
    finished: list[Record]
    best: TrialResult | None
    calls: int
    epochs: int
    seconds: float

    def add(self, call: Call) -> Record | None:
        """Count a call; returns the best of the trials that have finished in it."""
        records = {result.trial: self.group.record(result) for result in call.finished}
        self.finished += records.values()
        self.best = better(self.best, *call.finished)
        self.calls, self.epochs, self.seconds = self.calls + 1, self.epochs + call.epochs, self.seconds + call.seconds
        leading = better(None, *call.finished)
        return None if leading is None else records[leading.trial]

    def pulse(self, unit: Unit, scheduler: Scheduler, best: Record | None) -> Pulse:
        return Pulse(unit.name, self.epochs, len(self.finished), len(scheduler.active), best)

    def saved(self, scheduler: Scheduler) -> Saved:
        return Saved(self.calls, scheduler.snapshot(), list(self.finished), self.best, self.epochs, self.seconds)
