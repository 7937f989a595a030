"""Processes find each other, hear each other, and end with one clear line when one of them does not."""

import contextlib
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from helpers import free_port

from jaxmlp.errors import JaxmlpError, UsageError
from jaxmlp.sweep import processes

ROOT = pathlib.Path(__file__).parents[2]
PATIENCE = 50  # s, for what takes a few seconds on an idle machine

# Every process does `rounds` rounds; the victim stands still before the last one, and the others go into it at once
# ("waiting") or once they are let go ("computing").
SCRIPT = """
import sys, time
from jaxmlp.errors import JaxmlpError
from jaxmlp.sweep import processes
from jaxmlp.cli.main import call

def no_device():
    raise JaxmlpError("there is no such device")

def run(arguments):
    index, count, port, rounds, role, silence = arguments
    index, count, rounds = int(index), int(count), int(rounds)
    devices = no_device if role == "deviceless" else None
    processes.connect(f"127.0.0.1:{port}", count, index, devices=devices, timeout=40.0, silence=float(silence))
    assert (processes.index(), processes.count()) == (index, count)
    for turn in range(rounds):
        if turn == rounds - 1:
            print("ready", flush=True)
            if role == "failing":
                raise JaxmlpError("the disk is full")
            if role in ("victim", "computing"):
                sys.stdin.readline()
        size = 3 * 10 ** (index + 2 * turn)
        told = processes.exchange({"from": index, "turn": turn, "text": "ü" * size, "number": 0.1, "nothing": None})
        assert [(one["from"], one["turn"]) for one in told] == [(k, turn) for k in range(count)]
        assert [len(one["text"]) for one in told] == [3 * 10 ** (k + 2 * turn) for k in range(count)]
        assert all(one["number"] == 0.1 and one["nothing"] is None for one in told)
    if role == "trials":
        import jax, numpy as np
        from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
        assert (jax.process_index(), jax.process_count()) == (index, count)
        assert jax.local_device_count() == 2 and jax.device_count() == 2 * count
        mesh = Mesh(np.array(jax.local_devices()), ("trials",))
        total = jax.shard_map(lambda x: jax.lax.psum(x, "trials"), mesh=mesh, in_specs=P("trials"), out_specs=P())
        for turn in range(3 * index + 1):  # no other process takes part
            x = jax.device_put(np.arange(4.0), NamedSharding(mesh, P("trials")))
            assert jax.jit(total)(x).tolist() == [2, 4]
    processes.disconnect()
    print("done", processes.index(), processes.count())
    return 0

call(run)
"""


class Processes:
    """So many processes of the script, one for each role."""

    def __init__(self, roles, rounds=2, silence=30):
        port = free_port()
        self.running = [
            subprocess.Popen(
                [sys.executable, "-c", SCRIPT, *map(str, (k, len(roles), port, rounds, role, silence))],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for k, role in enumerate(roles)
        ]
        self.watchdog = threading.Timer(PATIENCE, self.kill)
        self.watchdog.start()

    def kill(self):
        for process in self.running:
            process.kill()

    def wait_until_ready(self):
        for process in self.running:
            line = process.stdout.readline()
            assert line == "ready\n", (line, process.stderr.read())

    def let_go(self, k):
        with contextlib.suppress(BrokenPipeError):
            self.running[k].stdin.write("\n")
            self.running[k].stdin.flush()

    def end_of(self, k):
        """Exit code, standard output and standard error."""
        output, errors = self.running[k].communicate(timeout=PATIENCE)
        return self.running[k].returncode, output, errors

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        self.kill()
        for process in self.running:
            process.communicate(timeout=PATIENCE)


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    for name in (
        "JAX_COORDINATOR_ADDRESS",
        "JAX_NUM_PROCESSES",
        "JAX_PROCESS_ID",
        "SLURM_JOB_ID",
        "JAX_LOCAL_DEVICE_IDS",
    ):
        monkeypatch.delenv(name, raising=False)


def test_messages_of_any_size_reach_all_in_order_and_devices_stay_local():
    with Processes(["trials"] * 3, rounds=3) as group:
        for k in range(3):
            assert group.end_of(k) == (0, "ready\ndone 0 1\n", "")


@pytest.mark.parametrize(
    ("roles", "lost", "how"),
    [
        (["waiting", "victim", "waiting"], 1, "kill"),
        (["victim", "waiting"], 0, "kill"),
        (["computing", "victim"], 1, "kill"),
        (["victim", "computing"], 0, "kill"),
        (["waiting", "failing"], 1, "fail"),
        (["waiting", "victim"], 1, "stop"),
        (["victim", "waiting"], 0, "stop"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else str(value),
)
def test_the_others_end_with_one_line_when_one_is_lost(roles, lost, how):
    with Processes(roles, silence=4 if how == "stop" else 30) as group:
        group.wait_until_ready()
        if how != "fail":
            group.running[lost].send_signal(signal.SIGKILL if how == "kill" else signal.SIGSTOP)
        if how != "stop":
            assert group.end_of(lost)[0] == (1 if how == "fail" else -signal.SIGKILL)
        begin = time.monotonic()
        for k, role in enumerate(roles):
            if role == "computing":
                assert group.running[k].poll() is None, "it need not end before it asks the others"
                group.let_go(k)
        for k in set(range(len(roles))) - {lost}:
            code, output, errors = group.end_of(k)
            what = "has been silent for 4 s" if how == "stop" else "is gone"
            line = f"error: process {lost} (127.0.0.1) {what}; see its own output, and go on with --resume"
            assert (code, output) == (1, "")
            assert re.fullmatch(re.escape(line) + ".*\n", errors)
        assert time.monotonic() - begin < 30


@pytest.mark.parametrize("without", [0, 1])
def test_a_process_without_its_device_ends_all(without):
    roles = ["waiting", "waiting", "waiting"]
    roles[without] = "deviceless"
    with Processes(roles) as group:
        for k in range(3):
            code, output, errors = group.end_of(k)
            line = "there is no such device" if k == without else f"process {without} .*"
            assert (code, output) == (1, "")
            assert re.fullmatch(f"error: {line}\n", errors)


@pytest.mark.parametrize(
    ("given", "environment", "line"),
    [
        ((None, None, None), {}, "--coordinator is missing; set it or JAX_COORDINATOR_ADDRESS to HOST:PORT"),
        (("h:1", None, None), {}, "--processes is missing; set it or JAX_NUM_PROCESSES"),
        (("h:1", 2, None), {}, "--process-id is missing; set it or JAX_PROCESS_ID"),
        (
            (None, None, 0),
            {"JAX_COORDINATOR_ADDRESS": "h:1", "JAX_NUM_PROCESSES": "two"},
            "cannot be 'two'; set it to a",
        ),
        (("h:1", 2, 2), {}, r"--process-id .* cannot be 2; set it to a whole number from 0, below --processes \(2\)"),
        (("h:1", 2, -1), {}, "--process-id .* cannot be -1"),
        (("h:1", 0, 0), {}, "--processes .* cannot be 0; set it to a whole number from 1"),
        (("h", 2, 0), {}, "--coordinator .* cannot be 'h'; set it to HOST:PORT"),
        (("h:0", 2, 0), {}, "--coordinator .* cannot be 'h:0'"),
        (("h:65536", 2, 0), {}, "--coordinator .* cannot be 'h:65536'"),
        (("http://h:1", 2, 0), {}, "--coordinator .* cannot be 'http://h:1'"),
    ],
)
def test_wrong_arguments_are_named(given, environment, line, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=line) as caught:
        processes.connect(*given)
    assert "\n" not in str(caught.value)


def test_one_process_needs_no_other(monkeypatch):
    monkeypatch.setenv("JAX_NUM_PROCESSES", "1")
    processes.connect("localhost:1", None, 0)
    assert (processes.index(), processes.count()) == (0, 1)
    assert processes.exchange({"pair": (1, 2)}) == [{"pair": [1, 2]}]
    with pytest.raises(TypeError):
        processes.exchange({"set": {1}})
    processes.disconnect()


def test_where_nothing_answers():
    port = free_port()
    with pytest.raises(JaxmlpError, match=f"nothing answers at --coordinator 127.0.0.1:{port} within 0.3 s"):
        processes.connect(f"127.0.0.1:{port}", 2, 1, timeout=0.3)


def test_where_a_port_is_taken():
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(JaxmlpError, match=f"cannot listen on port {port}"):
            processes.connect(f"127.0.0.1:{port}", 2, 0, timeout=0.3)


def test_who_does_not_come_and_who_is_not_awaited():
    port, said = free_port(), {}

    def start(key, count, index, timeout):
        try:
            processes.connect(f"127.0.0.1:{port}", count, index, timeout=timeout)
        except JaxmlpError as error:
            said[key] = str(error)

    first = threading.Thread(target=start, args=("first", 3, 0, 2.5))
    second = threading.Thread(target=start, args=("second", 3, 1, 2.5))
    for thread in (first, second):
        thread.start()
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 4) as stranger:
        stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
    start("other", 2, 1, 2.5)
    for thread in (first, second):
        thread.join(PATIENCE)
    assert "process 2 of 3 did not come within 2.5 s" in said["first"]
    assert said["second"] == said["first"]
    assert "process 1 of 2 is not awaited by process 0, which has --processes 3" in said["other"]
