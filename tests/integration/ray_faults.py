"""Sweeps on Ray under faults: each comes to the bits of the same sweep in one process, and leaves no process.

PYTHONPATH=.:tests:tests/integration python -m ray_faults [CASE ...]     all of them (`.ci/run ray`)

Nodes are processes of this machine, started by `ray start`; what is killed is known by its number. A line a case; the exit
code is 1 if any of them failed. It takes some 20 minutes on 2 cores; `folder_not_shared` and `disk_full` want to be root.
"""

import contextlib
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import psutil

FOLDER = Path(tempfile.mkdtemp(prefix="rf-"))  # a long name is none for a socket
os.environ |= {"JAXMLP_CACHE": str(FOLDER / "cache"), "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
os.environ |= {"JAX_PLATFORMS": "cpu", "MPLBACKEND": "agg", "RAY_AUTH_TOKEN": secrets.token_hex(32)}

from helpers import command, end_of, names_in, processes_of, start, sweep_of, users_environment, wait_until

SWEEP = """
[data]
name = "digits"
[training]
max_epochs = 400
[grid]
learning_rate = [0.01, 0.03, 0.1, 0.3]
hidden = [[48], [64]]
seeds = 3
[prune]
rung_epochs = [20, 80]
keep = 0.5
"""
FLAGS = [FOLDER / "a.toml", "--chunk", "4", "--resident", "8"]
PATIENCE = 600
COMMAND = command("sweep")
RAY = Path(sys.executable).with_name("ray")


class World:
    """What a case has: a folder for its sweep, a folder for Ray, a port for a cluster."""

    def __init__(self, name):
        seed = int.from_bytes(os.urandom(4))
        self.out, self.ray, self.port = FOLDER / name, FOLDER / f"r-{name[:8]}", _free_port()
        self.ray.mkdir()
        self.moments = random.Random(seed)
        self.seed = seed

    @property
    def environment(self):
        return users_environment(RAY_TMPDIR=self.ray)

    def sweep(self, *flags, resume=False, words=()):
        """The process of the sweep."""
        asked = ["--resume"] if resume else FLAGS
        words = [*words, *COMMAND]
        return start(words, *asked, "--out", self.out, "--checkpoint-seconds", "0.3", *flags, env=self.environment)

    def ends(self, process, code=0):
        """What the process said; it ends with the code, and without a traceback."""
        found, said, error = end_of(process, PATIENCE)
        assert (found, "Traceback" in error) == (code, False), (found, said, error)
        return said + error

    @contextlib.contextmanager
    def node(self, *flags, head=False, words=()):
        """A node of one worker."""
        where = ["--head", "--port", self.port, "--include-dashboard", "false"] if head else ["--address", self.address]
        words = [*words, RAY, "start", *where, "--num-cpus", 1, "--object-store-memory", 2**27, "--block", *flags]
        with (self.ray / f"log-{time.time()}").open("w") as log:
            process = start(map(str, words), env=self.environment, stdout=log, stderr=log)
        try:
            if head:
                wait_until(process, self.answers)
            yield process
        finally:
            for child in family(process):
                child.resume()
            process.terminate()
            process.wait(PATIENCE)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def answers(self):
        words = [RAY, "health-check", "--address", self.address]
        time.sleep(0.5)
        return not subprocess.run(words, capture_output=True, env=self.environment, check=False).returncode

    def saved(self, stage=0):
        """Whether a unit of a stage has been saved."""
        return bool(names_in(self.out, f"units/g*-s{stage}-u*/try-*/epoch-*"))

    def workers(self):
        """The processes that may be training."""
        return [process for process in processes_of(str(self.ray)) if _name(process).startswith("ray::RayWorker")]

    def is_right(self):
        assert sweep_of(self.out) == sweep_of(FOLDER / "local")


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def family(process):
    """All processes below one."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def _name(process):
    with contextlib.suppress(psutil.Error, IndexError):
        return process.cmdline()[0]
    return ""


def one_local_worker(world):
    """In process, on one core: one worker."""
    world.ends(world.sweep(words=["taskset", "-c", "0"]))


def one_worker(world):
    world.ends(world.sweep("--engine", "ray", "--workers", 1))


def two_workers(world):
    world.ends(world.sweep("--engine", "ray", "--workers", 2))


def three_workers(world):
    world.ends(world.sweep("--engine", "ray", "--workers", 3))


def workers_killed(world):
    """At five random moments."""
    process = world.sweep("--engine", "ray", "--workers", 2)
    wait_until(process, world.saved, PATIENCE)
    for _ in range(5):
        time.sleep(world.moments.uniform(0.2, 3))
        with contextlib.suppress(psutil.Error, IndexError):
            world.moments.choice(world.workers()).kill()
    return world.ends(process).count("has died; attempt")


def resumed_across_engines(world):
    """By Ctrl-C to the group of processes, SIGTERM, kill -9; on Ray, in process, on Ray with other workers."""
    for number, flags in (
        (signal.SIGINT, ["--engine", "ray", "--workers", 2]),
        (signal.SIGTERM, []),
        (signal.SIGKILL, ["--engine", "ray", "--workers", 3]),
        (signal.SIGTERM, ["--engine", "ray", "--workers", 1]),
    ):
        before = set(names_in(world.out, "units/*/*"))
        process = world.sweep(*flags, resume=world.out.exists(), words=["setsid"])
        wait_until(process, lambda before=before: set(names_in(world.out, "units/*/*")) - before, PATIENCE)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        said = world.ends(process, -9 if number == signal.SIGKILL else 128 + number)
        assert number == signal.SIGKILL or "--resume" in said, said
        psutil.wait_procs(processes_of(str(world.ray)), timeout=20)
        assert not processes_of(str(world.ray)), processes_of(str(world.ray))
    world.ends(world.sweep(resume=True))


def node_joins_late(world):
    with world.node(head=True):
        process = world.sweep("--engine", "ray", "--address", world.address, "--workers", 2)
        wait_until(process, world.saved, PATIENCE)
        with world.node():
            wait_until(process, lambda: len(world.workers()) == 2, PATIENCE)
            world.ends(process)


def node_killed(world):
    """With all of its processes, in the middle."""
    with world.node(head=True), world.node() as other:
        process = world.sweep("--engine", "ray", "--address", "auto", "--workers", 2)
        wait_until(process, lambda: world.saved() and len(world.workers()) == 2, PATIENCE)
        for child in family(other):
            child.kill()
        world.ends(process)


def node_stopped(world):
    """As a host does that hangs: silent, not dead."""
    with world.node(head=True), world.node() as other:
        process = world.sweep("--engine", "ray", "--address", world.address, "--workers", 2)
        wait_until(process, lambda: world.saved() and len(world.workers()) == 2, PATIENCE)
        for child in family(other):
            child.suspend()
        said = world.ends(process)
    return [line for line in said.splitlines() if "attempt" in line]


def head_lost(world):
    """The driver ends; on another cluster the sweep goes on."""
    with world.node(head=True) as head:
        process = world.sweep("--engine", "ray", "--address", world.address, "--workers", 1)
        wait_until(process, lambda: world.saved(1), PATIENCE)
        for child in family(head):
            child.kill()
        code, _, error = end_of(process, PATIENCE)
        assert code, error
    world.ends(world.sweep("--engine", "ray", "--workers", 2, resume=True))
    return f"the driver ended with {code}: {error[-300:]!r}"


def a_unit_kills_its_worker(world):
    """Three times: the sweep ends with its name, and can be gone on with."""
    process = world.sweep("--engine", "ray", "--workers", 1)
    while process.poll() is None:
        for worker in world.workers():
            if _name(worker) == "ray::RayWorker.run":
                with contextlib.suppress(psutil.Error):
                    worker.kill()
        time.sleep(0.005)
    said = world.ends(process, 1)
    assert "has lost its worker 3 times" in said, said
    world.ends(world.sweep("--engine", "ray", "--workers", 2, resume=True))
    return said.splitlines()[-1]


def disk_refuses(world):
    """A unit has no folder in which a worker could save it: the sweep ends with that line, and goes on when it has."""
    on_ray = ["--engine", "ray", "--workers", 2]
    process = world.sweep(*on_ray)
    wait_until(process, world.saved, PATIENCE)
    process.send_signal(signal.SIGTERM)
    world.ends(process, 143)
    in_the_way = world.out / "units/g1-s1-u000"
    in_the_way.write_text("no folder")
    said = world.ends(world.sweep(*on_ray, resume=True), 1)
    assert str(in_the_way) in said.splitlines()[-1], said
    in_the_way.unlink()
    world.ends(world.sweep(*on_ray, resume=True))
    return said.splitlines()[-1]


def disk_full(world):
    """A worker finds no room for a state: the sweep ends with that line, and goes on when there is room."""
    on_ray, kept = ["--engine", "ray", "--workers", 2], FOLDER / "kept"
    world.out.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", world.out], check=True)
    try:
        said = world.ends(world.sweep(*on_ray), 1)
        assert "No space left on device" in said.splitlines()[-1], said
        subprocess.run(["mount", "-o", "remount,size=1g", "none", world.out], check=True)
        world.ends(world.sweep(*on_ray, resume=True))
        shutil.copytree(world.out, kept)
    finally:
        subprocess.run(["umount", world.out], check=True)
    shutil.copytree(kept, world.out, dirs_exist_ok=True)
    return said.splitlines()[-1]


def folder_not_shared(world):
    """The node of the only worker does not see it: refused; carried, it comes to the same."""
    world.out.mkdir()
    hidden = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs none {world.out} && exec "$@"', "-"]
    with world.node("--num-cpus", 0, head=True), world.node(words=hidden):
        on_ray = ["--engine", "ray", "--address", world.address, "--workers", 1]
        said = world.ends(world.sweep(*on_ray), 1)
        assert "does not see" in said, said
        world.ends(world.sweep(*on_ray, "--carry-states", "--overwrite"))
    return said.splitlines()[-1]


def carried_and_stopped(world):
    """States are carried, a worker is killed, the sweep is stopped, and goes on in process."""
    process = world.sweep("--engine", "ray", "--workers", 2, "--carry-states")
    wait_until(process, lambda: names_in(world.out, "units/*.json"), PATIENCE)
    world.moments.choice(world.workers()).kill()
    wait_until(process, lambda: world.saved(0), PATIENCE)
    process.send_signal(signal.SIGTERM)
    world.ends(process, 143)
    world.ends(world.sweep(resume=True))


CASES = {
    case.__name__: case
    for case in (
        *(one_local_worker, one_worker, two_workers, three_workers, workers_killed, resumed_across_engines),
        *(node_joins_late, node_killed, node_stopped, head_lost, a_unit_kills_its_worker, folder_not_shared),
        *(carried_and_stopped, disk_refuses, disk_full),
    )
}


def main(names):
    """Run the cases, and say what came of them."""
    (FOLDER / "a.toml").write_text(SWEEP)
    code, local = 0, start(COMMAND, *FLAGS, "--out", FOLDER / "local", env=users_environment())
    assert end_of(local, PATIENCE)[0] == 0
    for name in names or CASES:
        world, begun = World(name), time.monotonic()
        try:
            result = CASES[name](world)
            world.is_right()
            psutil.wait_procs(processes_of(str(world.ray)), timeout=20)
            assert not processes_of(str(world.ray)), processes_of(str(world.ray))
            said = "" if result is None else f": {result}"
            print(f"ok    {name} (seed {world.seed}, {time.monotonic() - begun:.0f} s){said}", flush=True)
        except Exception:
            code = 1
            print(f"WRONG {name} (seed {world.seed}): {traceback.format_exc()}", flush=True)
        for process in processes_of(str(world.ray)):
            process.kill()
    shutil.rmtree(FOLDER)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
