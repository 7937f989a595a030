"""The space of a sweep: the values an axis has as it is written, which of them are refused, and what is drawn."""

import tomllib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmlp.errors import UsageError
from jaxmlp.sweep import space
from jaxmlp.sweep.space import Axis, Range, Sample
from jaxmlp.training.validation import NAMES


def axis(written, drawn=False):
    """The only axis of a grid that is written so."""
    ((key, (field, found)),) = space.entries("grid.", [tomllib.loads(written)]).items()
    return space.axis_of(field, key, found, drawn)


@pytest.mark.parametrize(
    ("written", "key", "wanted"),
    [
        ("learning_rate = [0.01, 1]", "hyper.learning_rate", (0.01, 1.0)),
        ("hyper.learning_rate = [0.1]", "hyper.learning_rate", (0.1,)),
        ('"hyper.learning_rate" = [0.3, 0.1]', "hyper.learning_rate", (0.3, 0.1)),
        ("hyper = {learning_rate = [0.1]}", "hyper.learning_rate", (0.1,)),
        ("hidden = [[32], [64, 64], []]", "network.hidden", ((32,), (64, 64), ())),
        ("activation = ['relu', 'tanh']", "network.activation", ("relu", "tanh")),
        ("dropout = [true, false]", "network.dropout", (True, False)),
        ("patience = [0, 3]", "hyper.patience", (0, 3)),
        ("normalise = ['unit', 'none']", "data.normalise", ("unit", "none")),
        ("name = ['digits', 'mnist5k']", "data.name", ("digits", "mnist5k")),
        ("momentum = {low = 0, high = 0.8, count = 5}", "hyper.momentum", (0.0, 0.2, 0.4, 0.6, 0.8)),
        (
            "hyper.momentum = {low = 0.5, high = 0.99, scale = 'linear', count = 3}",
            "hyper.momentum",
            (0.5, 0.745, 0.99),
        ),
        ("hyper.momentum.low = 0\nhyper.momentum.high = 0.5\nhyper.momentum.count = 2", "hyper.momentum", (0.0, 0.5)),
        (
            "learning_rate = {low = 1e-3, high = 1, scale = 'log', count = 4}",
            "hyper.learning_rate",
            (1e-3, 0.01, 0.1, 1.0),
        ),
        (
            "l2 = {low = 1.23456789e-5, high = 0.0123456789, scale = 'log', count = 3}",
            "hyper.l2",
            (1.23456789e-5, 0.000390405, 0.0123456789),
        ),
        ("l2 = {low = 1000000.5, high = 1000001, count = 3}", "hyper.l2", (1000000.5, 1000000.75, 1000001.0)),
        ("l2 = {low = 0.5, high = 0.5, count = 1}", "hyper.l2", (0.5,)),
        ("patience = {low = 1, high = 4, count = 20}", "hyper.patience", (1, 2, 3, 4)),
        (
            "batch_size = {low = 16, high = 256, scale = 'log', count = 5}",
            "training.batch_size",
            (16, 32, 64, 128, 256),
        ),
        ("max_epochs = {low = 1, high = 1000, scale = 'log', count = 4}", "training.max_epochs", (1, 10, 100, 1000)),
    ],
)
def test_an_axis_has_these_values(written, key, wanted):
    found = axis(written)
    assert found == Axis(key, wanted)
    assert [type(value) for value in found.values] == [type(value) for value in wanted]


@pytest.mark.parametrize(("key", "known"), NAMES.items())
@pytest.mark.parametrize("drawn", [False, True])
def test_a_list_takes_every_known_name_and_no_other(key, known, drawn):
    assert axis(f"{key} = {list(known)}", drawn).values == tuple(known)
    with pytest.raises(UsageError, match=f"{key} 'nonsense' is unknown"):
        axis(f"{key} = {[*known, 'nonsense']}", drawn)
    with pytest.raises(UsageError, match=f"{key} 'nonsense' is unknown"):
        space.check_axis(Axis(key, (*known, "nonsense")))


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9)).filter(lambda ends: ends[0] != ends[1]).map(sorted),
    st.sampled_from(["linear", "log"]),
    st.integers(2, 50),
)
def test_a_range_rises_from_one_end_to_the_other(ends, scale, count):
    found = axis(f"l2 = {{low = {ends[0]!r}, high = {ends[1]!r}, scale = '{scale}', count = {count}}}").values
    assert [found[0], found[-1]] == ends
    assert (np.diff(found) > 0).all()
    assert len(found) == count or ends[1] - ends[0] < 1e-9 * ends[1]


@pytest.mark.parametrize("method", space.METHODS)
def test_a_range_of_one_number_draws_that_number(method):
    axes = [Axis("hyper.l2", space=Range(0.1, 0.1)), Axis("hyper.patience", space=Range(3, 3, "log"))]
    assert space.drawn(axes, Sample(5, method)) == {"hyper.l2": [0.1] * 5, "hyper.patience": [3] * 5}
