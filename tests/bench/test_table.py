"""The table: its numbers, and that it fits."""

import io

import pytest
from bench.conftest import made_up
from rich.console import Console

from jaxmlp.bench import table
from jaxmlp.bench.entries import RUN
from jaxmlp.bench.results import Results
from jaxmlp.bench.task import PRESETS


def printed(results, width=None):
    """The lines on a terminal of this width, or in a file."""
    terminal = {"width": width or 80, "force_terminal": width is not None}
    console = Console(file=io.StringIO(), highlight=False, color_system=None, **terminal)
    table.show(results, console)
    return console.file.getvalue().splitlines()


def test_a_row_has_time_ratios_share_and_loss(results):
    cells = table.cells(results, results.called("NumPy by hand"))
    assert cells == ("200", "180–240", "1.25", "1.67", "50 %", "0.3000")


def test_what_was_not_measured_is_a_dash():
    only = made_up("NumPy by hand")
    assert table.cells(Results("report", PRESETS["report"], 3, [only]), only)[2:] == ("–", "–", "–", "0.3000")


def test_another_loss_is_marked_and_named(results):
    assert table.cells(results, results.called("skorch"))[-1] == "≠ 0.5000"
    assert "more than 5 % from ours, so it was another training: skorch" in table.notes(results)[-1]
    assert not any("≠" in line for line in table.notes(results._replace(measurements=results.measurements[:-1])))


@pytest.mark.parametrize("width", [50, 60, 80, 200])
def test_it_fits_into_the_terminal(results, width):
    lines = printed(results, width)
    assert max(map(len, lines)) <= width
    row = next(line for line in lines if line.startswith(RUN))
    assert row.split("autodiff")[1].split()[0] == "160"
    assert ("144–192" in row) is (width >= 80)


def test_in_a_file_no_line_is_broken(results):
    assert any(
        line.startswith("share: of the machine's large product, 196 GFLOP/s here; an epoch")
        for line in printed(results)
    )


@pytest.mark.parametrize(("seconds", "text"), [(0.1634, "163"), (1.2, "1200"), (0.01234, "12.3"), (1e-5, "0.01")])
def test_times_have_three_digits(seconds, text):
    assert table.digits(seconds) == text
