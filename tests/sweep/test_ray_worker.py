"""What a worker on Ray does, called in this process: Ray adds nothing to it but the way."""

import pickle

import pytest
from helpers import assert_same, refused, save_clouds

from jaxmlp.data.config import Data
from jaxmlp.errors import RunError, UsageError
from jaxmlp.grid.executors import Failed, Stopped
from jaxmlp.grid.program import PROGRAMS
from jaxmlp.grid.units import Done, cut
from jaxmlp.grid.worker import Pulse
from jaxmlp.run.config import Experiment
from jaxmlp.run.lock import HOLDER
from jaxmlp.spec import Network, Training
from jaxmlp.sweep import config, groups, ray_worker, runner, store
from jaxmlp.sweep.config import sweep_of
from jaxmlp.sweep.options import Options
from jaxmlp.sweep.ray_worker import Job, Plan, RayWorker


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_worker, "SHARED_SECONDS", 0.0)
    data = Data(str(save_clouds(tmp_path / "clouds.npz")), normalise="none")
    experiment = Experiment(data, Network((4,)), Training(max_epochs=60, batch_size=8))
    sweep = sweep_of(experiment, (), {}, ["learning_rate = [0.03, 0.1, 0.3]"], 2)
    out = tmp_path / "sweep"
    out.mkdir()
    (out / HOLDER).write_text("this process")
    return Job(config.tree(sweep), Options(chunk=2, checkpoint_seconds=1e-9), out, b"this process", "cpu")


def hired(job):
    """A worker that has said hello, its facts, its plan where states are carried, and its first unit."""
    worker = RayWorker()
    facts = worker.hello(pickle.loads(pickle.dumps(job)))
    terms = worker.terms()
    run = store.sweep_identity(worker.sweep, job.options, [facts.data])
    [group] = runner.unit_groups(worker.sweep, worker.groups, terms)
    return worker, facts, Plan(terms, run, 1, carry=True), cut(group, 0, 0, 40, group.numbers)[0]


def without_times(done):
    for record in (*done.finished, *done.waiting):
        record.row.pop("seconds", None)
        record.curve.pop("seconds")
    return done._replace(seconds=0.0, compiles=0, compile_seconds=0.0)


def test_it_says_what_it_is(job, tmp_path):
    worker, facts, _, _ = hired(job)
    [group] = groups.groups_of(worker.sweep.trials)
    assert (facts.data, facts.shares, facts.platform) == (group.crc32, True, "cpu")
    assert facts.versions.keys() >= {"jaxmlp", "python", "jax", "jaxlib"}
    assert not RayWorker().hello(job._replace(path=tmp_path)).shares
    assert not RayWorker().hello(job._replace(holder=b"another")).shares


def test_it_says_where_the_data_cannot_be_read(job, tmp_path):
    (tmp_path / "clouds.npz").unlink()
    line = refused(["clouds.npz"], RayWorker().hello, job, error=UsageError)
    assert line.startswith("on ")


def test_a_unit_that_is_stopped_goes_on_elsewhere_from_the_state_that_is_carried(job):
    whole, _, plan, unit = hired(job)
    expected, state = pickle.loads(pickle.dumps(whole.run(unit, plan, {})))
    assert isinstance(expected, Done)
    assert state is not None
    stopped, elsewhere = hired(job)[0], hired(job)[0]
    stopped._emit = lambda event: stopped.stop() if isinstance(event, Pulse) else None
    event, saved = pickle.loads(pickle.dumps(stopped.run(unit, plan, {})))
    assert event == Stopped(unit.name)
    assert saved.epochs < state.epochs
    again, other = elsewhere.run(unit, plan, {unit.name: saved})
    assert_same(without_times(again), without_times(expected))
    assert_same(other.snapshot.states, state.snapshot.states)


def test_a_pulse_says_how_far_it_is_once(job):
    worker, _, plan, unit = hired(job)
    PROGRAMS.clear()
    worker.run(unit, plan, {})
    [*compiling, pulse] = worker.pulse()
    assert [event.what for event in compiling] == ["5-4-3"]
    assert (pulse.unit, pulse.epochs) == (unit.name, 40 * len(unit.trials))
    assert worker.pulse() == []


def test_an_attempt_that_is_abandoned_writes_nothing_more(job):
    worker, _, plan, unit = hired(job)
    worker._emit = lambda event: worker.abandon(unit.name, unit.attempt)
    assert worker.run(unit, plan._replace(carry=False), {}).event == Stopped(unit.name)
    assert not (job.path / store.UNITS).exists()
    again = worker.run(unit._replace(attempt=2), plan._replace(carry=False), {}).event
    assert isinstance(again, Done)
    assert [path.name for path in (job.path / store.UNITS / unit.name).iterdir()] == ["try-1.2"]


def test_an_error_is_sent_as_it_is_where_that_can_be(job):
    class LocalError(Exception):
        """No other process knows it."""

    worker, _, plan, unit = hired(job)
    (job.path / store.UNITS).write_text("no folder")
    event = pickle.loads(pickle.dumps(worker.run(unit, plan._replace(carry=False), {}).event))
    assert isinstance(event, Failed)
    assert isinstance(event.error, RunError)
    assert "Traceback" in event.error.__notes__[0]
    worker._worker.run = lambda *_: 1 / 0
    assert isinstance(worker.run(unit, plan, {}).event.error, ZeroDivisionError)
    sent = ray_worker._portable(LocalError("a reason"))
    assert (type(sent), str(sent)) == (RuntimeError, "LocalError: a reason")
