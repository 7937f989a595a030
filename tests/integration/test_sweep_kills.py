"""A sweep that is killed comes to the table of one that is left alone."""

import os
import random

import pytest
from helpers import DRAWING, command, end_of, finish, interrupted_at, names_in, save_clouds, start, sweep_of, wait_until

pytestmark = pytest.mark.whole_programs

COMMAND = command("sweep")
KILLED = """
[training]
max_epochs = 1000
batch_size = 8
[hyper]
patience = 0
[grid]
learning_rate = [0.01, 0.03, 0.1, 0.3]
hidden = [[4]]
seeds = 2
[prune]
rung_epochs = [3, 9]
keep = 0.5
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Flags of a sweep of six small units and one of a hundred calls, and what it comes to where nothing interrupts it."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "a.toml").write_text(KILLED)
    data = save_clouds(folder / "clouds.npz")
    flags = [folder / "a.toml", "--data.name", data, "--data.normalise", "none", "--chunk", "2"]
    finish(COMMAND, *flags, "--out", folder / "whole", "--quiet")
    return flags, sweep_of(folder / "whole")


def saves_of(out):
    """How much there is in units/: it grows with every state and every unit that is done."""
    states = names_in(out, "units/*/*/epoch-*.safetensors")
    return sum(int(state.rpartition("/epoch-")[2][:6]) for state in states) + 100 * len(names_in(out, "units/*.json"))


def test_kills_change_no_bit(tmp_path, killed):
    """kill -9 in the first rungs, SIGTERM in the last unit, SIGINT while it draws pictures; each time it is resumed."""
    flags, expected = killed
    seed = int.from_bytes(os.urandom(4))
    moments = random.Random(seed)
    out = tmp_path / "sweep"
    for number, code, least in ((9, -9, moments.randint(1, 500)), (15, 143, moments.randint(620, 650))):
        arguments = ["--resume"] if out.exists() else flags
        process = start(COMMAND, *arguments, "--out", out, "--checkpoint-seconds", "0.01")
        wait_until(process, lambda least=least: saves_of(out) >= least)
        process.send_signal(number)
        found, said, error = end_of(process)
        assert found == code, (seed, said, error)
        assert "Traceback" not in error
        assert not (out / "summary.json").exists()
    code, error = interrupted_at(DRAWING, 2, "sweep", "--resume", "--out", out)
    assert code == 130, (seed, error)
    assert "Traceback" not in error
    finish(COMMAND, "--resume", "--out", out, "--quiet")
    assert sweep_of(out) == expected, seed
