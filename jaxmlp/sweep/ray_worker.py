"""A worker of a sweep in a process of its own, maybe on another host: it is called by the driver, through Ray.

Its methods are called from several threads: `run` trains, while the others ask how it is, or tell it to end.
"""

import contextlib
import os
import pickle
import socket
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxmlp import files
from jaxmlp.cli.devices import Device, choose_device
from jaxmlp.errors import JaxmlpError
from jaxmlp.grid.executors import Failed, Stopped
from jaxmlp.grid.progress import rank_of
from jaxmlp.grid.units import Done, Unit
from jaxmlp.grid.worker import Compiling, Pulse, Saved, Worker
from jaxmlp.machine import processor
from jaxmlp.run import environment
from jaxmlp.run.identity import Identity
from jaxmlp.run.lock import HOLDER
from jaxmlp.sweep import config, estimate, runner
from jaxmlp.sweep import groups as sweep_groups
from jaxmlp.sweep.journal import UnitStates
from jaxmlp.sweep.options import Options
from jaxmlp.training.callbacks import Callbacks

SHARED_SECONDS = 5.0  # for a file to be seen by other hosts


class Job(NamedTuple):
    """A sweep, as a worker makes it for itself; it reads the data itself, too."""

    tree: dict[str, Any]  # as in config.toml
    options: Options
    path: Path  # of its folder, absolute
    holder: bytes  # what is written there of the process that holds it: a worker that shares the folder reads the same
    device: Device


class Facts(NamedTuple):
    """What a worker says of itself, so that only workers train together that come to the same bits."""

    host: str
    versions: dict[str, str]
    platform: str
    kind: str  # of its device
    model: str  # of its CPU, where that is the device: XLA compiles for it
    data: str  # the checksums of all data sets
    shares: bool  # whether it sees the folder of the sweep


class Plan(NamedTuple):
    """How the trials are packed, and where states are kept: decided once, for all workers."""

    terms: dict[str, Any]  # of groups.json
    run: Identity
    session: int
    carry: bool = False  # states come with the units and go back with what has come of them: no folder is shared


class Answer(NamedTuple):
    """What has come of a unit; and its state, where that is carried."""

    event: Done | Stopped | Failed
    saved: Saved | None = None


class Carried:
    """The states of units that came with a unit, and its own."""

    def __init__(self, states: dict[str, Saved]) -> None:
        self.states = states

    def save(self, unit: Unit, saved: Saved) -> None:
        self.states[unit.name] = saved

    def load(self, name: str) -> Saved | None:
        return self.states.get(name)


class RayWorker:
    """Trains the units of a sweep, one at a time, on the first device of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped, self._abandoned = False, set[tuple[str, int]]()
        self._pulse: Pulse | None = None
        self._compiling: list[Compiling] = []
        self._worker: Worker | None = None

    def place(self) -> str:
        """Where it runs, for a person: it has started once it answers."""
        return f"on {socket.gethostname()}, process {os.getpid()}"

    def hello(self, job: Job) -> Facts:
        """Choose the device and read the data. Raises DataError where they cannot be read here, and JaxmlpError."""
        try:
            choose_device(job.device)
            experiment, keys, tables = config.parse(dict(job.tree), "the sweep")
            self.job, self.sweep = job, config.sweep_of(experiment, keys, tables)
            self.groups = sweep_groups.groups_of(self.sweep.trials)
        except JaxmlpError as error:
            raise type(error)(f"on {socket.gethostname()}: {error}") from None
        device = jax.local_devices()[0]
        return Facts(
            socket.gethostname(),
            environment.versions(),
            device.platform,
            device.device_kind,
            processor() if device.platform == "cpu" else "",
            " ".join(group.crc32 for group in self.groups),
            _shares(job),
        )

    def terms(self) -> dict[str, Any]:
        """How trials are packed: as the options say, measured here or guessed. JaxmlpError where memory is too little."""
        devices = jax.local_devices()[:1]
        estimate.check_memory(self.groups, devices, self.job.options)
        return runner.terms_of(self.groups, devices, self.job.options, Callbacks())

    def run(self, unit: Unit, plan: Plan, states: dict[str, Saved]) -> Answer:
        """Train a unit, from the states in the folder of the sweep, or from these where they are carried."""
        self._abandoned.discard((unit.name, unit.attempt))  # of an earlier time
        try:
            worker = self._worker or self._begin(plan)
            if plan.carry:
                worker.states = Carried(states)
            done = worker.run(unit, self._emit, lambda: self._stopped or self._is_abandoned(unit))
            needed = plan.carry and (done is None or bool(done.waiting))
            return Answer(
                Stopped(unit.name) if done is None else done, worker.states.load(unit.name) if needed else None
            )
        except Exception as error:
            return Answer(Failed(unit.name, _portable(error)))

    def pulse(self) -> list[Pulse | Compiling]:
        """What has happened since the last pulse; that it answers says that it lives."""
        with self._lock:
            events = [*self._compiling, *([] if self._pulse is None else [self._pulse])]
            self._compiling, self._pulse = [], None
        return events

    def stop(self) -> None:
        """Save the unit after this call, and end it; no other is begun."""
        self._stopped = True

    def abandon(self, name: str, attempt: int) -> None:
        """End an attempt at a unit after this call: another was faster. Its state is not saved."""
        self._abandoned.add((name, attempt))

    def _is_abandoned(self, unit: Unit) -> bool:
        return (unit.name, unit.attempt) in self._abandoned

    def _begin(self, plan: Plan) -> Worker:
        unit_groups = runner.unit_groups(self.sweep, self.groups, plan.terms)
        states = _Folder(self, plan)
        save_seconds = float("inf") if plan.carry else self.job.options.checkpoint_seconds
        self._worker = Worker(unit_groups, jax.local_devices()[0], states, save_seconds)
        return self._worker

    def _emit(self, event: Pulse | Compiling) -> None:
        with self._lock:
            if isinstance(event, Compiling):
                self._compiling.append(event)
            else:
                records = [pulse.best for pulse in (self._pulse, event) if pulse is not None and pulse.best is not None]
                self._pulse = event._replace(best=min(records, key=lambda record: rank_of(record.row), default=None))


class _Folder(UnitStates):
    """The folder of the sweep, in which an abandoned attempt writes nothing more."""

    def __init__(self, worker: RayWorker, plan: Plan) -> None:
        specs = [group.spec for group in worker.groups]
        super().__init__(worker.job.path, specs, plan.run, plan.session)
        self._is_abandoned = worker._is_abandoned

    def save(self, unit: Unit, saved: Saved) -> None:
        if not self._is_abandoned(unit):
            super().save(unit, saved)


def _shares(job: Job) -> bool:
    """Whether this process sees the folder of the sweep: what is new in it may take its time over a network."""
    until = time.monotonic() + SHARED_SECONDS
    while True:
        with contextlib.suppress(OSError):
            if files.read_bytes(job.path / HOLDER) == job.holder:
                return True
        if time.monotonic() > until:
            return False
        time.sleep(0.5)


def _portable(error: Exception) -> Exception:
    """The error, with the lines where it was raised; as a RuntimeError where it cannot be sent."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
