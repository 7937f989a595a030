"""The threads of this process take JAX's settings over, say what fails, and leave what has not begun when they stop."""

import threading

import jax
import pytest

from jaxmlp.grid import executors
from jaxmlp.grid.executors import Failed, Local, Stopped
from jaxmlp.grid.journal import Memory
from jaxmlp.grid.units import Unit
from jaxmlp.grid.worker import Worker

MEMORY = Memory(lambda _: None)
UNITS = [Unit(0, 0, number, 9, (number,)) for number in range(5)]


class Fake(Worker):
    """A worker that says what it saw, and waits to be let go on."""

    def __init__(self, groups, device, states, save_seconds):
        self.save_seconds = save_seconds

    def run(self, unit, emit, stop):
        if unit.number == 3:
            raise MemoryError("no room")
        Fake.seen.append((unit.name, jax.config.jax_enable_x64, stop()))
        Fake.begun.set()
        Fake.go_on.wait(30)


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    monkeypatch.setattr(executors, "Worker", Fake)
    Fake.seen, Fake.begun, Fake.go_on = [], threading.Event(), threading.Event()


def collected(executor, count):
    events = []
    while len(events) < count:
        events += executor.collect(10.0)
    return events


def test_what_has_not_begun_is_left_alone_when_a_sweep_stops():
    executor = Local([], [None], MEMORY, save_seconds=1.0)
    executor.submit(UNITS[:3])
    assert Fake.begun.wait(30)
    executor.stop()
    Fake.go_on.set()
    events = collected(executor, 3)
    executor.close()
    assert sorted(events) == [Stopped(unit.name) for unit in UNITS[:3]]
    assert [name for name, _, _ in Fake.seen] == [UNITS[0].name]


def test_all_units_are_ended_where_nothing_is_saved():
    executor = Local([], [None], MEMORY)
    executor.submit(UNITS[:3])
    assert Fake.begun.wait(30)
    executor.stop()
    Fake.go_on.set()
    collected(executor, 3)
    executor.close()
    assert [stopping for _, _, stopping in Fake.seen] == [False, True, True]


def test_an_error_is_an_event_and_settings_of_the_caller_are_taken_over():
    Fake.go_on.set()
    with jax.enable_x64(True):
        executor = Local([], [None], MEMORY)
    executor.submit([UNITS[3], UNITS[4]])
    failed, stopped = collected(executor, 2)
    executor.close()
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, MemoryError)
    assert stopped == Stopped(UNITS[4].name)
    assert Fake.seen == [(UNITS[4].name, True, False)]
