"""The bar of a sweep says what matters at any width; where there is no terminal, a line now and then."""

import io
import re

import pytest
from rich.console import Console

from jaxmlp.cli import progress as lines
from jaxmlp.grid.progress import Progress
from jaxmlp.sweep import progress

BEST = {"validation_loss": 0.1234, "validation_accuracy": 0.97}


@pytest.mark.parametrize(
    ("width", "rest"),
    [
        (160, "60 running, best 0.1234 (97.00 %), 55.5 trial-epochs/s, 3 diverged, 37 early stopping"),
        (100, "60 running, best 0.1234 (97.00 %), 55.5 trial-epochs/s, 3 diverged"),
        (80, "60 running, best 0.1234 (97.00 %)"),
        (60, "60 running"),
        (40, ""),
    ],
)
def test_a_narrow_bar_says_what_matters(width, rest):
    """All of it on one line, with the count of trials and the time left first, on any width."""
    bar = progress.SweepBar(quiet=False)
    bar.console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    bar.on_call_end(Progress(100, 40, 60, {"diverged": 3, "early_stopping": 37}, 900, 55.5, 200.0, BEST))
    bar.bar.drawn.refresh()
    bar.on_train_end()
    drawn = [line for line in re.split(r"[\r\n]|\x1b\[\S*?[A-Za-z]", bar.console.file.getvalue()) if "trials" in line]
    assert len(drawn[-1]) <= width
    assert re.fullmatch(rf"trials 40/100, ~3 min left [━╺╸ ]{{5,40}} {re.escape(rest)} *", drawn[-1]), drawn[-1]


def test_where_there_is_no_bar_a_line_is_printed_now_and_then(capsys, monkeypatch):
    bar = progress.SweepBar(quiet=False)
    state = Progress(1_000_000, 40, 60, {"diverged": 3}, 900, 55.5, 200.0, None)
    bar.on_call_end(state)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(lines, "PAUSE", 0.0)
    bar.on_call_end(state)
    assert capsys.readouterr().out.startswith("trials 40/1,000,000, ~3 min left, 60 running, 55.5 trial-epochs/s, 3")
