"""What is wrong with the cluster, or the flags for it, is one line, and no wait; without them nothing of Ray is loaded."""

import os
import socket
import stat
import sys

import pytest
from helpers import cases, loaded_after, refused

from jaxmlp.errors import JaxmlpError, UsageError
from jaxmlp.sweep import command, ray_cluster
from jaxmlp.sweep.ray_cluster import Cluster, Request, connected

GRID = ["--data.name", "digits", "--grid", "learning_rate = [0.1, 0.2]"]


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch, tmp_path):
    """None is noted, and no token."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ray_cluster.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def connect(address):
    with connected(Request(address)):
        pass


@pytest.mark.parametrize("address", ["here", "ray://head:10001", "head:70000", "head:", ":1", "http://head:1/"])
def test_what_is_no_address(address):
    refused(["--address", "auto", "HOST:PORT"], connect, address)


@pytest.mark.parametrize("place", ["flag", "RAY_ADDRESS", "ray_current_cluster"])
def test_where_nothing_answers(place, monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    if place == "RAY_ADDRESS":
        monkeypatch.setenv(place, address)
    if place == "ray_current_cluster":  # of a cluster that was killed
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / place).write_text(f"{address}\n")
    argument = {"flag": address, "RAY_ADDRESS": None, "ray_current_cluster": "auto"}[place]
    refused([address, "no Ray cluster answers", "ray start"], connect, argument, error=JaxmlpError)


def test_where_there_is_no_cluster_or_no_token(monkeypatch):
    refused(["no Ray cluster runs here", "ray start"], connect, "auto", error=JaxmlpError)
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = ["no token", "~/.ray/auth_token"]
        refused(words, connect, f"127.0.0.1:{server.getsockname()[1]}", error=JaxmlpError)


def test_where_ray_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    refused(["pip install 'jaxmlp[ray]'"], connect, None, error=JaxmlpError)


FLAGS = {
    "an address without Ray": (["--address", "auto"], ["--address", "--engine ray"]),
    "workers without Ray": (["--workers", "2"], ["--workers", "--engine ray"]),
    "cores without Ray": (["--cpus-per-worker", "2"], ["--cpus-per-worker", "--engine ray"]),
    "mixed devices without Ray": (["--mixed-devices"], ["--mixed-devices", "--engine ray"]),
    "carried states without Ray": (["--carry-states"], ["--carry-states", "--engine ray"]),
    "no worker": (["--engine", "ray", "--workers", "0"], ["--workers", "0", "1"]),
    "no core": (["--engine", "ray", "--cpus-per-worker", "0"], ["--cpus-per-worker", "0", "1"]),
    "an estimate on Ray": (["--engine", "ray", "--dry-run"], ["--dry-run", "--engine ray"]),
}


@pytest.mark.parametrize(("flags", "words"), cases(FLAGS))
def test_flags_that_do_not_go_together(flags, words):
    refused(words, command.read, [*GRID, *flags], error=UsageError)


OFFERED = {
    "accelerators come first": (Request(), {"CPU": 64.0, "GPU": 8.0}, Cluster("gpu", 8, 0)),
    "TPU": (Request(), {"CPU": 8.0, "TPU": 4.0}, Cluster("tpu", 4, 0)),
    "cores beside them": (Request(cpus=4), {"CPU": 64.0, "GPU": 8.0}, Cluster("gpu", 8, 4)),
    "a worker a core": (Request(), {"CPU": 3.0}, Cluster("cpu", 3, 1)),
    "several cores each": (Request(cpus=4), {"CPU": 10.0}, Cluster("cpu", 2, 4)),
    "as is asked": (Request(device="cpu", workers=3), {"CPU": 64.0, "GPU": 8.0}, Cluster("cpu", 3, 1)),
    "more than are there": (Request(workers=300), {"CPU": 64.0, "GPU": 8.0}, Cluster("gpu", 300, 0)),
}


@pytest.mark.parametrize(("request_", "resources", "cluster"), cases(OFFERED))
def test_what_is_offered(request_, resources, cluster):
    assert ray_cluster._offered(request_, resources) == cluster


def test_a_cluster_without_room_is_refused():
    refused(["0 GPU", "--workers"], ray_cluster._offered, Request(device="gpu"), {"CPU": 8.0}, error=JaxmlpError)
    refused(["8 CPU", "takes 16"], ray_cluster._offered, Request(cpus=16), {"CPU": 8.0}, error=JaxmlpError)


def test_a_token_is_for_its_user_alone(tmp_path, monkeypatch):
    path = tmp_path / ".ray/auth_token"
    assert not ray_cluster._has_token()
    assert ray_cluster._local(Request(workers=3, cpus=2))["num_cpus"] >= 6
    assert len(os.environ.pop("RAY_AUTH_TOKEN")) == 64
    path.parent.mkdir()
    path.write_text("secret")
    path.chmod(0o644)
    assert ray_cluster._has_token()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ray_cluster._local(Request())
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_nothing_of_ray_is_loaded_without_it():
    modules = loaded_after("import jaxmlp.sweep, jaxmlp.sweep.command, jaxmlp.sweep.runner")
    assert not {"ray", "jaxmlp.sweep.ray_pool"} & modules
