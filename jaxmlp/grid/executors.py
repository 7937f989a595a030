"""Executors hand units to workers, and tell the driver what happens; the one here has threads of this process."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax

from jaxmlp import xla_flags
from jaxmlp.grid.program import Device
from jaxmlp.grid.units import Done, Group, Unit
from jaxmlp.grid.worker import Compiling, Pulse, States, Worker
from jaxmlp.machine import cores

SETTINGS = {  # of JAX, that a caller may have set for its own thread: workers take them over
    "jax_enable_x64": jax.enable_x64,
    "jax_numpy_dtype_promotion": jax.numpy_dtype_promotion,
    "jax_numpy_rank_promotion": jax.numpy_rank_promotion,
    "jax_default_matmul_precision": jax.default_matmul_precision,
    "jax_default_device": jax.default_device,
    "jax_threefry_partitionable": jax.threefry_partitionable,
}


class Stopped(NamedTuple):
    """A unit that is stopped: its state is saved, if it had begun."""

    unit: str


class Lost(NamedTuple):
    """A unit whose worker is gone; the driver hands it out again."""

    unit: str
    why: str  # for a person


class Failed(NamedTuple):
    """A unit that cannot be trained, on this worker or another."""

    unit: str
    error: BaseException


Event = Pulse | Compiling | Done | Stopped | Lost | Failed


@runtime_checkable
class Executor(Protocol):
    """Workers that train units."""

    workers: int

    def submit(self, units: Sequence[Unit]) -> None:
        """Have units trained in this order; those of a later attempt before all others."""
        ...

    def collect(self, seconds: float) -> list[Event]:
        """What has happened, after waiting for it so long at most; at last each unit is Done, Stopped, Lost or Failed."""
        ...

    def stop(self) -> None:
        """Ask the workers to end their units after this call, and all others at once."""
        ...

    def close(self) -> None:
        """End the workers."""
        ...


def local_workers(units: int, spare: int = 0) -> list[Device]:
    """The devices of so many workers at most: those of this process, or its CPU as often as there are cores.

    On a CPU the threads share one device: it runs their calls side by side, and each program is compiled once. So many
    `spare` ones more compute there while others pack their trials, which pays where calls are short.
    """
    devices = jax.local_devices()
    xla_flags.restore()  # there are devices, so XLA has read them
    if devices[0].platform == "cpu":
        devices = devices[:1] * (cores() + spare)
    return devices[: max(1, units)]


class Local:
    """Threads of this process, each with a device; nothing more is needed."""

    def __init__(
        self, groups: Sequence[Group], devices: Sequence[Device], states: States, save_seconds: float | None = None
    ) -> None:
        self.workers = len(devices)
        self._units: SimpleQueue[Unit | None] = SimpleQueue()
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._stop = threading.Event()
        self._resumable = save_seconds is not None
        settings = [(context, getattr(jax.config, name)) for name, context in SETTINGS.items()]
        self._threads = [
            threading.Thread(
                target=self._serve, args=(Worker(groups, device, states, save_seconds), settings), daemon=True
            )
            for device in devices
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, units: Sequence[Unit]) -> None:
        for unit in units:
            self._units.put(unit)

    def collect(self, seconds: float) -> list[Event]:
        events = []
        try:
            events.append(self._events.get(timeout=seconds))
            while True:
                events.append(self._events.get_nowait())
        except Empty:
            return events

    def stop(self) -> None:
        self._stop.set()
        if self._resumable:  # else units end where they are, those that have not begun too
            for unit in self._drained():
                self._events.put(Stopped(unit.name))

    def close(self) -> None:
        self._stop.set()
        self._drained()
        for _ in self._threads:
            self._units.put(None)
        for thread in self._threads:
            thread.join()

    def _drained(self) -> list[Unit]:
        """The units that no thread has taken, which none takes then."""
        units = []
        with contextlib.suppress(Empty):
            while True:
                units.append(self._units.get_nowait())
        return [unit for unit in units if unit is not None]

    def _serve(self, worker: Worker, settings: Sequence[tuple[Callable[..., Any], Any]]) -> None:
        with contextlib.ExitStack() as stack:
            for context, value in settings:
                stack.enter_context(context(value))
            while (unit := self._units.get()) is not None:
                try:
                    done = worker.run(unit, self._events.put, self._stop.is_set)
                    self._events.put(Stopped(unit.name) if done is None else done)
                except BaseException as error:  # the driver raises it
                    self._events.put(Failed(unit.name, error))
