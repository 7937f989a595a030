"""What all commands share: numbers and flags that are refused in one line, and an output that cannot be written to."""

import importlib
import subprocess
import sys
from typing import get_args, get_type_hints

import pytest
from helpers import refused

from jaxmlp.cli import terminal
from jaxmlp.sweep import command as sweep

COMMANDS = {
    "train": "Train",
    "sweep": "SweepCommand",
    "gradcheck": "GradCheck",
    "predict": "Predict",
    "perceptron": "Perceptron",
    "report": "Report",
}
POSITIONAL = {"predict": ["run", "a.png"]}


def number_flags():
    """Each flag of a command's own that takes one number, and two of those in sections."""
    kinds = {name: getattr(importlib.import_module(f"jaxmlp.{name}.command"), kind) for name, kind in COMMANDS.items()}
    own = [
        (name, f"--{field.replace('_', '-')}", number)
        for name, kind in kinds.items()
        for field, hint in get_type_hints(kind).items()
        for number in (int, float)
        if hint is number or number in get_args(hint)
    ]
    return [*own, ("train", "--hyper.learning-rate", float), ("perceptron", "--online.max-steps", int)]


@pytest.mark.parametrize(("command", "flag", "kind"), number_flags())
def test_what_is_no_number_is_told_in_one_line(tmp_path, monkeypatch, command, flag, kind):
    monkeypatch.chdir(tmp_path)
    wanted = "a whole number" if kind is int else "a number"
    main = importlib.import_module(f"jaxmlp.{command}.command").main
    line = refused([], main, [*POSITIONAL.get(command, []), flag, "x"])
    assert line == f"{flag} is 'x'; accepted is {wanted}"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--seeds", "1.5"], "--seeds is '1.5'; accepted is a whole number"),
        (["--chunk=it's"], """--chunk is "it's"; accepted is a whole number"""),
        (["--resident", ""], "--resident is ''; accepted is a whole number"),
        (["--sedes", "3"], "--sedes is not known here; did you mean --seeds or --seed? --help lists all flags"),
    ],
)
def test_what_a_sweep_cannot_read_is_told_in_one_line(arguments, line):
    assert refused([], sweep.main, arguments) == line


def shell(redirection, *arguments):
    command = ["bash", "-c", f'"$@" {redirection}', "-", sys.executable, "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


TINY = ["--data.name", "digits", "--training.max-epochs", "1", "--network.hidden", "2"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_closed_output_is_no_error(command):
    done = shell(">&-", f"jaxmlp.{command}", "--help")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_run_does_not_need_its_streams(tmp_path, closed):
    done = shell(closed, "jaxmlp.train", *TINY, "--out", str(tmp_path / "run"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "run/summary.json").exists()


@pytest.mark.parametrize("arguments", [["--help"], [*TINY, "--out", "run"]], ids=["help", "training"])
def test_a_full_disk_under_the_output_costs_one_line(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    done = shell("> /dev/full", "jaxmlp.train", *arguments)
    assert done.returncode == 1
    assert done.stderr == "error: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize(
    ("failure", "line"),
    [(OSError(28, "Full", "a.bin"), "[Errno 28] Full: 'a.bin'"), (OSError(5, "Broken"), "[Errno 5] Broken")],
)
def test_another_failure_is_not_blamed_on_the_output(monkeypatch, capsys, failure, line):
    def fails(_):
        raise failure

    monkeypatch.setattr("os.dup2", lambda *_: None)
    monkeypatch.setattr("sys.stdout.fileno", lambda: 1, raising=False)
    with pytest.raises(SystemExit) as end:
        terminal.main(fails)
    assert end.value.code == 1
    assert capsys.readouterr().err == f"error: {line}\n"
