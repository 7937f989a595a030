"""The driver hands out the units of a grid, collects their results, and prunes at rungs; it alone keeps results."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from jaxmlp.errors import RunError
from jaxmlp.grid.executors import Executor, Failed, Lost, Stopped
from jaxmlp.grid.journal import Best, Journal
from jaxmlp.grid.progress import Tally, rank_of
from jaxmlp.grid.pruning import Prune, survivors
from jaxmlp.grid.results import TrialResult
from jaxmlp.grid.snapshots import trials_of
from jaxmlp.grid.units import Done, Group, Record, Unit, cut
from jaxmlp.grid.worker import Compiling, Pulse, Saved
from jaxmlp.text import count
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.events import NewBest, TrialEnd

ATTEMPTS = 3  # of a unit whose worker is lost
POLL_SECONDS = 0.2


class Driver:
    """Trains the groups of a grid, unit by unit, from what the journal holds on.

    At the rungs of `prune` the worse configurations are pruned; `configurations` holds the configuration of each trial.
    A grid that is `resumable` is saved where it is stopped; else its trials end there, with the status "stopped".
    """

    def __init__(
        self,
        groups: Sequence[Group],
        executor: Executor,
        journal: Journal,
        callbacks: Callbacks,
        prune: Prune | None = None,
        configurations: Sequence[int] = (),
        *,
        resumable: bool = False,
    ) -> None:
        self.resumable = resumable
        self.groups, self.executor, self.journal, self.callbacks = groups, executor, journal, callbacks
        self.prune, self.configurations = prune, configurations
        longest = max(group.spec.training.max_epochs for group in groups)
        self.stages = (*(prune.rung_epochs if prune else ()), longest)
        self.tally = Tally(sum(len(group.numbers) for group in groups), longest, executor.workers)
        self.best = journal.best()
        self.compiles, self.compile_seconds = 0, 0.0
        self.stopped = False
        self._units: dict[str, Unit] = {}  # of all stages so far
        self._whole: set[str] = set()  # units that were done in this session, whose states are there
        self._scores: dict[int, float] = {}
        self._pruned: set[int] = set()  # configurations
        self._lowest = (math.inf, -1)  # the rank of the best trial that has finished, also of units that are running

    def run(self) -> bool:
        """Train until all trials have finished; returns False where it was stopped before."""
        trials: list[Sequence[int]] = [group.numbers for group in self.groups]
        before: list[list[Unit]] = [[] for _ in self.groups]
        for stage, end in enumerate(self.stages):
            units = [
                cut(group, number, stage, min(end, group.spec.training.max_epochs), trials[number], before[number])
                for number, group in enumerate(self.groups)
            ]
            waiting = self._train([unit for of_group in units for unit in of_group])
            if self.stopped:
                if not self.resumable:
                    self._add([record.ended("stopped") for record in waiting.values()])
                    self._find_best()
                return False
            if waiting:
                self._prune(waiting)
                if self.stopped:
                    return False
            self._forget(before)
            trials = [[trial for unit in of_group for trial in unit.trials if trial in waiting] for of_group in units]
            before = units
        self._find_best()
        if self.stopped:
            return False
        self._forget(before)
        return True

    def _train(self, units: Sequence[Unit]) -> dict[int, Record]:
        """Train the units of a stage that the journal does not hold yet; returns the trials that wait for the next."""
        self._units |= {unit.name: unit for unit in units}
        waiting: dict[int, Record] = {}
        left = []
        for unit in units:
            done = self.journal.done(unit)
            if done is None:
                left.append(unit)
            else:
                waiting |= self._count([done])
        if left and units and units[0].stage == 0 and self.tally.rows:
            finished = f"{len(self.tally.rows):,} of {self.tally.trials:,} trials had finished"
            self.callbacks.on_message(f"going on after {self.tally.epochs:,} trial-epochs of whole units; {finished}")
        self._provide(left)
        if self.stopped:
            return waiting
        for results in self._execute(left):
            self._keep(results)
            waiting |= self._count(results)
        return waiting

    def _provide(self, units: Sequence[Unit]) -> None:
        """Train the units again from whose states these go on, where the states are gone."""
        names = sorted({name for unit in units for name in unit.sources} - self._whole)
        gone = [self._units[name] for name in names if not _is_whole(self.journal.load(name))]
        if gone and not self.stopped:
            self.callbacks.on_message(f"the states of {count(len(gone), 'unit')} are gone: trained again")
            self._provide(gone)
            for _ in self._execute(gone):
                pass

    def _execute(self, units: Sequence[Unit]) -> Iterator[list[Done]]:
        """Have units trained, and yield what comes of them, as it comes: what has come meanwhile is taken together."""
        waiting = {unit.name: unit for unit in units}
        self.executor.submit(units)
        while waiting:
            if not self.stopped and self.callbacks.should_stop():
                self.stopped = True
                self.executor.stop()
            events, results = self.executor.collect(POLL_SECONDS), []
            for event in events:
                if isinstance(event, Compiling):
                    self.callbacks.on_compile(event.what)
                elif isinstance(event, Pulse):
                    if event.unit in waiting:
                        self.tally.add_pulse(event)
                        if event.best is not None:
                            self._compare(event.best)
                elif isinstance(event, Done | Stopped) and event.unit in waiting:  # else another attempt was faster
                    self.tally.end(event.unit)
                    del waiting[event.unit]
                    if isinstance(event, Done):
                        self._whole.add(event.unit)
                        results.append(event)
            if results:
                yield results
            for event in events:
                if isinstance(event, Failed):
                    raise event.error
                if isinstance(event, Lost) and event.unit in waiting:
                    self._again(waiting, event)
            if any(isinstance(event, Pulse | Done) for event in events):
                self.callbacks.on_call_end(self.tally.progress())

    def _again(self, waiting: dict[str, Unit], lost: Lost) -> None:
        unit = waiting[lost.unit]
        self.tally.end(lost.unit)
        if unit.attempt == ATTEMPTS:
            raise RunError(
                f"unit {unit.name} ({count(len(unit.trials), 'trial')} from trial {min(unit.trials)}) has lost its worker"
                f" {ATTEMPTS} times, at last: {lost.why}; see to that, and go on with --resume"
            )
        self.callbacks.on_message(f"unit {unit.name}: {lost.why}; attempt {unit.attempt + 1} of {ATTEMPTS}")
        waiting[unit.name] = unit._replace(attempt=unit.attempt + 1)
        self.executor.submit([waiting[unit.name]])

    def _keep(self, results: Sequence[Done]) -> None:
        """Keep what has come of units, and the best trial of them where it is the best of all."""
        units = [self._units[done.unit] for done in results]
        candidates = [
            (done.best.rank, unit.group, done.best) for unit, done in zip(units, results, strict=True) if done.best
        ]
        if candidates:
            rank, group, best = min(candidates, key=lambda candidate: candidate[0])
            if self.tally.best is None or rank < rank_of(self.tally.best):
                self.best = Best(group, best)
                self.journal.keep_best(self.best)
        self.journal.keep(list(zip(units, results, strict=True)))
        self.compiles += sum(done.compiles for done in results)
        self.compile_seconds += sum(done.compile_seconds for done in results)

    def _count(self, results: Sequence[Done]) -> dict[int, Record]:
        """Count what has come of units that are kept; returns their trials that wait for the next stage."""
        for done in results:
            self._scores |= done.scores
            self.tally.add_work(done.epochs, done.seconds)
        self._add([record for done in results for record in done.finished])
        return {record.trial: record for done in results for record in done.waiting}

    def _add(self, records: Sequence[Record]) -> None:
        self.journal.add(records)
        self.tally.add_rows([record.row for record in records])
        for record in records:
            self.callbacks.on_trial_end(TrialEnd(record.row, record.columns))
            self._compare(record)

    def _compare(self, record: Record) -> None:
        """Say of a trial that has finished that it is the best so far, if it is: once, however often its unit is trained."""
        rank = rank_of(record.row)
        if rank < self._lowest:
            self._lowest = rank
            self.callbacks.on_best(NewBest.of_trial(record.row, record.columns))

    def _prune(self, waiting: dict[int, Record]) -> None:
        """Finish the trials of all configurations that are not among the best at this rung."""
        assert self.prune is not None
        scores: dict[int, list[float]] = {}
        for trial, score in sorted(self._scores.items()):
            configuration = self.configurations[trial]
            if configuration not in self._pruned:
                scores.setdefault(configuration, []).append(score)
        self._pruned |= set(scores) - survivors(scores, self.prune.keep)
        pruned = [trial for trial in sorted(waiting) if self.configurations[trial] in self._pruned]
        self._add([waiting.pop(trial).ended("pruned") for trial in pruned])
        row = self.tally.best
        if row is not None and row["trial"] in pruned and (self.best is None or rank_of(row) < self.best.result.rank):
            self._find_best()

    def _find_best(self) -> None:
        """Have the state of the best trial of the table, from its unit, which is trained again where the state is gone.

        The best may be a pruned trial: of a configuration whose other seeds are worse. Its state is that at the rung.
        """
        row = self.tally.best
        if row is None:
            self.best = None
            return
        if self.best is not None and self.best.result.trial == row["trial"]:
            return
        unit = max((unit for unit in self._units.values() if row["trial"] in unit.trials), key=lambda unit: unit.stage)
        result = self._waiting_result(unit, row)
        if result is None:
            self._provide([unit])
            for [done] in self._execute([unit]):
                has_finished = done.best is not None and done.best.trial == row["trial"]
                result = done.best if has_finished else self._waiting_result(unit, row)
        if result is not None:
            self.best = Best(unit.group, result)
            self.journal.keep_best(self.best)

    def _waiting_result(self, unit: Unit, row: dict[str, Any]) -> TrialResult | None:
        saved = self.journal.load(unit.name)
        waiting = trials_of(saved.snapshot) if saved is not None and saved.whole else {}
        if row["trial"] not in waiting:
            return None
        state, history = waiting[row["trial"]]
        return TrialResult(row["trial"], row["status"], history, state)

    def _forget(self, units: Sequence[Sequence[Unit]]) -> None:
        for of_group in units:
            for unit in of_group:
                self.journal.forget(unit)
                self._whole.discard(unit.name)


def _is_whole(saved: Saved | None) -> bool:
    return saved is not None and saved.whole
