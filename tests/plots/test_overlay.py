"""Curves of runs lie over each other: a colour for each configuration, and means over its seeds."""

import pytest
from helpers import texts

from jaxmlp import plots


def lines(*losses, score="accuracy"):
    return [{"epoch": i + 1, "validation": {"loss": loss, score: 0.5}} for i, loss in enumerate(losses)]


def test_the_mean_over_seeds_goes_as_far_as_all_of_them():
    figure = plots.overlaid_curves({"a": {"a0": lines(4.0, 2.0, 1.0), "a1": lines(2.0, 1.0)}, "b": {"b0": lines(3.0)}})
    panel = figure.axes[0]
    assert [line.get_gid() for line in panel.lines] == ["a0", "a1", None, "b0"]
    assert panel.lines[2].get_ydata().tolist() == [3.0, 1.5]
    assert panel.lines[0].get_color() == panel.lines[2].get_color() != panel.lines[3].get_color()
    assert {"a, mean of 2 seeds", "b"} <= set(texts(figure))


def test_more_configurations_than_colours_are_told_by_their_dashes():
    figure = plots.overlaid_curves({f"c{i}": {f"r{i}": lines(1.0, 2.0)} for i in range(16)})
    looks = {(line.get_color(), str(line._dash_pattern)) for line in figure.axes[0].lines}
    assert len(looks) == 16


def test_names_that_are_shortened_to_the_same_are_told_by_their_numbers():
    figure = plots.overlaid_curves({f"{'a' * 60}{i}{'z' * 60}": {f"r{i}": lines(1.0, 2.0)} for i in range(2)})
    legend = [text for text in texts(figure) if "…" in text]
    assert [text.split(":")[0] for text in legend] == ["1", "2"]


@pytest.mark.parametrize(
    "runs",
    [
        {},
        {"a": {"a": []}},
        {"a": {"a": lines(None, None)}},
        {"a": {"a": lines(1.0, score="r2")}, "b": {"b": lines(2.0)}},
    ],
    ids=["none", "no epochs", "diverged", "two scores"],
)
def test_every_shape_of_run_is_drawn(runs):
    assert plots.overlaid_curves(runs).rendered()[1:4] == b"PNG"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"accuracy": 0.9, "correct": 90, "count": 100}, "a: 90.00 % (82.56 to 94.48 %), 90 of 100"),
        ({"r2": 0.5, "count": 100}, "a: 0.5000"),
        ({"r2": None, "count": 100}, None),
    ],
    ids=["accuracy", "R2", "not finite"],
)
def test_results_have_their_interval_where_they_are_counted(result, said):
    svg = plots.inlined(plots.result_intervals({"a": {"a": result}}), "")
    assert (said in svg) if said else "<title>" not in svg
    assert ("Wilson" in svg) == ("correct" in result)
