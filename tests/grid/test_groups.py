"""A grid of several groups with rungs resumes anywhere to the same bits."""

import jax
import numpy as np
import pytest
from helpers import SPEC

from jaxmlp.grid.groups import Exchange, Grid, Group, Stopped
from jaxmlp.grid.packing import Packing
from jaxmlp.grid.pruning import Prune
from jaxmlp.grid.trials import Trial
from jaxmlp.spec import Hyper, Network, Spec, Training


class Collect(Exchange):
    """Keeps the finished trials; stops after so many calls, with a snapshot."""

    def __init__(self, calls=-1):
        self.finished, self.calls = {}, calls

    def after_call(self, grid, call):
        self.finished |= {result.trial: result for result in call.finished}
        self.calls -= 1
        if not self.calls:
            self.snapshot = grid.snapshot()
            raise Stopped
        return grid.scheduler.has_call


def test_a_grid_that_stopped_resumes_to_the_same_bits(splits):
    """At any call, over groups and rungs."""
    other = Spec(Network((4,)), Training(max_epochs=9, batch_size=8), 4, 3)
    hypers = [Hyper(0.3, patience=0), Hyper(0.1, patience=0), Hyper(1e-4, patience=0)]
    groups = [
        Group(SPEC, {i: Trial(hyper, 0) for i, hyper in enumerate(hypers)}, lambda: splits),
        Group(other, {i + 3: Trial(hyper, 0) for i, hyper in enumerate(hypers)}, lambda: splits),
    ]

    def grid():
        return Grid(groups, [Packing(2, 1, 10, 0.0)] * 2, jax.devices(), Prune((2, 4), 0.5), range(6))

    whole, first = Collect(), grid()
    first.run(whole)
    calls = -whole.calls - 1
    assert calls > 8
    for cut in range(1, calls, 3):
        before, after, resumed = Collect(cut), Collect(), grid()
        with pytest.raises(Stopped):
            grid().run(before)
        resumed.restore(before.snapshot)
        resumed.run(after)
        finished = before.finished | after.finished
        assert sorted(finished) == list(range(6))
        for trial, result in finished.items():
            expected = whole.finished[trial]
            assert (result.status, len(result.history)) == (expected.status, len(expected.history))
            jax.tree.map(np.testing.assert_array_equal, result.state, expected.state)
        assert resumed.best.result.rank == first.best.result.rank
