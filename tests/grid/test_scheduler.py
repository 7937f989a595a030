"""The scheduler trains every trial as it would be trained alone, however few have slots, wherever it is cut."""

import jax
import numpy as np
import pytest
from helpers import HYPERS, SEEDS, SPEC, assert_close, assert_same

from jaxmlp.grid.packing import Packing
from jaxmlp.grid.program import Programs
from jaxmlp.grid.results import COLUMNS
from jaxmlp.grid.scheduler import Scheduler
from jaxmlp.grid.trials import Trial
from jaxmlp.spec import Hyper


def programs_of(packing, splits, *, alone=False):
    programs = Programs(SPEC, jax.devices()[0], packing.epochs, alone=alone)
    programs.load(splits)
    return programs


@pytest.mark.parametrize(("chunk", "resident"), [(1, 2), (2, 3), (4, 4), (8, 100)])
def test_all_trials_finish_however_few_have_slots(splits, alone, chunk, resident):
    """Waiting trials enter, others are repacked, and each is trained as it would be alone; over two stages."""
    trials = {i: Trial(*pair) for i, pair in enumerate(zip(HYPERS, SEEDS, strict=True))}
    ended, before, packing = {}, [], Packing(chunk, 2, resident, 0.0)
    programs = programs_of(packing, splits)
    for until in (3, 9):
        left = {i: trial for i, trial in trials.items() if i not in ended}
        scheduler = Scheduler(programs, left, packing, until)
        scheduler.begin(before)
        while scheduler.has_call:
            assert len(scheduler.active) <= resident
            ended |= {result.trial: result for result in scheduler.call().finished}
        before = [scheduler.snapshot()]
    assert sorted(ended) == sorted(trials)
    for i, single in enumerate(alone):
        assert (ended[i].status, len(ended[i].history)) == (single.stop_reason, len(single.epochs))
        assert_close(ended[i].state.best_params, single.params)


@pytest.mark.parametrize(
    ("packing", "sequential", "until"),
    [
        (Packing(2, 1, 100, 1e6), False, 9),
        (Packing(4, 2, 4, 0.0), False, 9),
        (Packing(2, 1, 4, 0.0), False, 4),  # trials wait, all of them at the end of the stage
        (Packing(1, 3, 2, 0.0), True, 9),
    ],
    ids=str,
)
def test_a_scheduler_cut_anywhere_goes_on_to_the_same_bits(splits, packing, sequential, until):
    """After every call, in the middle of a round too, when some or all trials of a batch have finished already."""
    trials = {i: Trial(Hyper(0.05 * (i + 1), patience=1 + i % 3), i % 2) for i in range(7)}

    programs = programs_of(packing, splits, alone=sequential)

    def to_the_end(scheduler, cuts=None):
        """What ends, and the layouts of all calls; `cuts` gets what ended before each later call, and a snapshot then."""
        ended, layouts = {}, []
        while scheduler.has_call:
            if cuts is not None and layouts:
                cuts.append((dict(ended), scheduler.snapshot()))
            active = [slots.tolist() for slots in scheduler.layout if scheduler.active & set(slots.flat)]
            layouts.append((scheduler.next, active))
            ended |= {result.trial: result for result in scheduler.call().finished}
        return ended | {result.trial: result for result in scheduler.results("waiting")}, layouts

    def begun():
        scheduler = Scheduler(programs, trials, packing, until)
        scheduler.begin()
        return scheduler

    def assert_as_expected(ended):
        assert sorted(ended) == sorted(trials)
        for i, result in ended.items():
            np.testing.assert_array_equal(result.history[:, without], expected[i].history[:, without])
            assert_same(result.state, expected[i].state)

    cuts, without = [], [name != "seconds" for name in COLUMNS]
    expected, layouts = to_the_end(begun())
    assert_as_expected(to_the_end(begun(), cuts)[0])  # a snapshot disturbs nothing
    assert len(cuts) == len(layouts) - 1
    for done, (before, snapshot) in enumerate(cuts, start=1):
        scheduler = Scheduler(programs, trials, packing, until)
        scheduler.restore(snapshot)
        ended, others = to_the_end(scheduler)
        assert len(others) == len(layouts) - done
        assert_as_expected(before | ended)


def test_a_trial_that_diverged_has_no_score_at_a_rung(splits):
    """Though its first epochs had finite losses: else it would take others out, and then go on nowhere."""
    trials = {0: Trial(Hyper(1.0, l2=1e3, patience=0), 0), 1: Trial(Hyper(0.1, patience=0), 0)}
    packing = Packing(2, 1, 9, 0)
    scheduler = Scheduler(programs_of(packing, splits), trials, packing, 8)
    scheduler.begin()
    assert 0 not in {result.trial for result in scheduler.call().finished}
    assert sorted(scheduler.lowest_losses) == [0, 1]
    while 0 in scheduler.active:
        ended = scheduler.call().finished
    assert [result.status for result in ended] == ["diverged"]
    assert sorted(scheduler.lowest_losses) == [1]
