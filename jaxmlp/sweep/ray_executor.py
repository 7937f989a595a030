"""An executor whose workers are Ray actors, on any hosts: they come and go, and the sweep goes on.

A worker has one unit at a time. It is asked for a pulse; one that is silent, dead, or on a dead host loses its unit, and
another is started in its place. Where workers are idle, they train second copies of the oldest units.
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from jaxmlp.errors import JaxmlpError, line_of
from jaxmlp.grid.executors import Event, Lost, Stopped
from jaxmlp.grid.units import Done, Unit
from jaxmlp.grid.worker import States

PULSE_SECONDS, SILENCE_SECONDS = 10.0, 60.0
SAVING_SECONDS = 30.0  # that workers have at most for saving their units, where the sweep ends by an error
STARTS = 3  # of a worker that dies before it has said hello
COPIES = 100  # attempts from here on are second copies


@dataclass(eq=False)
class _Hired:
    """A worker, and what it does."""

    actor: Any
    hello: Any  # the answer to come; None once it is there
    starts: int = 1  # of workers in this place, since one has said hello
    host: str = ""  # and process, for a person
    unit: Unit | None = None
    run: Any = None  # the answer to come
    begun: float = 0.0
    heard: float = 0.0
    pulse: Any = None  # the answer to come
    group: int | None = None  # whose programs it has
    dropped: bool = False  # whether another attempt at its unit was faster


class RayExecutor:
    """Ray actors that train units.

    Args:
        actor: Makes an actor: a remote class, with the resources that each takes. Its methods are those of `RayWorker`.
        workers: How many.
        job: What each is told first, by `hello(job)`.
        check: Raises JaxmlpError for what a worker answers to that.
        on_message: Takes a line for the user.
        pulse_seconds: How often a worker is asked for a pulse, and after how long a unit may get a second copy.
        silence_seconds: After so long without one a worker is given up.
    """

    def __init__(
        self,
        actor: Any,
        workers: int,
        job: Any,
        check: Callable[[Any], str],
        on_message: Callable[[str], None],
        *,
        pulse_seconds: float = PULSE_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self.workers = workers
        self._actor, self._job, self._check, self._on_message = actor, job, check, on_message
        self._pulse_seconds, self._silence_seconds = pulse_seconds, silence_seconds
        self._hired = [self._hire() for _ in range(workers)]
        self._plan: Any = None
        self._states: States | None = None
        self._queue: list[Unit] = []
        self._events: list[Event] = []
        self._stopped = False
        self._copies = itertools.count(COPIES)
        self._listened = time.monotonic()

    def ask(self, method: str) -> Any:
        """What the first worker that is ready answers; another one is asked where it dies. Waits for a worker."""
        begun, patient = time.monotonic(), False
        while True:
            for worker in self._ready():
                try:
                    return ray.get(getattr(worker.actor, method).remote())
                except RayTaskError as error:
                    raise _cause(error) from None
                except RayError as error:
                    self._lose(worker, "has died", error)
            self._listen(1.0)
            if not patient and time.monotonic() - begun > self._silence_seconds / 2:
                patient = True
                self._on_message(f"waiting for a worker: the cluster has {_resources()}, of which nothing is free")

    def begin(self, plan: Any, units: int, states: States | None = None) -> None:
        """Give the workers a plan: what they need beside `job` to train units; and keep as many of them as there are units.

        `states` are those of units, where they are carried to the workers and back; else these share a folder.
        """
        self._plan, self._states = ray.put(plan), states
        self._hired.sort(key=lambda worker: worker.hello is not None)  # those that are ready first
        for worker in self._hired[units:]:
            ray.kill(worker.actor)
        del self._hired[units:]
        self.workers = len(self._hired)

    def submit(self, units: Sequence[Unit]) -> None:
        self._queue += units
        self._queue.sort(key=lambda unit: unit.attempt == 1)

    def collect(self, seconds: float) -> list[Event]:
        if self._stopped:
            self._events += [Stopped(unit.name) for unit in self._queue]
            self._queue = []
        else:
            self._assign()
        self._listen(0.0 if self._events else seconds)
        self._ask_for_pulses()
        events, self._events = self._events, []
        return events

    def stop(self) -> None:
        self._stopped = True
        for worker in self._hired:
            if worker.run is not None:
                worker.actor.stop.remote()

    def close(self) -> None:
        self.stop()
        saving = [worker.run for worker in self._hired if worker.run is not None and not worker.dropped]
        if saving:
            ray.wait(saving, num_returns=len(saving), timeout=SAVING_SECONDS)
        for worker in self._hired:
            ray.kill(worker.actor)
        self._hired = []

    def _hire(self, starts: int = 1) -> _Hired:
        actor = self._actor.remote()
        return _Hired(actor, actor.hello.remote(self._job), starts)

    def _ready(self) -> list[_Hired]:
        """The workers that have nothing to do."""
        return [worker for worker in self._hired if worker.hello is None and worker.run is None]

    def _assign(self) -> None:
        """Give each worker that has nothing to do a unit: of the group whose programs it has, where there is one."""
        for worker in self._ready():
            if self._queue:
                again = self._queue[0].attempt > 1
                alike = (i for i, unit in enumerate(self._queue) if unit.group == worker.group)
                self._give(worker, self._queue.pop(0 if again else next(alike, 0)))
            elif (copied := self._oldest()) is not None:
                self._give(worker, copied._replace(attempt=next(self._copies)))

    def _oldest(self) -> Unit | None:
        """The unit that has been training for longest, if it has no second copy yet, and for longer than a pulse."""
        begun = [
            (worker.begun, worker.unit) for worker in self._hired if worker.unit is not None and not worker.dropped
        ]
        attempts = Counter(unit.name for _, unit in begun)
        before = time.monotonic() - self._pulse_seconds
        alone = [(since, unit) for since, unit in begun if attempts[unit.name] == 1 and since < before]
        return min(alone)[1] if alone else None

    def _give(self, worker: _Hired, unit: Unit) -> None:
        carried = {}
        if self._states is not None:
            saved = {name: self._states.load(name) for name in (unit.name, *unit.sources)}
            carried = {name: state for name, state in saved.items() if state is not None}
        worker.run = worker.actor.run.remote(unit, self._plan, carried)
        worker.unit, worker.group, worker.dropped = unit, unit.group, False
        worker.begun = worker.heard = time.monotonic()

    def _listen(self, seconds: float) -> None:
        """Wait so long at most for answers, and take all that are there."""
        answers: dict[Any, tuple[Callable[[_Hired, Any], None], _Hired]] = {}
        for worker in self._hired:
            takes = {worker.hello: self._take_hello, worker.run: self._take, worker.pulse: self._hear}
            answers |= {answer: (take, worker) for answer, take in takes.items() if answer is not None}
        if not answers:
            time.sleep(seconds)
            return
        ray.wait(list(answers), timeout=seconds)
        for answer in ray.wait(list(answers), num_returns=len(answers), timeout=0)[0]:
            take, worker = answers[answer]
            if worker not in self._hired:
                continue  # lost by an answer before
            try:
                take(worker, ray.get(answer))
            except RayTaskError as error:
                raise _cause(error) from None
            except RayError as error:
                self._lose(worker, "has died", error)

    def _take_hello(self, worker: _Hired, facts: Any) -> None:
        worker.host = self._check(facts)
        worker.hello, worker.starts = None, 1

    def _take(self, worker: _Hired, answer: Any) -> None:
        """Take what has come of a unit, unless another attempt was faster or may still come to its end."""
        unit, event, others = worker.unit, answer.event, self._others(worker)
        assert unit is not None
        worker.unit = worker.run = None
        if worker.dropped or (isinstance(event, Stopped) and others):
            return
        if answer.saved is not None and self._states is not None:
            self._states.save(unit, answer.saved)
        self._events.append(event)
        if isinstance(event, Done):
            for other in others:
                assert other.unit is not None
                other.dropped = True
                other.actor.abandon.remote(other.unit.name, other.unit.attempt)

    def _hear(self, worker: _Hired, pulse: Sequence[Event]) -> None:
        worker.pulse, worker.heard = None, time.monotonic()
        if not worker.dropped:
            self._events += pulse

    def _ask_for_pulses(self) -> None:
        now = time.monotonic()
        away, self._listened = now - self._listened, now
        for worker in [worker for worker in self._hired if worker.run is not None]:
            if away > self._pulse_seconds:  # this process was stopped: the silence was its own
                worker.heard += away
            if now - worker.heard > self._silence_seconds:
                self._lose(worker, f"was silent for {self._silence_seconds:g} s")
            elif worker.pulse is None and now - worker.heard > self._pulse_seconds:
                worker.pulse = worker.actor.pulse.remote()

    def _lose(self, worker: _Hired, why: str, error: RayError | None = None) -> None:
        """Give a worker up, and start another one in its place; its unit is lost if no other worker trains it."""
        ray.kill(worker.actor)
        place = self._hired.index(worker)
        if worker.unit is not None and not worker.dropped and not self._others(worker):
            self._events.append(Lost(worker.unit.name, f"its worker ({worker.host}) {why}"))
        if worker.hello is None:
            self._hired[place] = self._hire()
        elif worker.starts < STARTS:
            self._hired[place] = self._hire(worker.starts + 1)
        else:
            del self._hired[place]
            line = f"a worker has died {STARTS} times as it started"
            if not self._hired:
                raise JaxmlpError(
                    f"{line}, and none is left ({line_of(error or JaxmlpError(why))}); see /tmp/ray/session_latest/logs on"
                    " its host, and whether RAY_AUTH_MODE is the same on all hosts"
                )
            self._on_message(f"{line}: going on with {len(self._hired)} others")

    def _others(self, worker: _Hired) -> list[_Hired]:
        """Other workers that train the unit of this one."""
        name = None if worker.unit is None else worker.unit.name
        at_work = [other for other in self._hired if other is not worker and not other.dropped]
        return [other for other in at_work if other.unit is not None and other.unit.name == name]


def _cause(error: RayTaskError) -> BaseException:
    return error.cause if isinstance(error.cause, BaseException) else RuntimeError(line_of(error))


def _resources() -> str:
    total = ray.cluster_resources()
    return ", ".join(f"{total[name]:g} {name}" for name in ("CPU", "GPU", "TPU") if name in total) or "no device"
