"""The scheduler trains every trial as it would be trained alone, however few have slots, wherever it is cut."""

import jax
import numpy as np
import pytest
from helpers import HYPERS, SEEDS, SPEC, assert_close, assert_same

from jaxmlp.grid.packing import Packing
from jaxmlp.grid.results import COLUMNS
from jaxmlp.grid.scheduler import Scheduler
from jaxmlp.grid.snapshots import merged
from jaxmlp.grid.trials import Trial
from jaxmlp.spec import Hyper


@pytest.mark.parametrize(("chunk", "resident"), [(1, 2), (2, 3), (4, 4), (8, 100)])
def test_all_trials_finish_however_few_have_slots(splits, alone, chunk, resident):
    """Waiting trials enter, others are repacked, and each is trained as it would be alone."""
    trials = {i: Trial(*pair) for i, pair in enumerate(zip(HYPERS, SEEDS, strict=True))}
    group = Scheduler(SPEC, trials, jax.devices(), Packing(chunk, 2, resident, 0.0))
    group.load(splits)
    ended = {}
    for until in (3, 9):  # a rung
        group.begin_stage(until)
        while group.has_call:
            assert len(group.active) <= resident
            ended |= {one.trial: one for one in group.call().finished}
    assert sorted(ended) == sorted(trials)
    for i, single in enumerate(alone):
        assert (ended[i].status, len(ended[i].history)) == (single.stop_reason, len(single.epochs))
        assert_close(ended[i].state.best_params, single.params)


@pytest.mark.parametrize(
    ("settings", "sequential", "stages"),
    [
        (Packing(2, 1, 100, 1e6), False, (9,)),
        (Packing(4, 2, 4, 0.0), False, (9,)),
        (Packing(2, 1, 9, 0.0), False, (1, 4, 9)),  # trials wait, all of them at the end of each stage
        (Packing(1, 3, 2, 0.0), True, (4, 9)),
    ],
    ids=str,
)
def test_a_scheduler_cut_anywhere_goes_on_to_the_same_bits(splits, settings, sequential, stages):
    """After every call, in the middle of a round too, when some or all trials of a batch have finished already."""
    trials = {i: Trial(Hyper(0.05 * (i + 1), patience=1 + i % 3), i % 2) for i in range(13)}

    def scheduler():
        made = Scheduler(SPEC, trials, jax.devices(), settings, alone=sequential)
        made.load(splits)
        return made

    def run(group, cut):
        """To the end, but with another scheduler, which goes on from a snapshot, after so many calls."""
        ended, layouts = {}, []
        for until in stages:
            group.begin_stage(until)
            while group.has_call:
                if len(layouts) == cut:
                    snapshot, group = group.snapshot(), scheduler()
                    group.restore(snapshot)
                layouts.append((group.next, [ids.tolist() for ids in group.layout if group.active & set(ids.flat)]))
                ended |= {one.trial: one for one in group.call().finished}
        return ended, layouts

    expected, layouts = run(scheduler(), None)
    assert sorted(expected) == sorted(trials)
    without = [name != "seconds" for name in COLUMNS]
    for cut in range(1, len(layouts)):
        ended, others = run(scheduler(), cut)
        assert len(others) == len(layouts)
        assert sorted(ended) == sorted(expected)
        for i, one in ended.items():
            np.testing.assert_array_equal(one.history[:, without], expected[i].history[:, without])
            assert_same(one.state, expected[i].state)


def test_another_number_of_processes_goes_on_to_rounding(splits, alone):
    """Two schedulers that share the trials out are cut, and one goes on with all of them; then the other way round."""
    trials = {i: Trial(*pair) for i, pair in enumerate(zip(HYPERS, SEEDS, strict=True))}
    shares = [{i: m for i, m in trials.items() if i % 2 == part} for part in range(2)]

    def scheduler(mine, devices):
        made = Scheduler(SPEC, mine, devices, Packing(2, 1, 3, 0.0))
        made.load(splits)
        return made

    def run(group, calls):
        ended = {}
        while group.has_call and calls:
            ended |= {one.trial: one for one in group.call().finished}
            calls -= 1
        return ended

    parts = [scheduler(mine, jax.devices()[:1]) for mine in shares]
    ended = {}
    for part in parts:
        part.begin_stage(9)
        ended |= run(part, 4)
    one = scheduler(trials, jax.devices())
    one.restore(merged([part.snapshot() for part in parts], trials))
    ended |= run(one, 2)
    again = [scheduler(mine, jax.devices()[:1]) for mine in shares]
    for part, mine in zip(again, shares, strict=True):
        part.restore(merged([one.snapshot()], mine))
        ended |= run(part, 1000)
    assert sorted(ended) == sorted(trials)
    for i, single in enumerate(alone):
        assert (ended[i].status, len(ended[i].history)) == (single.stop_reason, len(single.epochs))
        assert_close(ended[i].state.best_params, single.params)


def test_a_trial_that_diverged_has_no_score_at_a_rung(splits):
    """Though its first epochs had finite losses: else it would take others out, and then go on nowhere."""
    group = Scheduler(
        SPEC,
        {0: Trial(Hyper(1.0, l2=1e3, patience=0), 0), 1: Trial(Hyper(0.1, patience=0), 0)},
        jax.devices(),
        Packing(2, 1, 9, 0),
    )
    group.load(splits)
    group.begin_stage(8)
    assert 0 not in {one.trial for one in group.call().finished}
    assert sorted(group.lowest_losses) == [0, 1]
    while 0 in group.active:
        ended = group.call().finished
    assert [one.status for one in ended] == ["diverged"]
    assert sorted(group.lowest_losses) == [1]
