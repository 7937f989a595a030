"""A sweep that is killed, or shared by several processes, comes to the table of one that is left alone."""

import os
import random
import re

import pytest
from helpers import command, end_of, finish, free_port, save_clouds, start, summary_of, sweep_of, wait_until

from jaxmlp.sweep import store

COMMAND = command("sweep")
KILLED = """
[training]
max_epochs = 40
batch_size = 8
[hyper]
patience = 6
[grid]
learning_rate = [0.01, 0.03, 0.1, 0.3]
hidden = [[3], [4]]
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


def calls_of(out):
    """How many calls are in the newest checkpoint."""
    names = [path.name for path in out.glob("checkpoints/*/epoch-*.safetensors")]
    return max((int(name[6:12]) for name in names), default=0)


def test_kills_change_no_bit(tmp_path, killed):
    """kill -9 at random moments, and a signal; each time it is resumed."""
    flags, expected = killed
    seed = int.from_bytes(os.urandom(4))
    moments = random.Random(seed)
    out, calls = tmp_path / "sweep", 0
    for number in (9, 15, 9):
        arguments = ["--resume"] if out.exists() else flags
        process = start(COMMAND, *arguments, "--out", out, "--checkpoint-seconds", "0.01")
        until = calls + moments.randint(1, 12)
        wait_until(process, lambda until=until, process=process: calls_of(out) >= until or process.poll() == 0)
        process.send_signal(number)
        calls = calls_of(out)
        code, said, error = end_of(process)
        if code == 0:
            break  # it was faster
        assert code == (-9 if number == 9 else 143), (seed, said, error)
        assert "Traceback" not in error
    finish(COMMAND, "--resume", "--out", out, "--quiet")
    assert sweep_of(out) == expected, seed


def together(count, *arguments):
    """So many processes of one sweep, on this machine."""
    meet = ["--distributed", "--coordinator", f"127.0.0.1:{free_port()}", "--processes", count]
    return [start(COMMAND, *arguments, *meet, "--process-id", index) for index in range(count)]


def near(found, expected):
    """The same table to rounding: the same trials, epochs and counts."""
    assert len(found) == len(expected)
    for row, other in zip(found, expected, strict=True):
        for name, value in row.items():
            if name.endswith("loss") and value is not None:
                assert value == pytest.approx(other[name], rel=1e-4)
            else:
                assert value == other[name], name


def test_several_processes_come_to_the_same_table(tmp_path, killed):
    """Two here; three in the test below, of one that dies."""
    flags, (expected, curves, _) = killed
    out = tmp_path / "sweep"
    processes = together(2, *flags, "--out", out)
    for process in processes:
        code, said, error = end_of(process)
        assert (code, error) == (0, ""), said
    near(store.results(out), expected)
    assert sorted(store.curves(out)) == sorted(curves)
    assert summary_of(out)["processes"] == 2


def test_processes_that_were_not_started_alike_end_all(tmp_path, killed):
    meet = ["--distributed", "--coordinator", f"127.0.0.1:{free_port()}", "--processes", 2, "--out", tmp_path / "sweep"]
    processes = [start(COMMAND, *killed[0], *meet, "--seeds", 2 + k, "--process-id", k) for k in range(2)]
    for process in processes:
        code, said, error = end_of(process)
        assert code == 2, (said, error)
        assert error == "error: process 1 has other trials than process 0: start all with the same command and data\n"


def test_one_dies_the_others_end_and_another_number_goes_on(tmp_path, killed):
    flags, (expected, _, _) = killed
    out = tmp_path / "sweep"
    processes = together(2, *flags, "--out", out, "--checkpoint-seconds", "0.01")
    wait_until(processes[0], lambda: calls_of(out) >= 4)
    processes[1].kill()
    code, said, error = end_of(processes[0])
    processes[1].communicate()
    assert code == 1, (said, error)
    assert error.count("\n") == 1
    assert re.match(r"error: process 1 .*--resume", error)
    for process in together(3, "--resume", "--out", out):
        code, said, error = end_of(process)
        assert code == 0, (said, error)
    near(store.results(out), expected)
