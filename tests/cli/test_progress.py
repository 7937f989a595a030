"""What is shown while commands work: on a terminal a bar of one line, elsewhere lines; no word is broken."""

import io
import re

import pytest
from rich.console import Console

from jaxmlp.cli import progress
from jaxmlp.training.epochs import Epoch, Measured

EPOCH = Epoch(12, 0.1, Measured(0.0456, 990, 1000), Measured(0.1234, 97, 100), 0.5, None)


def on_terminal(lines, width):
    """The same, writing to a terminal of so many columns."""
    lines.console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False)
    return lines


def drawn(lines):
    """What was drawn, line by line."""
    return [line for line in re.split(r"[\r\n]|\x1b\[\S*?[A-Za-z]", lines.console.file.getvalue()) if line.strip()]


@pytest.mark.parametrize(
    ("width", "rest"),
    [
        (120, "validation 0.1234 (97.00 %), loss 0.0456, 2,000 examples/s"),
        (80, "validation 0.1234 (97.00 %), loss 0.0456"),
        (60, "validation 0.1234 (97.00 %)"),
        (40, ""),
    ],
)
def test_the_epoch_and_the_time_left_come_first_at_any_width(width, rest):
    bar = on_terminal(progress.Bar(quiet=False), width)
    bar.on_train_begin(1, 100, 1000)
    bar.began -= 22  # seconds, for eleven epochs
    bar.on_epoch_end(EPOCH)
    bar.bar.drawn.refresh()
    bar.clear()
    line = drawn(bar)[-1]
    assert len(line) <= width
    assert re.fullmatch(rf"epoch 12/100, ~3 min left [━╺╸ ]{{5,40}} {re.escape(rest)} *", line), line


def test_without_a_terminal_lines_say_what_is_done(capsys, monkeypatch):
    bar = progress.Bar(quiet=False)
    bar.on_compile("784-128-10")
    bar.on_train_begin(0, 100, 1000)
    bar.on_epoch_end(EPOCH)
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    bar.on_epoch_end(EPOCH)
    bar.on_train_end()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["compiling 784-128-10", "training from epoch 1 to at most 100, 1,000 examples each"]
    assert re.fullmatch(r"epoch 12/100, ~\S+ s left, validation 0\.1234 \(97\.00 %\), loss 0\.0456, .*", lines[2])
    assert lines[3:] == ["evaluating, and drawing pictures"]


def test_quiet_says_nothing(capsys):
    bar = progress.Bar(quiet=True)
    bar.on_message("x")
    bar.on_compile("x")
    bar.on_train_begin(0, 100, 1000)
    bar.on_epoch_end(EPOCH)
    bar.on_train_end()
    assert capsys.readouterr() == ("", "")


def test_a_bar_says_what_is_compiled_meanwhile():
    bar = on_terminal(progress.Bar(quiet=False), 80)
    bar.show("trials", 1, 2, 5.0, ["1 running"])
    bar.on_compile("4-3-2")
    bar.bar.drawn.refresh()
    bar.clear()
    assert "compiling 4-3-2" in drawn(bar)[-1]


def test_long_lines_break_between_words_and_lines_to_paste_never():
    lines = on_terminal(progress.Lines(quiet=False), 20)
    lines.on_message("a line of several words, longer than this")
    line = "jaxmlp train --out runs/somewhere --resume"
    lines.quote("go on with", line)
    assert drawn(lines) == ["a line of several ", "words, longer than ", "this", "go on with:", line]
