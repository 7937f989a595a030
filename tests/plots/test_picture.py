"""A picture has the same bytes every time, is shown by notebooks, and costs nothing until it is drawn."""

import subprocess
import sys

import pytest

from jaxmlp import plots


def picture():
    figure = plots.Picture(4, 3)
    axes = figure.subplots()
    axes.plot([0.0, 1.0], [1.0, 2.0], label="a")
    figure.head("A title")
    return figure


@pytest.mark.parametrize("name", ["a.png", "a.svg"])
def test_the_same_picture_has_the_same_bytes(tmp_path, name):
    found = []
    for _ in range(2):
        picture().save(tmp_path / name)
        found.append((tmp_path / name).read_bytes())
    assert found[0] == found[1]
    assert (b"<svg" in found[0]) == name.endswith("svg")


def test_a_notebook_shows_it():
    assert picture()._repr_png_()[1:4] == b"PNG"


def test_ticks_that_would_touch_are_left_out():
    figure = plots.Picture(4, 3)
    axes = figure.subplots()
    axes.set_xticks([0.0, 0.01, 0.5, 1.0], ["first", "touches it", "middle", "last"])
    figure.rendered()
    shown = [tick.label1.get_text() for tick in axes.xaxis.get_major_ticks() if tick.label1.get_visible()]
    assert shown == ["first", "middle", "last"]


def test_what_marks_mean_is_said_once_and_the_best_first():
    figure = plots.Picture(6, 3)
    for axes in figure.subplots(1, 2):
        axes.plot([1.0], [1.0], "x", label="diverged (1)")
        axes.plot([1.0], [2.0], "o", label="best: loss 0.1", alpha=0.1, ms=1)
    figure.head("A title")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["best: loss 0.1", "diverged (1)"]
    assert [mark.get_alpha() for mark in legend.legend_handles] == [1, 1]


@pytest.mark.parametrize("code", ["from jaxmlp import plots", "import jaxmlp.run.runner", "import jaxmlp.sweep.finish"])
def test_matplotlib_waits_for_the_first_picture(code):
    code = f"{code}; import sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_is_there():
    assert all(callable(getattr(plots, name)) for name in plots.__all__)


@pytest.mark.parametrize(
    ("labels", "upright", "shown"),
    [
        (["relu", "tanh"], False, 2),
        (["a word too long to write", "another word too long"], True, 2),
        (["512-256-128-64-32-16", "512-256-128-64-32-8"], True, 2),
        (["0.123456789012345678", "0.123456789012345679"], False, 1),
        (["97.50000000000000001 %", "97.50000000000000002 %"], False, 1),
    ],
)
def test_words_that_would_touch_stand_upright_and_numbers_are_left_out(labels, upright, shown):
    figure = plots.Picture(3, 3)
    axes = figure.subplots()
    axes.set_xticks([0.0, 0.4], labels)
    axes.set_xlim(-0.2, 1.0)
    figure.rendered()
    ticks = axes.xaxis.get_major_ticks()
    assert {tick.label1.get_rotation() for tick in ticks} == {90 if upright else 0}
    assert sum(tick.label1.get_visible() for tick in ticks) == shown
    assert (figure.get_figheight() > 3) == upright
