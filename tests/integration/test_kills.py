"""Signals and kills, at any moment of a run: no bit of its result changes, and nobody sees a traceback."""

import os
import random
import signal
import time

import pytest
from helpers import command, end_of, finish, run_of, start, wait_until

COMMAND = command("train")
DIGITS = ["--data.name", "digits", "--network.hidden", "64", "--training.max-epochs", "120", "--hyper.patience", "0"]


def epochs_of(out):
    """How many epochs are in metrics.jsonl."""
    return (out / "metrics.jsonl").read_bytes().count(b"\n") if (out / "metrics.jsonl").exists() else 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bits of the run that no signal comes to."""
    out = tmp_path_factory.mktemp("whole") / "run"
    finish(COMMAND, *DIGITS, "--out", out, "--quiet")
    return run_of(out)


def test_signals_and_kills_change_no_bit(tmp_path, whole):
    """SIGINT, SIGTERM, then kill -9 at two random moments; each time the run is resumed."""
    seed = int.from_bytes(os.urandom(4))
    moments = random.Random(seed)
    out, epochs = tmp_path / "run", 0
    for number, code in ((2, 130), (15, 143), (9, -9), (9, -9)):
        fresh = not out.exists()
        process = start(COMMAND, *(DIGITS if fresh else ["--resume"]), "--out", out, "--checkpoint-seconds", "0.05")
        epochs += moments.randint(1, 20)
        wait_until(process, lambda until=epochs: epochs_of(out) >= until)
        process.send_signal(number)
        found, said, error = end_of(process)
        assert found == code, (seed, said, error)
        assert "Traceback" not in error
        if number != 9:
            assert "stopping after this epoch" in error
            assert "go on with" in said
        assert not (out / "summary.json").exists()
        epochs = epochs_of(out)
    finish(COMMAND, "--resume", "--out", out, "--quiet")
    assert run_of(out) == whole, seed


@pytest.mark.parametrize("delay", [0.25, 0.5, 0.9])
def test_an_interrupt_while_it_starts_leaves_no_traceback(tmp_path, delay):
    process = start(COMMAND, *DIGITS, "--out", tmp_path / "run")
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    code, _, error = end_of(process)
    assert code == 130
    assert "Traceback" not in error


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_perceptron_leaves_nothing(tmp_path, sent, code):
    endless = ["--online.threshold", "0", "--online.max-steps", "2000000000"]
    process = start(command("perceptron"), "--out", tmp_path / "run", "--device", "cpu", *endless)
    process.stdout.readline()  # the device: it has begun
    time.sleep(1.5)
    process.send_signal(sent)
    found, _, error = end_of(process)
    assert found == code
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()
