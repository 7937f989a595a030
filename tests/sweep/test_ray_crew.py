"""Workers that would not come to the same bits, or not at all, are refused."""

from pathlib import Path

import pytest
from helpers import cases, refused

from jaxmlp.errors import DataError, JaxmlpError
from jaxmlp.run import environment
from jaxmlp.sweep.ray_worker import Facts


@pytest.fixture
def crew(monkeypatch):
    """One that has a first worker, and no Ray."""
    from jaxmlp.sweep.ray_crew import RayCrew

    crew = object.__new__(RayCrew)
    crew.path, crew.data, crew.first = Path("/a/sweep"), "crc", None
    crew.mixed_devices = crew.carry_states = False
    crew._check(first())
    return crew


def first():
    return Facts("host0", environment.versions(), "gpu", "A100", "", "crc", True)


OTHERS = {
    "version": ({"versions": environment.versions() | {"jax": "0.1"}}, JaxmlpError, ["host1", "jax 0.1"]),
    "data": ({"data": "other"}, DataError, ["host1", "other data"]),
    "folder": ({"shares": False}, JaxmlpError, ["host1", "/a/sweep", "--out", "--carry-states"]),
    "device": ({"kind": "H100"}, JaxmlpError, ["host1", "H100", "A100", "--mixed-devices"]),
    "CPU": ({"model": "EPYC"}, JaxmlpError, ["host1", "EPYC", "--mixed-devices"]),
}


@pytest.mark.parametrize(("changes", "error", "words"), cases(OTHERS))
def test_a_worker_with_another(crew, changes, error, words):
    other = first()._replace(host="host1", **changes)
    refused(words, crew._check, other, error=error)
    crew.mixed_devices = crew.carry_states = True
    if changes.keys() & {"shares", "kind", "model"}:
        crew._check(other)
    else:
        refused(words, crew._check, other, error=error)


def test_the_device_of_the_first_is_that_of_the_sweep(crew):
    assert crew.device() == {"platform": "gpu", "kind": "A100", "count": 1}
