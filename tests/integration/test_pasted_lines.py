"""Lines to paste: whatever a folder is called, a shell reads it as one word and runs nothing else."""

import html
import re
import shlex
import signal
from pathlib import Path

import pytest
from helpers import save_clouds, signalling

from jaxmlp.cli import progress
from jaxmlp.report import command as report
from jaxmlp.report import page as report_page
from jaxmlp.sweep import command as sweep
from jaxmlp.sweep import page
from jaxmlp.sweep.progress import SweepBar
from jaxmlp.train import command as train

OUT = Path("my run; touch x")
TREE = {"data": {"name": "digits"}, "training": {"schedule": "constant"}}


def assert_harmless(line):
    """The line has the folder in one word, and no command of its name."""
    words = list(shlex.shlex(line, posix=True, punctuation_chars=True))
    assert ";" not in words
    assert "touch" not in words
    assert any(str(OUT) in word for word in words)


@pytest.mark.parametrize("status", ["max_epochs", "pruned", "early_stopping"])
def test_the_commands_of_a_sweeps_page_are_quoted(status):
    lines = page.commands(OUT, {"status": status, "epochs_run": 3}, TREE)
    shell = [line for purpose, line in lines.items() if "pandas" not in purpose]
    assert len(shell) == (2 if status == "early_stopping" else 3)
    for line in shell:
        assert_harmless(line)


@pytest.mark.parametrize(
    ("command", "bar", "event", "flags"),
    [
        (train, progress.Bar, "on_epoch_end", []),
        (
            sweep,
            SweepBar,
            "on_call_end",
            ["--grid", "learning_rate = [0.1, 0.2, 0.3]", "--chunk", "1", "--resident", "1"],
        ),
    ],
)
def test_the_line_that_goes_on_with_a_stopped_run_is_quoted(tmp_path, monkeypatch, capsys, command, bar, event, flags):
    data = save_clouds(tmp_path / "clouds.npz")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bar, event, signalling(signal.SIGTERM))
    assert command.main(["--data.name", str(data), "--training.max-epochs", "3", *flags, "--out", str(OUT)]) == 143
    line = re.search("go on with: (.*)", capsys.readouterr().out)[1]
    assert_harmless(line)
    assert shlex.split(line)[-3:] == ["--out", str(OUT), "--resume"]


@pytest.mark.parametrize("file", ["report.md", "report.html"])
def test_the_command_of_a_report_is_quoted(tmp_path, file):
    arguments = ["--data.name", "digits", "--out", str(OUT)]
    provenance = report._provenance(report.COMMAND.parse(arguments), arguments, "cpu", {}) | {"seconds": 1.0}
    report_page.write(tmp_path, {}, provenance)
    text = html.unescape((tmp_path / file).read_text()) if file == "report.html" else (tmp_path / file).read_text()
    line = re.search("python -m jaxmlp.report [^`<]*", text)[0]
    assert_harmless(line)
    assert shlex.split(line)[-4:] == arguments
