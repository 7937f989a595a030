"""When a program came to its goal, and how that stands beside ours."""

import io

import pytest
from rich.console import Console

from jaxmlp.bench import chart, reached
from jaxmlp.bench.programs import ALL, PROGRAMS
from jaxmlp.bench.running import Line, Outcome, Run
from jaxmlp.bench.task import PRESETS

LOSSES = {
    ALL: [0.2, 0.1],
    "jaxmlp, halving": [0.3, 0.104],
    "scikit-learn, halving": [0.106],  # not within 5 % of 0.1
    "Optuna with PyTorch, Hyperband": [0.2, 0.105, 0.09],
}


def run_of(program, number):
    """It prints a line a second; the prompt comes a second after the last one, later from round to round."""
    if program.part == "process":
        values = [("test_accuracy", 0.97)]
    elif program.part == "target":
        values = [("validation_accuracy", value) for value in (0.9, 0.974, 0.975)]
    else:
        values = [("validation_loss", value) for value in LOSSES[program.name]]
    lines = [Line(i + 1.0, {name: value}) for i, (name, value) in enumerate(values)]
    factor = 1 if not program.peer else 3
    lines = [line._replace(seconds=factor * line.seconds) for line in lines]
    return Run(lines[-1].seconds + 1 + number, 2 * 10**8, lines)


@pytest.fixture
def outcomes():
    return [Outcome(program, [run_of(program, number) for number in range(3)]) for program in PROGRAMS]


@pytest.mark.parametrize(
    ("part", "medians", "ratios"),
    [
        ("process", [3, 3, 5, 5], [1, 1, 5 / 3, 5 / 3]),
        ("target", [3, 9, 9], [1, 3, 3]),
        ("search", [2, 2, None, 6], [1, 1, None, 3]),
    ],
)
def test_seconds_are_those_to_the_goal(outcomes, part, medians, ratios):
    rows = reached.reached(part, "report", outcomes)
    assert [row.median for row in rows] == medians
    assert [reached.times(rows, row) for row in rows] == pytest.approx(ratios)


def test_who_came_there_in_some_rounds_only_has_no_median(outcomes):
    program, runs, _ = outcomes[-1]
    outcomes[-1] = Outcome(program, [*runs[:2], runs[2]._replace(lines=runs[2].lines[:1])])
    row = reached.reached("search", "report", outcomes)[-1]
    assert row.median is None
    assert len(row.seconds) == 2


def test_the_table_has_a_block_for_each_part(outcomes):
    out = io.StringIO()
    reached.show("report", outcomes, Console(file=out))
    text = out.getvalue()
    assert [title in text for title in ("from the command to the prompt", "accuracy of 97.5%", "within 5 %")] == [
        True
    ] * 3
    assert "97.00% of the test examples" in text
    (line,) = [line for line in text.splitlines() if line.startswith("scikit-learn, halving")]
    assert line.split()[2:] == ["–", "–", "–", "5.0", "200", "0.1060", "validation", "loss"]


def test_json_has_all_lines_and_what_failed(outcomes):
    failed = Outcome(PROGRAMS[2], [], "boom")
    tree = reached.to_json("report", [outcomes[0], failed])
    assert tree[0]["seconds"] == tree[0]["seconds_to_the_prompt"] == [2, 3, 4]
    assert tree[0]["lines"][0] == [{"seconds": 1.0, "reached": {"test_accuracy": 0.97}}]
    assert tree[1:] == [{"name": "scikit-learn", "part": "process", "failure": "boom"}]


def test_bars_are_medians_the_fastest_first_and_who_never_came_there_is_said(outcomes):
    figure = chart.programs("report", PRESETS["report"], outcomes)
    panel = figure.axes[-1]
    names = [text.get_text() for text in panel.get_yticklabels()]
    assert names == [ALL, "jaxmlp, halving", "Optuna with PyTorch, Hyperband", "scikit-learn, halving"]
    assert [bar.get_width() for bar in panel.patches] == [2, 2, 6]
    assert panel.texts[-1].get_text() == "not reached: 0.1060 validation loss"
    assert figure.rendered().startswith(b"\x89PNG")
    assert chart.programs("report", PRESETS["report"], []).rendered().startswith(b"\x89PNG")
