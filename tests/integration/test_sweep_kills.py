"""A sweep that is killed comes to the table of one that is left alone."""

import os
import random

import pytest
from helpers import command, end_of, finish, save_clouds, start, sweep_of, wait_until

COMMAND = command("sweep")
KILLED = """
[training]
max_epochs = 40
batch_size = 8
[hyper]
patience = 6
[grid]
learning_rate = [0.01, 0.03, 0.1, 0.3]
hidden = [[4]]
seeds = 3
[prune]
rung_epochs = [3, 9]
keep = 0.5
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Flags of a sweep of many calls, and what it comes to where nothing interrupts it."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "a.toml").write_text(KILLED)
    data = save_clouds(folder / "clouds.npz")
    flags = [folder / "a.toml", "--data.name", data, "--data.normalise", "none", "--chunk", "2"]
    finish(COMMAND, *flags, "--out", folder / "whole", "--quiet")
    return flags, sweep_of(folder / "whole")


def saves_of(out):
    """How much there is in units/: it grows with every state and every unit that is done."""
    names = [path.name for path in out.glob("units/*/*/epoch-*.safetensors")]
    return sum(int(name[6:12]) for name in names) + 100 * len(list(out.glob("units/*.json")))


def test_kills_change_no_bit(tmp_path, killed):
    """kill -9 at random moments, and a signal; each time it is resumed."""
    flags, expected = killed
    seed = int.from_bytes(os.urandom(4))
    moments = random.Random(seed)
    out = tmp_path / "sweep"
    for number in (9, 15, 9):
        arguments = ["--resume"] if out.exists() else flags
        before = saves_of(out)
        process = start(COMMAND, *arguments, "--out", out, "--checkpoint-seconds", "0.01")
        more = moments.randint(1, 800)
        wait_until(process, lambda: saves_of(out) >= before + more or process.poll() == 0)  # noqa: B023
        process.send_signal(number)
        code, said, error = end_of(process)
        if code == 0:
            break  # it was faster
        assert code == (-9 if number == 9 else 143), (seed, said, error)
        assert "Traceback" not in error
    finish(COMMAND, "--resume", "--out", out, "--quiet")
    assert sweep_of(out) == expected, seed
