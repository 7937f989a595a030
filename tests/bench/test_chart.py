"""The bar chart."""

import pytest
from bench.conftest import made_up

from jaxmlp.bench import chart
from jaxmlp.bench.entries import FLOOR, GRID, LIMIT, RUN
from jaxmlp.bench.growth import Line


def test_growth_is_a_double_logarithmic_panel_for_each_size():
    lines = [Line(axis, [1, 2, 4], [0.5, 1.1, 2.0]) for axis in ("epochs", "examples", "width", "depth")]
    figure = chart.growth(lines)
    shown = [panel for panel in figure.axes if panel.get_visible()]
    assert [panel.get_title(loc="left").split(",")[0] for panel in shown] == ["epochs", "examples", "width", "depth"]
    assert {(panel.get_xscale(), panel.get_yscale()) for panel in shown} == {("log", "log")}
    assert chart.growth([]).rendered().startswith(b"\x89PNG")


def marks(panel, gid):
    return [mark for mark in [*panel.lines, *panel.patches] if mark.get_gid() == gid]


def test_the_limits_are_lines_in_every_panel(results):
    figure = chart.bars(results)
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["one network", "many networks, each"]
    for panel in figure.axes:
        for name, x in ((LIMIT, 100), (FLOOR, 130)):
            (line,) = marks(panel, name)
            assert line.get_xdata() == pytest.approx([x, x])
    assert figure.rendered().startswith(b"\x89PNG")


def test_bars_are_medians_the_fastest_first_and_another_loss_is_grey(results):
    panel = chart.bars(results).axes[0]
    names = [text.get_text() for text in panel.get_yticklabels()]
    assert names == [RUN, "NumPy by hand", "scikit-learn", "skorch"]
    assert [bar.get_width() for bar in panel.patches] == pytest.approx([160, 200, 320, 500])
    colours = [bar.get_facecolor() for bar in panel.patches]
    assert len(set(colours)) == 3  # ours, theirs, and one that is off
    assert any("another loss" in text.get_text() for text in panel.texts)


def test_times_far_apart_are_on_a_logarithmic_axis(results):
    assert chart.bars(results).axes[0].get_xscale() == "linear"
    slow = results._replace(measurements=[*results.measurements[:-1], made_up("skorch", seconds=20.0)])
    assert chart.bars(slow).axes[0].get_xscale() == "log"


@pytest.mark.parametrize("names", [(LIMIT, FLOOR), (GRID,), ()])
def test_it_draws_what_there_is(results, names):
    few = results._replace(measurements=[results.called(name) for name in names])
    (panel,) = chart.bars(few).axes
    assert len(panel.patches) == len(names)
    assert chart.bars(few).rendered().startswith(b"\x89PNG")
