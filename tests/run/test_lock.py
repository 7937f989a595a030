"""One process at a time holds a directory; a dead one holds nothing."""

import json
import os
import signal
import sys

import pytest
from helpers import end_of, files, refused, start

from jaxmlp.errors import RunError
from jaxmlp.run.lock import locked

HOLDER = """
import pathlib, sys, time
from jaxmlp.run.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds tmp_path/run."""
    process = start([sys.executable, "-c", HOLDER], tmp_path / "run")
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    end_of(process)


def hold(path):
    with locked(path):
        pass


def test_the_second_one_is_refused_and_told_who_holds_it(tmp_path, holder):
    refused(["in use by process", str(holder.pid), "since"], hold, tmp_path / "run", error=RunError)


def test_a_stopped_process_still_holds_it(tmp_path, holder):
    os.kill(holder.pid, signal.SIGSTOP)
    refused([str(holder.pid)], hold, tmp_path / "run", error=RunError)


def test_a_killed_process_is_no_obstacle(tmp_path, holder):
    holder.kill()
    holder.wait()
    (tmp_path / "run/.config.toml.77.tmp").touch()
    with locked(tmp_path / "run"):
        assert files(tmp_path / "run") == {".lock", ".holder.json"}
        assert json.loads((tmp_path / "run/.holder.json").read_text())["pid"] == os.getpid()


def test_a_holder_that_cannot_be_read_is_another_process(tmp_path, holder):
    (tmp_path / "run/.holder.json").write_text("[")
    refused(["another process"], hold, tmp_path / "run", error=RunError)


def test_a_directory_in_which_nothing_was_written_is_gone(tmp_path):
    hold(tmp_path / "run")
    assert files(tmp_path) == set()


def test_what_was_written_stays(tmp_path):
    with locked(tmp_path / "run"):
        (tmp_path / "run/config.toml").touch()
    assert files(tmp_path / "run") == {".lock", "config.toml"}
