"""The driver comes to one table, whatever its workers do: lose units, answer twice, in any order, or stop at any moment."""

import math

import numpy as np
import pytest
from helpers import refused
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from jaxmlp.errors import RunError
from jaxmlp.grid.driver import ATTEMPTS, Driver
from jaxmlp.grid.executors import Failed, Lost, Stopped
from jaxmlp.grid.journal import Memory
from jaxmlp.grid.packing import Packing
from jaxmlp.grid.pruning import Prune, survivors
from jaxmlp.grid.results import COLUMNS, TrialResult
from jaxmlp.grid.snapshots import snapshot_of
from jaxmlp.grid.units import Done, Group, Record
from jaxmlp.grid.worker import Pulse, Saved, better
from jaxmlp.nn.network import Layer
from jaxmlp.spec import Network, Spec, Training
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.loop import TrainState
from jaxmlp.training.stopping import Stopping

EPOCHS, RUNGS, SEEDS, TRIALS = 9, (2, 5), 3, 60


def loss(trial, epoch):
    """No two alike; the seeds of a configuration differ much, so that a pruned trial may be the best."""
    return (trial * 7919 % 61) / 10 + 1 / epoch


def last_epoch(trial):
    """Some stop early."""
    return 1 + trial % 13 if trial % 4 else EPOCHS


def result_of(trial, epochs, status):
    history = np.ones((epochs, len(COLUMNS)))
    history[:, COLUMNS.index("validation_loss")] = [loss(trial, epoch) for epoch in range(1, epochs + 1)]
    params = (Layer(np.full((1, 1), trial, np.float32), np.zeros(1, np.float32)),)
    stopping = Stopping(np.float32(1), np.float32(1), np.int32(epochs), np.int32(0), np.bool_(False), None)
    return TrialResult(trial, status, history, TrainState(params, (), params, stopping, np.int32(epochs)))


def record_of(result):
    return Record(result.row(1, 1), {"epochs": len(result.history)}, None)


def trained(unit, journal):
    """What a worker would come to, for trials whose losses are known."""
    finished, waiting = [], []
    for trial in unit.trials:
        for name in unit.sources:
            assert journal.load(name).whole
        epochs = min(unit.until, last_epoch(trial), EPOCHS)
        whole = epochs == EPOCHS or last_epoch(trial) <= epochs
        status = "max_epochs" if epochs == EPOCHS else "early_stopping" if whole else "pruned"
        (finished if whole else waiting).append(result_of(trial, epochs, status))
    if waiting:
        states, histories = ({r.trial: getattr(r, name) for r in waiting} for name in ("state", "history"))
        journal.save(unit, Saved(1, snapshot_of(states, histories, {}), [], None, 0, 0.0, whole=True))
    scores = {trial: loss(trial, min(unit.until, last_epoch(trial), EPOCHS)) for trial in unit.trials}
    best = better(None, *finished)
    records = [list(map(record_of, results)) for results in (finished, waiting)]
    return Done(unit.name, *records, scores, best, len(unit.trials), 1.0, 1, 0.5, "cpu")


def table():
    """The rows of all trials, by hand."""
    rows, left, pruned = {}, set(range(TRIALS)), set()
    for until in (*RUNGS, EPOCHS):
        for trial in sorted(left):
            epochs = min(until, last_epoch(trial), EPOCHS)
            if epochs == EPOCHS or last_epoch(trial) <= epochs:
                rows[trial] = (epochs, "max_epochs" if epochs == EPOCHS else "early_stopping")
        left -= rows.keys()
        scores = {}
        for trial in range(TRIALS):
            if trial // SEEDS not in pruned:
                scores.setdefault(trial // SEEDS, []).append(loss(trial, min(until, last_epoch(trial), EPOCHS)))
        if until < EPOCHS and left:
            pruned |= set(scores) - survivors(scores, 0.5)
            rows |= {trial: (until, "pruned") for trial in left if trial // SEEDS in pruned}
            left -= rows.keys()
    return rows


class Chaos:
    """An executor that draws what happens next: a unit is done, done twice, lost, or only pulses."""

    def __init__(self, journal, random, *, losses=2, after=None):
        self.journal, self.random, self.losses, self.workers = journal, random, losses, 2
        self.units, self.lost, self.stopping, self.after = [], {}, False, after

    def submit(self, units):
        self.units += units

    def collect(self, seconds):
        if self.stopping:
            events, self.units = [Stopped(unit.name) for unit in self.units], []
            return events
        unit = self.units.pop(self.random.randrange(len(self.units)))
        lost = self.lost.get(unit.name, 0)
        if lost < self.losses and self.random.random() < 0.3:
            self.lost[unit.name] = lost + 1
            return [Lost(unit.name, "its worker is gone")]
        events = [Pulse(unit.name, 1, 0, 1, None), trained(unit, self.journal)]
        if self.random.random() < 0.3:
            events += [trained(unit, self.journal)]
        if self.after is not None:
            self.after -= 1
        return events

    def stop(self):
        self.stopping = True

    def close(self):
        pass


class Kept(Memory):
    """A journal that outlives its driver, and may lose what the disk loses."""

    def __init__(self):
        self.records = []
        super().__init__(self.records.append)
        self.kept = {}

    def done(self, unit):
        return self.kept.get(unit.name)

    def keep(self, results):
        self.kept |= {unit.name: done._replace(best=None) for unit, done in results}


def driver_of(journal, executor, callbacks=None, *, resumable=False, chunk=4):
    spec = Spec(Network(()), Training(max_epochs=EPOCHS), 1, 2)
    numbers = [range(24), range(24, TRIALS)]
    groups = [
        Group(spec, Packing(chunk, 1, 99, 0.0), part, None, lambda trial: trial % SEEDS, None, record_of)
        for part in numbers
    ]
    configurations = [trial // SEEDS for trial in range(TRIALS)]
    return Driver(
        groups, executor, journal, callbacks or Callbacks(), Prune(RUNGS, 0.5), configurations, resumable=resumable
    )


class Watch(Callbacks):
    """Keeps which trials have finished, and the best of all so far."""

    def __init__(self):
        self.trials, self.bests = [], []

    def on_trial_end(self, trial):
        self.trials.append(trial.row["trial"])

    def on_best(self, best):
        self.bests.append((best.validation.loss, best.trial))


def check(driver, records):
    found = {record.trial: (record.row["epochs_run"], record.row["status"]) for record in records}
    assert found == table()
    assert len(records) == TRIALS
    ranks = {trial: loss(trial, epochs) for trial, (epochs, _) in table().items()}
    best = min(ranks, key=ranks.__getitem__)
    assert driver.best.result.trial == best
    assert float(driver.best.result.state.params[0].w[0, 0]) == best
    assert driver.tally.progress().finished == TRIALS


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@given(st.randoms(use_true_random=False), st.sampled_from([1, 4, 16]))
def test_losses_doubles_and_any_order_change_nothing(random, chunk):
    journal = Kept()
    watch = Watch()
    driver = driver_of(journal, Chaos(journal, random), watch, chunk=chunk)
    assert driver.run()
    check(driver, journal.records)
    assert sorted(watch.trials) == list(range(TRIALS))
    assert watch.bests == sorted(watch.bests, reverse=True)
    assert watch.bests[-1][1] == driver.best.result.trial


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_a_grid_that_stops_anywhere_goes_on_to_the_same_table(random, after):
    """And so where states, results of units or the best trial were lost on the way."""
    journal = Kept()
    executor = Chaos(journal, random, after=after)

    class Stop(Callbacks):
        def should_stop(self):
            return executor.after <= 0

    ended = driver_of(journal, executor, Stop(), resumable=True).run()
    assert ended or executor.after <= 0
    for lost in (journal.kept, journal._saved):
        for name in list(lost):
            if random.random() < 0.3:
                del lost[name]
    for name, saved in journal._saved.items():
        journal._saved[name] = saved._replace(
            whole=random.random() < 0.7
        )  # an earlier state, where the last is damaged
    if random.random() < 0.3:
        journal._best = None
    journal.records.clear()
    watch = Watch()
    driver = driver_of(journal, Chaos(journal, random), watch)
    assert driver.run()
    check(driver, journal.records)
    assert sorted(watch.trials) == list(range(TRIALS))  # those of the first session too


def test_a_unit_that_loses_its_worker_again_and_again_is_named():
    class Losing(Chaos):
        def collect(self, seconds):
            unit = self.units.pop(0)
            attempts.append(unit.attempt)
            return [Lost(unit.name, "killed by signal 9")]

    attempts = []
    journal = Kept()
    words = ["unit g0-s0-u000", "2 trials from trial 0", "killed by signal 9", f"{ATTEMPTS} times"]
    driver = driver_of(journal, Losing(journal, None), chunk=1)
    refused(words, driver.run, error=RunError)
    assert sorted(attempts)[-1] == ATTEMPTS


def test_units_that_are_done_beside_one_that_fails_are_kept():
    class Failing(Chaos):
        def collect(self, seconds):
            first, second, third = self.units[:3]
            return [Failed(first.name, MemoryError("no room")), *(trained(unit, journal) for unit in (second, third))]

    journal = Kept()
    with pytest.raises(MemoryError, match="no room"):
        driver_of(journal, Failing(journal, None)).run()
    assert sorted(journal.kept) == ["g0-s0-u001", "g0-s0-u002"]


def test_the_best_of_units_that_are_done_together_is_kept_once():
    class Together(Chaos):
        def collect(self, seconds):
            units, self.units = self.units, []
            return [trained(unit, self.journal) for unit in units]

    class Counting(Kept):
        def keep_best(self, best):
            bests.append(best.result.rank)
            super().keep_best(best)

    bests, journal = [], Counting()
    driver = driver_of(journal, Together(journal, None))
    assert driver.run()
    check(driver, journal.records)
    assert bests == sorted(bests, reverse=True)
    assert len(bests) <= 1 + len(RUNGS) + 1  # a stage; and once more, of a pruned trial


def test_an_error_of_a_worker_is_the_drivers():
    class Failing(Chaos):
        def collect(self, seconds):
            return [Failed(self.units[0].name, MemoryError("no room"))]

    journal = Kept()
    with pytest.raises(MemoryError, match="no room"):
        driver_of(journal, Failing(journal, None)).run()


def test_scores_of_what_diverged_are_infinite_and_never_the_best():
    assert better(None, result_of(0, 1, "diverged")) is None
    assert math.isinf(result_of(0, 1, "diverged").rank[0])
