"""Who sits where: everybody once, rows of one seed and epoch, powers of two, few shapes, and the same every time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmlp.grid import packing
from jaxmlp.grid.packing import EMPTY, Place, Terms, packed_anew, places_of, plan


def shapes(layout):
    return [slab.shape for slab in layout]


def trials(layout):
    return sorted(int(trial) for slab in layout for trial in slab.flat if trial != EMPTY)


def one_seed(count, epoch=0):
    return [Place(trial, 0, epoch) for trial in range(count)]


places = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=70).map(
    lambda pairs: [Place(trial, seed, epoch) for trial, (seed, epoch) in enumerate(pairs)]
)
terms = st.builds(Terms, st.integers(1, 8), st.integers(0, 6).map(lambda power: 2**power), st.sampled_from([0, 5, 1e6]))


@given(places, terms)
def test_everybody_sits_once_with_their_like(left, terms):
    layout = plan(left, terms)
    assert trials(layout) == [place.trial for place in left]
    like = {place.trial: (place.seed, place.epoch) for place in left}
    for slab in layout:
        devices, S, P = slab.shape
        assert trials([slab])
        assert devices == terms.devices
        assert terms.chunk >= S * P
        assert S & (S - 1) == P & (P - 1) == 0
        for row in slab.reshape(-1, P):
            assert len({like[int(trial)] for trial in row if trial != EMPTY}) <= 1


@given(places, terms, st.randoms(use_true_random=False))
def test_everybody_who_is_left_sits_once_as_the_others_leave(left, terms, random):
    layout, known = [], set()
    while left:
        layout = packed_anew(layout, left, terms, known)
        known |= set(shapes(layout))
        numbers = {place.trial for place in left}
        assert sorted(set(trials(layout)) & numbers) == sorted(numbers)
        assert all(numbers & set(trials([slab])) for slab in layout)
        left = random.sample(left, len(left) // 2)


@given(places, terms)
def test_the_layout_does_not_depend_on_the_order_in_which_trials_are_told(left, terms):
    one, other = plan(left, terms), plan(left[::-1], terms)
    assert shapes(one) == shapes(other)
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("left", "terms", "expected"),
    [
        (one_seed(64), Terms(2, 8, 10), [(2, 1, 8)] * 4),
        (one_seed(1000), Terms(2, 128, 1e4), [(2, 1, 128)] * 4),
        ([Place(i, i, 0) for i in range(1000)], Terms(2, 128, 1e4), [(2, 128, 1)] * 4),
        ([Place(i, i // 8, 0) for i in range(64)], Terms(2, 16, 10), [(2, 2, 8)] * 2),
        (one_seed(5), Terms(1, 1, 10), [(1, 1, 1)] * 5),
        (one_seed(3), Terms(2, 8, 0), [(2, 1, 2)]),
        (one_seed(9), Terms(2, 8, 0), [(2, 1, 4), (2, 1, 1)]),  # compiling is free: no place too many
        (one_seed(9), Terms(2, 8, 1000), [(2, 1, 8)]),  # compiling is dear: one shape
        ([], Terms(2, 8, 0), []),
    ],
    ids=str,
)
def test_shapes(left, terms, expected):
    assert shapes(plan(left, terms)) == expected


def test_rows_are_dealt_out_to_the_devices():
    (slab,) = plan([Place(i, i, 0) for i in range(3)], Terms(2, 8, 1e6))
    assert [int((part != EMPTY).sum()) for part in slab] == [2, 1]


def test_slabs_without_anybody_are_dropped_and_the_others_stay():
    layout = plan(one_seed(64), Terms(2, 8, 10))
    left = [place for place in one_seed(64) if place.trial >= 16]
    after = packed_anew(layout, left, Terms(2, 8, 10), [(2, 1, 8)])
    assert all(a is b for a, b in zip(after, layout[1:], strict=True))


def test_rows_close_up_when_that_saves_enough():
    terms, known = Terms(2, 8, 1e6), [(2, 1, 8)]
    layout = plan(one_seed(64), terms)
    few = [place for place in one_seed(64, epoch=3) if place.trial % 4 == 0]
    assert shapes(packed_anew(layout, few, terms, known)) == [(2, 1, 8)]  # the known shape, although it is dear
    most = [place for place in one_seed(64, epoch=3) if place.trial % 8]
    assert len(packed_anew(layout, most, terms, known)) == 4


def test_a_smaller_shape_is_compiled_when_it_pays():
    layout = plan(one_seed(16), Terms(2, 8, 5))
    after = packed_anew(layout, one_seed(2, epoch=3), Terms(2, 8, 5), [(2, 1, 8)])
    assert shapes(after) == [(2, 1, 1)]
    assert shapes(packed_anew(layout, one_seed(2, epoch=3), Terms(2, 8, 1e6), [(2, 1, 8)])) == [(2, 1, 8)]


def test_newcomers_are_seated():
    layout = plan(one_seed(4), Terms(1, 4, 0))
    left = [*one_seed(4, epoch=2), Place(7, 0, 0)]
    assert trials(packed_anew(layout, left, Terms(1, 4, 0), [])) == [0, 1, 2, 3, 7]


def test_places_are_counted_taken_or_not():
    assert places_of([np.full((2, 1, 4), EMPTY), np.zeros((2, 2, 2), int)]) == 16
    assert packing.cost([np.zeros((1, 1, 2), int)], Terms(1, 2, 7.0), []) == 2 * packing.HORIZON + 7
