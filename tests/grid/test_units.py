"""Units hold each trial once, those of one seed together, neither too few nor too many; and depend on the trials alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmlp.grid.packing import Packing
from jaxmlp.grid.units import Group, cut, size


def group_of(seeds, chunk, unit=4096):
    """Trials 0, 1, ... of these seeds."""
    packing = Packing(chunk, 1, 10**6, 0.0, unit)
    return Group(None, packing, range(len(seeds)), None, seeds.__getitem__, None, None)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=200),
    st.integers(0, 8).map(lambda power: 2**power),
    st.integers(1, 300),
    st.randoms(use_true_random=False),
)
def test_each_trial_is_in_one_unit_of_a_fitting_size(seeds, chunk, unit, random):
    group = group_of(seeds, chunk, unit)
    units = cut(group, 3, 1, 9, group.numbers)
    assert sorted(trial for each in units for trial in each.trials) == list(group.numbers)
    assert all(1 <= len(each.trials) <= size(len(seeds), group.packing) for each in units)
    assert [each.name for each in units] == [f"g3-s1-u{number:03d}" for number in range(len(units))]
    shuffled = list(group.numbers)
    random.shuffle(shuffled)
    again = cut(group, 3, 1, 9, sorted(shuffled))
    assert again == units


@pytest.mark.parametrize(
    ("seeds", "chunk", "sizes"),
    [
        ([0] * 64, 4, [8] * 8),  # eight pieces
        ([0] * 64, 128, [16] * 4),  # but no narrower than an eighth of a chunk
        ([0] * 6, 1, [1] * 6),
        ([0] * 6, 8, [6]),  # nor than 8
        ([0, 1] * 32, 4, [8] * 8),  # each seed by itself
        (list(range(64)), 4, [8] * 8),  # one trial a seed: several seeds
        ([0] * 17 + [1] * 3, 16, [5, 6, 6, 3]),
    ],
    ids=str,
)
def test_sizes(seeds, chunk, sizes):
    group = group_of(seeds, chunk)
    units = cut(group, 0, 0, 9, group.numbers)
    assert [len(unit.trials) for unit in units] == sizes
    assert all(len({seeds[trial] for trial in unit.trials}) == 1 for unit in units) or len(set(seeds)) > 8


def test_sources_are_the_units_that_the_trials_come_from():
    group = group_of([0] * 64, 4)
    before = cut(group, 0, 0, 3, group.numbers)
    (after,) = cut(group, 0, 1, 9, [0, 1, 9, 63], before)
    assert after.sources == ("g0-s0-u000", "g0-s0-u001", "g0-s0-u007")
