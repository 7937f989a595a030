"""The battery in short: a few attacks of every kind (battery/), always the same; `.ci/run battery` makes all of them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import users_environment

HERE = Path(__file__).parent
SHORT = {"kills": 1, "powercut": 1, "overlaps": 1, "refusals": 2, "damage": 2, "inputs": 7}


@pytest.mark.whole_programs
@pytest.mark.skipif(sys.platform != "linux", reason="the layer reads /proc")
def test_nothing_is_lost_and_nothing_wrong_in_silence(tmp_path):
    """All kinds in one process: it imports once, and every attack forks it."""
    counts = [f"{kind}={count}" for kind, count in SHORT.items()]
    flags = ["--quick", "--folder", str(tmp_path)]
    words = [sys.executable, "-m", "battery", *counts, *flags]
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    environment = users_environment(PYTHONPATH=path, XLA_FLAGS=os.environ["XLA_FLAGS"])  # compiles in half the time
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    rows = dict(re.findall(r"^\| (\w+) \| (\d+) ", done.stdout, re.MULTILINE))
    assert {kind: int(count) for kind, count in rows.items()} == SHORT
