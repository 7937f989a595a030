"""How a command runs: its streams, its errors in one line, its signals while it starts, and the lines it quotes."""

import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import end_of, save_clouds, start

from jaxmlp.cli import main

TINY = ["--data.name", "digits", "--training.max-epochs", "1", "--network.hidden", "2"]


def shell(redirection, *arguments):
    """The end of a command whose streams the shell redirects."""
    return end_of(start(["bash", "-c", f'"$@" {redirection}', "-", sys.executable, "-m"], *arguments))


@pytest.mark.parametrize("command", ["train", "report"])
def test_a_closed_output_is_no_error(command):
    assert shell(">&-", f"jaxmlp.{command}", "--help") == (0, "", "")


@pytest.mark.whole_programs
def test_a_run_does_not_need_its_streams(tmp_path):
    flags = ["--data.name", save_clouds(tmp_path / "clouds.npz"), "--data.normalise", "none", *TINY[2:]]
    assert shell("<&- >&- 2>&-", "jaxmlp.train", *flags, "--out", tmp_path / "run") == (0, "", "")
    assert (tmp_path / "run/summary.json").exists()


@pytest.mark.parametrize("arguments", [["--help"], [*TINY, "--out", "run"]], ids=["help", "training"])
def test_a_full_disk_under_the_output_costs_one_line(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    error = "error: cannot write to standard output: No space left on device\n"
    assert shell("> /dev/full", "jaxmlp.train", *arguments) == (1, "", error)


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (OSError(28, "Full", "a.bin"), "[Errno 28] Full: 'a.bin'"),
        (OSError(5, "Broken"), "[Errno 5] Broken"),
        (MemoryError(), "out of memory; take a smaller network, batch or data set"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory\nmore"), "RESOURCE_EXHAUSTED: Out of memory; take a smaller"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_failure_costs_one_line_that_names_it(monkeypatch, capsys, failure, line):
    def fails(_):
        raise failure

    monkeypatch.setattr("os.dup2", lambda *_: None)
    monkeypatch.setattr("sys.stdout.fileno", lambda: 1, raising=False)
    with pytest.raises(SystemExit) as end:
        main.call(fails, [])
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {line}")
    assert said.count("\n") == 1


def test_a_bug_keeps_its_traceback():
    def fails(_):
        raise RuntimeError("not ours")

    with pytest.raises(RuntimeError, match="not ours"):
        main.call(fails, [])


def test_importing_the_library_leaves_signals_and_streams_alone():
    """Not even from a program of its own that is called like a command of ours."""
    code = (
        "import signal, sys; sys.stdin = None; before = [signal.getsignal(n) for n in (2, 15)];"
        "import jaxmlp, jaxmlp.__main__, jaxmlp.cli.main, jaxmlp.train.command, jaxmlp.sweep.command, os;"
        "assert [signal.getsignal(n) for n in (2, 15)] == before; assert sys.stdin is None"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_the_command_is_imported_ends_it_in_one_line(tmp_path, number, code):
    """The import is made to take long; before the first import of the package Python itself is in charge."""
    slow = tmp_path / "slow.py"
    slow.write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    program = "from jaxmlp.cli import main; main.run('slow')"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    with start([sys.executable, "-c", program], env=environment) as process:
        assert process.stdout.readline() == "importing\n"
        time.sleep(0.05)
        process.send_signal(number)
        assert process.stderr.read() == "interrupted\n"
        assert process.wait(timeout=30) == code
