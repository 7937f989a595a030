"""Entries take turns, each in a process of its own; one that fails does not stop the others."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from jaxmlp.bench import measuring
from jaxmlp.bench.entries import entry_called
from jaxmlp.bench.measuring import Job, measure

HAND, CORES = entry_called("NumPy by hand"), entry_called("NumPy, one a core")


def jobs(task, *entries):
    return [Job(entry, task, entry.name) for entry in entries]


def test_entries_take_turns(small):
    said = []
    found = measure(jobs(small, HAND, CORES), 2, lambda what, done, total: said.append((what, done, total)))
    assert said == [
        ("starting NumPy by hand", 0, 6),
        ("starting NumPy, one a core", 1, 6),
        ("round 1 of 2, NumPy by hand", 2, 6),
        ("round 1 of 2, NumPy, one a core", 3, 6),
        ("round 2 of 2, NumPy by hand", 4, 6),
        ("round 2 of 2, NumPy, one a core", 5, 6),
    ]
    assert [measurement.entry for measurement in found] == [HAND, CORES]
    for measurement in found:
        assert len(measurement.seconds) == 2
        assert min(measurement.seconds) <= measurement.median <= max(measurement.seconds) < 1
        assert 0 < measurement.loss < small.loss(small.weights())
        assert measurement.peak_bytes > 2**20
        assert measurement.first_seconds > 0


def test_one_that_fails_is_named_by_the_last_line_of_its_error(small):
    (broken,) = measure(jobs(replace(small, batch=0), HAND), 1, lambda *_: None)
    assert broken.failure == "ValueError: range() arg 3 must not be zero"


def test_a_process_that_cannot_begin_has_failed(small, monkeypatch):
    monkeypatch.setattr(measuring.sys, "executable", "false")
    (broken,) = measure(jobs(small, HAND), 1, lambda *_: None)
    assert broken.failure == "its process was ended"


@pytest.mark.parametrize(("entry", "threads"), [(HAND, None), (CORES, "1")])
def test_numpy_runs_without_what_slows_it_down_and_a_process_a_core_has_one_thread(small, monkeypatch, entry, threads):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "1024")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (job,) = jobs(small, entry)
    environment = measuring._environment(job)
    assert not {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & environment.keys()
    assert environment.get("OMP_NUM_THREADS") == threads
    assert (environment["KERAS_BACKEND"], environment["JAX_PLATFORMS"]) == ("jax", "cpu")


def test_on_a_gpu_jax_is_told_so_and_leaves_memory_to_the_others(small):
    (job,) = jobs(replace(small, device="gpu"), HAND)
    environment = measuring._environment(job)
    assert (environment["JAX_PLATFORMS"], environment["XLA_PYTHON_CLIENT_PREALLOCATE"]) == ("cuda", "false")


def test_a_process_ends_with_the_one_that_started_it(small):
    """Whatever it is doing: this one would train for minutes."""
    task = json.dumps(asdict(replace(small, epochs=100_000)))
    words = [sys.executable, "-m", "jaxmlp.bench.worker", HAND.name, task]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.7)
        process.stdin.close()
        assert process.wait(20) == 0
        assert process.stdout.read() == b""
