"""Workers on Ray that die, fall silent, fail or are slow lose no unit, and none comes twice. They train nothing here."""

import contextlib
import os
import signal
import sys
import tempfile
import time
import warnings

import psutil
import pytest
from helpers import processes_of, refused

from jaxmlp.errors import DataError, JaxmlpError
from jaxmlp.grid.executors import Lost, Stopped
from jaxmlp.grid.units import Unit
from jaxmlp.sweep import ray_cluster

PATIENCE = 60  # s, for what takes a few on an idle machine
UNITS = [Unit(0, 0, number, 1, (number,)) for number in range(8)]


@pytest.fixture(scope="module")
def cluster():
    """A cluster of this process alone, with room for three workers; nothing is left of it."""
    with (
        tempfile.TemporaryDirectory(prefix="ray-") as folder,  # a long name is none for a socket
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(),
    ):
        patch.setenv("RAY_TMPDIR", folder)
        patch.delenv("RAY_ADDRESS", raising=False)
        warnings.filterwarnings("ignore", ".*os.fork", RuntimeWarning)  # JAX may have begun in another test
        handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        with ray_cluster.connected(ray_cluster.Request(workers=3, device="cpu")) as connected:
            assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
            from ray import cloudpickle

            cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests
            yield connected
        assert psutil.wait_procs(processes_of(folder), timeout=10)[1] == []


class Fake:
    """Does what the job says of a unit and its attempt; of others it says at once that they are done."""

    def __init__(self):
        self.ended = set()

    def place(self):
        return str(os.getpid())

    def hello(self, job):
        while job == "hangs":
            time.sleep(0.1)
        if job is None:
            raise DataError("the file is gone")
        self.does = job

    def run(self, unit, plan, states):
        # a worker that runs nothing imports neither of these, nor JAX
        from jaxmlp.grid.executors import Failed, Stopped
        from jaxmlp.grid.units import Done
        from jaxmlp.sweep.ray_worker import Answer

        does = self.does.get((unit.name, unit.attempt), "done")
        if does == "fails":
            return Answer(Failed(unit.name, DataError("the disk is full")))
        while does == "lasts":
            if self.ended & {"all", (unit.name, unit.attempt)}:
                return Answer(Stopped(unit.name))
            time.sleep(0.01)
        return Answer(Done(unit.name, [], [], {}, None, unit.attempt, 0.0, 0, 0.0, str(os.getpid())))

    def pulse(self):
        return []

    def terms(self):
        while self.does["terms"] == "hangs":
            time.sleep(0.1)

    def stop(self):
        self.ended.add("all")

    def abandon(self, name, attempt):
        self.ended.add((name, attempt))


@contextlib.contextmanager
def pool_of(cluster, count, job, **limits):
    """So many fake workers."""
    from jaxmlp.sweep.ray_pool import Pool

    limits = {"pulse_seconds": 0.3, "silence_seconds": 3.0} | limits
    with contextlib.closing(Pool(cluster.actor(Fake), count, job, bool, lambda line: None, **limits)) as pool:
        yield pool


@contextlib.contextmanager
def fakes(cluster, count, job):
    """An executor of so many fake workers."""
    from jaxmlp.sweep.ray_executor import RayExecutor

    with (
        pool_of(cluster, count, job) as pool,
        contextlib.closing(RayExecutor(pool, None, units=count)) as executor,
    ):
        yield executor


@pytest.fixture(scope="module")
def workers(cluster):
    """Two of them; all units but those of group 1 last until they are ended, and one fails."""
    lasting = {(unit.name, 1): "lasts" for unit in UNITS}
    with fakes(cluster, 2, lasting | {("g1-s0-u000", 1): "fails"}) as executor:
        yield executor


def collected(executor, count):
    """The next events, so many."""
    events, until = [], time.monotonic() + PATIENCE
    while len(events) < count:
        assert time.monotonic() < until, events
        events += executor.collect(0.2)
    return events


def wait(executor, condition):
    """Collect until a condition holds; nothing happens before."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert executor.collect(0.05) == []
        assert time.monotonic() < until


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["is killed", "falls silent"])
def test_another_worker_gets_the_unit_of_one_that(workers, number):
    """And once that is done, a copy of the one that is left: done once, whatever becomes of the first attempt."""
    lost, slow = UNITS[:2] if number == signal.SIGKILL else UNITS[2:4]
    workers.submit([lost, slow])
    wait(workers, lambda: all(worker.unit is not None for worker in workers._pool.workers))
    process = next(psutil.Process(int(worker.place)) for worker in workers._pool.workers if worker.unit == lost)
    time.sleep(0.2)  # for its call to begin
    process.send_signal(number)
    [event] = collected(workers, 1)
    why = "has died" if number == signal.SIGKILL else "was silent for 3 s"
    assert event == Lost(lost.name, f"its worker ({process.pid}) {why}")
    workers.submit([lost._replace(attempt=2)])
    [again, copy] = collected(workers, 2)
    assert (again.unit, again.epochs) == (lost.name, 2)
    assert (copy.unit, copy.epochs >= 100) == (slow.name, True)  # of no attempt that the driver may make
    assert again.device == copy.device != str(process.pid)
    wait(workers, lambda: all(worker.run is None for worker in workers._pool.workers))
    process.wait(PATIENCE)


def test_an_error_is_the_event_of_its_unit(workers):
    workers.submit([Unit(1, 0, 0, 1, (0,))])
    [event] = collected(workers, 1)
    assert (event.unit, type(event.error), str(event.error)) == ("g1-s0-u000", DataError, "the disk is full")


def test_all_units_end_when_it_is_stopped(workers):
    """Those that are trained, and those that wait; it takes no more, so that this is the last test of these workers."""
    units = UNITS[4:]
    workers.submit(units)
    wait(workers, lambda: all(worker.unit is not None for worker in workers._pool.workers))
    workers.stop()
    assert sorted(collected(workers, 4)) == [Stopped(unit.name) for unit in units]
    workers.submit([units[0]])
    assert collected(workers, 1) == [Stopped(units[0].name)]


def test_a_worker_that_cannot_begin_ends_it_with_its_line(cluster):
    with pool_of(cluster, 1, None) as pool:
        assert refused([], pool.wait, error=DataError) == "the file is gone"


def test_a_worker_that_does_not_get_ready_is_named_and_ended(cluster):
    with pool_of(cluster, 1, "hangs", ready_seconds=1.0) as pool:
        while not pool.workers[0].place:
            pool.listen(0.1)
        process = psutil.Process(int(pool.workers[0].place))
        words = [f"the worker {process.pid} has not got", "in 1 s", "none is left", "another process holds", "--resume"]
        refused(words, pool.wait, error=JaxmlpError)
    process.wait(PATIENCE)


def test_workers_that_do_not_answer_are_ended_and_the_last_one_is_named(cluster, monkeypatch):
    monkeypatch.setattr("jaxmlp.sweep.ray_pool.STARTS", 2)
    with pool_of(cluster, 1, {"terms": "hangs"}) as pool:
        words = ["the worker ", "no answer for 0.5 s when asked for its terms, as 1 others", "memory and the load"]
        refused(words, pool.ask, "terms", "its terms", 0.5, error=JaxmlpError)
