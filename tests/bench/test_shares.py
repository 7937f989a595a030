"""Shares of the limit: what is measured at each batch and width, and what comes of it."""

import pytest
from bench.conftest import made_up

from jaxmlp.bench import chart, shares
from jaxmlp.bench.entries import LIMIT, RUN
from jaxmlp.bench.measuring import Measurement
from jaxmlp.bench.task import PRESETS

REPORT = PRESETS["report"]


@pytest.mark.parametrize(("batch", "width"), shares.places())
def test_an_epoch_has_whole_batches_and_takes_some_tenths_of_a_second(batch, width):
    jobs = shares.jobs(REPORT, batch, width, torch=True)
    assert [job.entry.name for job in jobs] == [LIMIT, RUN, "PyTorch, eager"]
    (task,) = {job.task for job in jobs}
    assert (task.batch, task.hidden) == (batch, (width,))
    assert task.examples % batch == 0
    assert task.examples >= 4 * batch
    assert task.flops < 2e10 or task.examples == 4 * batch


def test_a_share_is_of_the_limit_of_the_same_rounds_and_what_failed_has_none():
    broken = Measurement(made_up("PyTorch, eager", seconds=1.0).entry, [], failure="boom")
    found = shares.cell(16, 64, [made_up(LIMIT, seconds=0.1), made_up(RUN, seconds=0.2), broken])
    assert found == (16, 64, {RUN: pytest.approx(0.5)})
    assert shares.cell(16, 64, [made_up(RUN, seconds=0.2)]).shares == {}


def test_a_map_has_a_number_in_each_cell():
    cells = [shares.Cell(batch, width, {RUN: 0.5, "PyTorch, eager": 0.25}) for batch, width in shares.places()[:24]]
    ours, theirs = chart.shares(cells, REPORT).axes
    assert [text.get_text() for text in ours.texts] == ["50"] * 24 + ["–"]
    assert theirs.get_title(loc="left") == "PyTorch, eager"
    assert chart.shares([], REPORT).rendered().startswith(b"\x89PNG")
