"""Values lie along an axis at their logarithm, at their value or as words, with labels that can be read."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from jaxmlp.plots.scale import Scale, sidesteps


@pytest.mark.parametrize(
    ("values", "kind", "positions"),
    [
        ([0.01, 0.1, 1.0], "log", [0.01, 0.1, 1.0]),
        ([0.0, 0.01, 1.0], "log", [10**-2.3, 0.01, 1.0]),
        ([None, 1, 100], "log", [10**-0.3, 1, 100]),
        ([None, 0, 1, 100], "log", [10**-0.6, 10**-0.3, 1, 100]),
        ([None, 1, 2], "linear", [0.85, 1, 2]),
        ([0.0, 0.5, 0.9], "linear", [0, 0.5, 0.9]),
        (np.linspace(0.001, 1, 9).tolist(), "linear", np.linspace(0.001, 1, 9)),
        ([-1, 1, 1000], "linear", [-1, 1, 1000]),
        ([7], "linear", [7]),
        ([1e30], "linear", [1e30]),
        ([1e-30], "linear", [1e-30]),
        ([-1e30], "linear", [-1e30]),
        ([0], "linear", [0]),
        (["relu", "tanh", "relu"], "text", [0, 1, 0]),
        ([[64, 32], [8], [64, 32]], "text", [0, 1, 0]),
        ([True, False], "text", [0, 1]),
        (["off", 3], "text", [0, 1]),
        ([None, None], "text", [0, 0]),
        ([math.nan, 1.0], "text", [0, 1]),
        ([0, 0], "linear", [0, 0]),
    ],
    ids=str,
)
def test_how_values_lie_on_an_axis(values, kind, positions):
    scale = Scale.of([{"x": value} for value in values], "x")
    assert scale.kind == kind
    np.testing.assert_allclose(scale.positions, positions, atol=1e-12)
    assert list(scale.levels) == sorted(scale.levels)
    assert scale.limits[0] < min(scale.levels) <= max(scale.levels) < scale.limits[1]
    np.testing.assert_allclose(scale.positions_at(scale.shares(scale.positions)), scale.positions)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.geomspace(2e-4, 2, 300).tolist(), ["0.001", "0.01", "0.1", "1"]),
        ([None, 0, *np.geomspace(2e-4, 2, 300).tolist()], ["0", "–", "0.001", "0.01", "0.1", "1"]),
        (np.linspace(0.013, 0.987, 300).tolist(), ["0.2", "0.4", "0.6", "0.8"]),
        ([0.1, 0.2, 0.7], ["0.1", "0.2", "0.7"]),
        (["relu", "a word that is longer than a label may be"], ["relu", "a word that is… may be"]),
    ],
    ids=["log", "log with 0 and absent", "linear", "few", "words"],
)
def test_ticks_are_the_values_or_round_numbers_where_those_are_many(values, expected):
    axes = Figure().subplots()
    Scale.of([{"x": value} for value in values], "x").on(axes.xaxis)
    assert {tick.label1.get_text() for tick in axes.xaxis.get_major_ticks()} == set(expected)


@pytest.mark.parametrize(("words", "rotation"), [(["relu", "tanh"], 0), (["a long word", "another long word"], 90)])
def test_words_that_are_too_long_stand_upright(words, rotation):
    axes = Figure().subplots()
    Scale.of([{"x": word} for word in words], "x").below(axes, letters=20)
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {rotation}


def test_trials_of_one_value_move_apart():
    positions = np.array([1.0, 2.0, 1.0, 1.0])
    assert sidesteps(positions, 0.1).tolist() == [-0.1, 0, 0, 0.1]
    assert not sidesteps(np.repeat(np.arange(21.0), 2), 0.1).any()  # so many that it would say nothing
