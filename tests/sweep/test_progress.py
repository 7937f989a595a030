"""The bar of a sweep says what matters at any width; where there is no terminal, a line now and then."""

import io
import re

import pytest
from rich.console import Console

from jaxmlp.grid.progress import Progress
from jaxmlp.sweep import progress


@pytest.mark.parametrize(
    ("width", "told"),
    [
        (
            160,
            "60 running, best 0.1234 (97.00 %), 3 diverged, 37 early stopping, 55.5 trial-epochs/s, ~3 min left",
        ),
        (100, "60 running, best 0.1234 (97.00 %), 3 diverged, 37 early stopping, ~3 min left"),
        (80, "60 running, best 0.1234 (97.00 %), 3 diverged, ~3 min left"),
        (76, "60 running, best 0.1234 (97.00 %), ~3 min left"),
        (60, "60 running, ~3 min left"),
        (50, "60 running, ~3 min left"),
    ],
)
def test_a_narrow_bar_says_what_matters(width, told):
    """All of it on one line, with a bar and the count of trials, on any width."""
    bar = progress.SweepBar(quiet=False)
    bar.console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    row = {"validation_loss": 0.1234, "validation_accuracy": 0.97}
    bar.on_call_end(Progress(100, 40, 60, {"diverged": 3, "early_stopping": 37}, 900, 55.5, 200.0, row))
    bar.bar.refresh()
    bar.on_train_end()
    lines = [line for line in re.split(r"[\r\n]|\x1b\[\S*?[A-Za-z]", bar.console.file.getvalue()) if "trials" in line]
    for line in lines[-1:]:  # the last that was drawn
        assert re.fullmatch(rf"trials [━╺╸ ]{{5,40}}  40/100 {re.escape(told)} *", line), line
        assert len(line) <= width
    assert lines


def test_a_bar_of_many_trials_is_never_cut():
    line = progress._told(Progress(1_000_000, 5, 500_000, {"diverged": 3}, 900, 55.5, 200.0, None), 29)
    assert line == "500,000 running, ~3 min left"


def test_where_there_is_no_bar_a_line_is_printed_now_and_then(capsys, monkeypatch):
    bar = progress.SweepBar(quiet=False)
    state = Progress(100, 40, 60, {"diverged": 3}, 900, 55.5, 200.0, None)
    bar.on_call_end(state)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    bar.on_call_end(state)
    assert capsys.readouterr().out.startswith("40 of 100 trials have ended, 60 running, 3 diverged")
