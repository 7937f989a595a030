"""Every trial gets one slot, in a seed group of its seed and epoch; shapes are few powers of two, and the same each time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmlp.grid import packing
from jaxmlp.grid.packing import EMPTY, Packing, SlotRequest, plan, repacked, slots_of


def shapes(layout):
    return [batch.shape for batch in layout]


def trials(layout):
    return sorted(int(trial) for batch in layout for trial in batch.flat if trial != EMPTY)


def one_seed(count, epoch=0):
    return [SlotRequest(trial, 0, epoch) for trial in range(count)]


def terms_of(chunk, price):
    return Packing(chunk, epochs=1, resident=10**6, price=price)


requests = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=70).map(
    lambda pairs: [SlotRequest(trial, seed, epoch) for trial, (seed, epoch) in enumerate(pairs)]
)
terms = st.builds(terms_of, st.integers(0, 6).map(lambda power: 2**power), st.sampled_from([0, 5, 1e6]))


@given(requests, terms)
def test_every_trial_has_one_slot_in_a_group_of_its_seed_and_epoch(left, terms):
    layout = plan(left, terms)
    assert trials(layout) == [request.trial for request in left]
    like = {request.trial: (request.seed, request.epoch) for request in left}
    for batch in layout:
        S, P = batch.shape
        assert trials([batch])
        assert terms.chunk >= S * P
        assert S & (S - 1) == P & (P - 1) == 0
        for group in batch:
            assert len({like[int(trial)] for trial in group if trial != EMPTY}) <= 1


@given(requests, terms, st.randoms(use_true_random=False))
def test_every_trial_keeps_a_slot_as_others_finish(left, terms, random):
    layout, known = [], set()
    while left:
        layout = repacked(layout, left, terms, known)
        known |= set(shapes(layout))
        numbers = {request.trial for request in left}
        assert sorted(set(trials(layout)) & numbers) == sorted(numbers)
        assert all(numbers & set(trials([batch])) for batch in layout)
        left = random.sample(left, len(left) // 2)


@given(requests, terms)
def test_the_layout_does_not_depend_on_the_order_of_the_requests(left, terms):
    one, other = plan(left, terms), plan(left[::-1], terms)
    assert shapes(one) == shapes(other)
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("left", "terms", "expected"),
    [
        (one_seed(64), terms_of(8, 10), [(1, 8)] * 8),
        (one_seed(1000), terms_of(128, 1e4), [(1, 128)] * 8),
        ([SlotRequest(i, i, 0) for i in range(1000)], terms_of(128, 1e4), [(128, 1)] * 8),
        ([SlotRequest(i, i // 8, 0) for i in range(64)], terms_of(16, 10), [(2, 8)] * 4),
        (one_seed(5), terms_of(1, 10), [(1, 1)] * 5),
        (one_seed(3), terms_of(8, 0), [(1, 4)]),
        (one_seed(9), terms_of(8, 0), [(1, 8), (1, 1)]),  # compiling is free: no slot too many
        (one_seed(9), terms_of(8, 1000), [(1, 8)] * 2),  # compiling is dear: one shape
        ([], terms_of(8, 0), []),
    ],
    ids=str,
)
def test_shapes(left, terms, expected):
    assert shapes(plan(left, terms)) == expected


def test_batches_of_finished_trials_are_dropped_and_the_others_stay():
    layout = plan(one_seed(64), terms_of(8, 10))
    left = [request for request in one_seed(64) if request.trial >= 16]
    after = repacked(layout, left, terms_of(8, 10), [(1, 8)])
    assert all(a is b for a, b in zip(after, layout[2:], strict=True))


def test_trials_are_repacked_when_that_saves_enough():
    terms, known = terms_of(8, 1e6), [(1, 8)]
    layout = plan(one_seed(64), terms)
    few = [request for request in one_seed(64, epoch=3) if request.trial % 4 == 0]
    assert shapes(repacked(layout, few, terms, known)) == [(1, 8)] * 2  # the known shape
    most = [request for request in one_seed(64, epoch=3) if request.trial % 8]
    assert len(repacked(layout, most, terms, known)) == 8


def test_a_smaller_shape_is_compiled_when_it_pays():
    layout = plan(one_seed(16), terms_of(8, 5))
    after = repacked(layout, one_seed(2, epoch=3), terms_of(8, 5), [(1, 8)])
    assert shapes(after) == [(1, 2)]
    assert shapes(repacked(layout, one_seed(2, epoch=3), terms_of(8, 1e6), [(1, 8)])) == [(1, 8)]


def test_trials_that_enter_get_slots():
    layout = plan(one_seed(4), terms_of(4, 0))
    left = [*one_seed(4, epoch=2), SlotRequest(7, 0, 0)]
    assert trials(repacked(layout, left, terms_of(4, 0), [])) == [0, 1, 2, 3, 7]


def test_slots_are_counted_taken_or_empty():
    assert slots_of([np.full((2, 4), EMPTY), np.zeros((4, 2), int)]) == 16
    assert packing.cost([np.zeros((1, 2), int)], terms_of(2, 7.0), []) == 2 * packing.HORIZON + 7
