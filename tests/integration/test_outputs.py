"""Commands whose files or whose reader fail them: one line, and no traceback."""

import os
import re

import pytest
from helpers import command, end_of, limited, save_clouds, start, users_environment

pytestmark = pytest.mark.whole_programs

DIGITS = ["--data.name", "digits", "--network.hidden", "64", "--training.max-epochs", "120", "--hyper.patience", "0"]
TRAIN = command("train")


@pytest.mark.parametrize(("name", "more"), [("train", []), ("sweep", ["--grid", "learning_rate = [0.03, 0.1, 0.3]"])])
def test_a_limit_on_the_size_of_files_costs_one_line(tmp_path, name, more):
    flags = [
        "--data.name",
        save_clouds(tmp_path / "clouds.npz"),
        "--training.max-epochs",
        40,
        "--hyper.patience",
        0,
        *more,
    ]
    # no cache of programs, whose files are larger; so they are compiled quickly
    environment = users_environment(JAX_ENABLE_COMPILATION_CACHE="false", XLA_FLAGS=os.environ["XLA_FLAGS"])
    code, _, error = end_of(start(limited(command(name)), *flags, "--out", tmp_path / "run", env=environment))
    assert code == 1
    assert error.count("\n") == 1
    assert re.match(r"error: cannot .*: File too large; raise the limit", error)


@pytest.mark.parametrize("arguments", [["--help"], [*DIGITS, "--out", "run"]], ids=["help", "training"])
def test_a_reader_that_goes_away_sees_no_traceback(tmp_path, arguments):
    with start(TRAIN, *arguments, cwd=tmp_path) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 1


def test_no_gpu_here_is_told_in_one_line(tmp_path):
    environment = {name: value for name, value in users_environment().items() if name != "JAX_PLATFORMS"}
    code, out, error = end_of(start(TRAIN, *DIGITS, "--device", "gpu", cwd=tmp_path, env=environment))
    if code == 0:
        pytest.skip("there is a GPU here")
    assert code == 1
    assert out == ""
    assert error.startswith("error: --device gpu: JAX finds none here")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
