"""Growth: which sizes are measured, and the exponent."""

import io

import pytest
from bench.conftest import made_up
from rich.console import Console

from jaxmlp.bench import growth
from jaxmlp.bench.entries import GRID, RUN
from jaxmlp.bench.growth import AXES, Line, line, points
from jaxmlp.bench.measuring import Measurement
from jaxmlp.bench.task import PRESETS

REPORT = PRESETS["report"]


@pytest.mark.parametrize("axis", AXES)
def test_each_axis_changes_one_size(axis):
    for value, job in points(axis, REPORT).items():
        changed = {name for name in vars(REPORT) if getattr(job.task, name) != getattr(REPORT, name)}
        assert changed <= {{"width": "hidden", "depth": "hidden"}.get(axis, axis)}
        assert job.label == f"{axis} {value:,}"
        assert job.entry.name == (GRID if axis == "trials" else RUN)


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        ("epochs", [1, 2, 4, 8]),
        ("examples", [12_000, 24_000, 48_000, 96_000]),
        ("width", [32, 64, 128, 256]),
        ("depth", [1, 2, 4, 8]),
        ("trials", [16, 32, 64, 128]),
    ],
)
def test_values_double(axis, values):
    assert list(points(axis, REPORT)) == values


def test_depth_and_width_are_of_the_hidden_layers():
    assert points("depth", REPORT)[4].task.hidden == (128, 128, 128, 128)
    assert points("width", PRESETS["table"])[32].task.hidden == (32, 32)


@pytest.mark.parametrize(("axis", "runs"), [("examples", 1), ("trials", 64)])
def test_seconds_are_of_the_whole_training_or_grid(axis, runs):
    jobs = points(axis, REPORT)
    name = GRID if axis == "trials" else RUN
    grown = line(axis, jobs, [made_up(name, seconds=0.1) for _ in jobs])
    assert grown.values == list(jobs)
    assert grown.seconds[2] == pytest.approx(0.1 * runs)
    assert grown.exponent == pytest.approx(1 if axis == "trials" else 0)


def test_the_exponent_is_the_slope_of_the_logarithms():
    assert Line("width", [1, 2, 4], [3.0, 12.0, 48.0]).exponent == pytest.approx(2)


def test_points_that_fail_are_left_out():
    jobs = points("epochs", REPORT)
    good, bad = made_up(RUN), Measurement(made_up(RUN).entry, [], failure="boom")
    assert line("epochs", jobs, [good, bad, good, bad]).values == [1, 4]
    assert line("epochs", jobs, [good, bad, bad, bad]) is None


def test_a_row_shows_each_value():
    console = Console(file=io.StringIO(), width=100)
    growth.show([Line("width", [1, 2000], [0.5, 1000.0])], console)
    assert "width  1: 0.5, 2,000: 1e+03" in console.file.getvalue()
    assert "1.00" in console.file.getvalue()


def test_json_has_the_machine_and_the_exponents():
    tree = growth.to_json([Line("width", [1, 2], [1.0, 2.0])], "report", REPORT, 3)
    (grown,) = tree["growth"]
    assert grown == {"axis": "width", "values": [1, 2], "seconds": [1.0, 2.0], "exponent": pytest.approx(1)}
    assert tree.keys() == {"date", "machine", "versions", "preset", "task", "rounds", "growth"}
