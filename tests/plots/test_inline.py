"""Pictures within a page have the colours of the page, and a note at each point."""

import re

import numpy as np

from jaxmlp import plots
from jaxmlp.plots.inline import MOST_NOTES, note
from jaxmlp.plots.picture import INK, TRAIN, per_cent


def picture(values, label="train", **more):
    figure = plots.Picture(4, 3)
    axes = figure.subplots()
    axes.plot(np.arange(len(values)) + 1.0, values, label=label, color=TRAIN, **more)
    axes.set_xlabel("epoch")
    figure.head("A <title>")
    return figure


def notes(svg):
    return re.findall("<title>(.*?)</title>", svg)


def test_each_point_of_a_line_says_its_values_and_the_best_is_not_said_twice():
    figure = picture([0.5, np.nan, 0.25])
    per_cent(figure.axes[0].yaxis)
    svg = plots.inlined(figure, "what it & shows")
    assert notes(svg) == ["train, epoch 1: 50 %", "train, epoch 3: 25 %"]
    assert svg.startswith("<svg ")
    assert 'aria-label="what it &amp; shows"' in svg
    assert "A &lt;title&gt;" in svg


def test_a_line_without_a_name_is_called_by_its_gid():
    figure = picture([1.0, 2.0], label="_hidden", gid="runs/a")
    assert notes(plots.inlined(figure, ""))[0] == "runs/a, epoch 1: 1"


def test_many_points_have_few_notes():
    assert len(notes(plots.inlined(picture(np.linspace(0, 1, 1000)), ""))) == MOST_NOTES


def test_a_mark_has_the_note_that_it_was_given():
    figure = picture([1.0, 2.0])
    (bar,) = figure.axes[0].bar([1.5], [1.0])
    note(bar, "3 of 4 & more")
    assert "3 of 4 &amp; more" in notes(plots.inlined(figure, ""))


def test_colours_are_those_of_the_page_and_numbers_in_texts_stay_whole():
    figure = picture([1.0, 2.0])
    figure.axes[0].set_title("best: 0.223841", color=INK)
    svg = plots.inlined(figure, "")
    assert "var(--ours)" in svg
    assert not {INK, TRAIN} & set(re.findall("#[0-9a-f]{6}", svg))
    assert "best: 0.223841" in svg
    assert re.findall(r' d="[^"]*\.\d{3}', svg) == []
