"""A sweep on Ray, one of whose workers is killed, comes to the bits of one in a single process, and leaves no process."""

import json
import tempfile

import psutil
import pytest
from helpers import (
    command,
    end_of,
    finish,
    names_in,
    processes_of,
    save_clouds,
    start,
    sweep_of,
    users_environment,
    wait_until,
)

COMMAND = command("sweep")
SWEEP = """
[training]
max_epochs = 30
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


@pytest.fixture
def ray_folder():
    """A folder for what Ray leaves, with a name that is short enough for its sockets; no process of it is left."""
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        yield folder
        _, left = psutil.wait_procs(processes_of(folder), timeout=10)
        for process in left:
            process.kill()
        assert left == []


@pytest.mark.whole_programs
def test_a_killed_worker_changes_no_bit(tmp_path, ray_folder):
    (tmp_path / "a.toml").write_text(SWEEP)
    data = save_clouds(tmp_path / "clouds.npz")
    flags = [tmp_path / "a.toml", "--data.name", data, "--data.normalise", "none", "--chunk", "1", "--resident", "4"]
    finish(COMMAND, *flags, "--out", tmp_path / "local", "--quiet")
    out, environment = tmp_path / "ray", users_environment(RAY_TMPDIR=ray_folder)
    on_ray = ["--engine", "ray", "--workers", "2", "--checkpoint-seconds", "0.01", "--out", out]
    process = start(COMMAND, *flags, *on_ray, env=environment)
    wait_until(process, lambda: names_in(out, "units/*/try-*/*"))
    workers = [worker for worker in processes_of(ray_folder) if worker.cmdline()[0].startswith("ray::RayWorker")]
    max(workers, key=lambda worker: worker.cpu_times().user).kill()  # the other one may train nothing yet
    code, said, error = end_of(process)
    assert (code, error) == (0, ""), said
    assert "has died; attempt 2 of 3" in said
    assert sweep_of(out) == sweep_of(tmp_path / "local")
    terms = [json.loads((folder / "groups.json").read_text())["groups"] for folder in (out, tmp_path / "local")]
    assert terms[0] == terms[1]
