"""Signals and kills, at any moment of a run: no bit of its result changes, and nobody sees a traceback."""

import os
import random
import signal
import time

import pytest
from helpers import DRAWING, command, end_of, finish, interrupted_at, run_of, save_clouds, start, wait_until

pytestmark = pytest.mark.whole_programs

COMMAND = command("train")
# so many epochs that the last kill, after some 80 of them, does not come too late
LONG = ["--network.hidden", "64", "--training.max-epochs", "600", "--hyper.patience", "0"]


def epochs_of(out):
    """How many epochs are in metrics.jsonl."""
    return (out / "metrics.jsonl").read_bytes().count(b"\n") if (out / "metrics.jsonl").exists() else 0


@pytest.fixture(scope="module")
def clouds(tmp_path_factory):
    """Flags of small data, of which few pictures are drawn."""
    return ["--data.name", save_clouds(tmp_path_factory.mktemp("data") / "clouds.npz"), "--data.normalise", "none"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, clouds):
    """The bits of the run that no signal comes to."""
    out = tmp_path_factory.mktemp("whole") / "run"
    finish(COMMAND, *clouds, *LONG, "--out", out, "--quiet")
    return run_of(out)


def test_signals_and_kills_change_no_bit(tmp_path, clouds, whole):
    """SIGINT and kill -9 at random moments, SIGTERM while it draws pictures; each time the run is resumed."""
    seed = int.from_bytes(os.urandom(4))
    moments = random.Random(seed)
    out, epochs = tmp_path / "run", 0
    for number, code in ((2, 130), (9, -9)):
        fresh = not out.exists()
        process = start(
            COMMAND, *([*clouds, *LONG] if fresh else ["--resume"]), "--out", out, "--checkpoint-seconds", "0.05"
        )
        epochs += moments.randint(1, 40)
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
    code, error = interrupted_at(DRAWING, 15, "train", "--resume", "--out", out)
    assert code == 143, (seed, error)
    assert "Traceback" not in error
    finish(COMMAND, "--resume", "--out", out, "--quiet")
    assert run_of(out) == whole, seed


BEGUN, IMPORTED, READING = "jaxmlp.errors", "jaxmlp.cli.parsing", "sklearn"  # modules, by when they are imported


@pytest.mark.parametrize(
    ("name", "module", "number"),
    [
        *((name, BEGUN, 2) for name in ("train", "sweep", "predict", "gradcheck", "perceptron", "report")),
        ("predict", IMPORTED, 15),
        ("gradcheck", READING, 2),  # of train and sweep, drawing: where kills change no bit
    ],
)
def test_an_interrupt_at_any_moment_has_its_exit_code_and_no_traceback(tmp_path, name, module, number):
    """From the first line after `signals.install`; the 4 ms of imports before it cannot be told from Python's own."""
    data = ["--data.name", "digits"]
    flags = {
        "predict": [tmp_path, tmp_path / "a.png"],
        "report": ["--out", tmp_path / "out", *data],
        "gradcheck": data,
        "sweep": [*data, "--grid", "learning_rate = [0.1, 0.2]", "--training.max-epochs", 2],
        "train": [*data, "--training.max-epochs", 2],
        "perceptron": [*data, "--online.max-steps", 2000],
    }[name]
    out = [] if name in ("predict", "report", "gradcheck") else ["--out", tmp_path / "out"]
    code, error = interrupted_at(module, number, name, *flags, *out)
    assert code == 128 + number, error
    assert "Traceback" not in error


def test_an_interrupted_perceptron_leaves_nothing_and_says_so(tmp_path):
    out = tmp_path / "my run; touch x"
    endless = ["--online.threshold", "0", "--online.max-steps", "2000000000"]
    process = start(command("perceptron"), "--out", out, "--device", "cpu", *endless)
    process.stdout.readline()  # the device: it has begun
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    code, _, error = end_of(process)
    assert code == 143
    assert "Traceback" not in error
    assert not out.exists()
    line = f"python -m jaxmlp.perceptron --out '{out}' --device cpu {' '.join(endless)}"
    assert error == f"interrupted; nothing is kept; begin again with: {line}\n"


def test_an_interrupted_report_keeps_its_parts_and_says_how_to_go_on(tmp_path, clouds):
    out = tmp_path / "my run; touch x"
    flags = [*map(str, clouds[:2]), "--seeds", "1", "--only", "softmax", "readings_softmax"]
    process = start(command("report"), *flags, "--out", out)
    while process.stdout.readline() not in ("", "part 2 of 2: readings_softmax\n"):  # a kept file alone is too early
        pass
    process.send_signal(signal.SIGINT)
    code, _, error = end_of(process)
    assert code == 130
    line = f"python -m jaxmlp.report {' '.join(flags)} --out '{out}'"
    assert error == f"interrupted; 1 of 2 parts are kept; go on with: {line}\n"
