"""An executor whose workers are Ray actors, on any hosts: they come and go, and the sweep goes on.

A worker has one unit at a time. It is asked for a pulse; one that is silent, dead, or on a dead host loses its unit, and
another is started in its place. Where workers are idle, they train second copies of the oldest units. A worker that has
started but does not get ready is given up.
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from jaxmlp.errors import JaxmlpError, line_of
from jaxmlp.grid.executors import Event, Lost, Stopped
from jaxmlp.grid.units import Done, Unit
from jaxmlp.grid.worker import States
from jaxmlp.sweep.ray_hired import HiredWorker
from jaxmlp.text import count

PULSE_SECONDS, SILENCE_SECONDS = 10.0, 60.0
READY_SECONDS = 600.0  # from the start of a worker until it has its device and the data
SAVING_SECONDS = 30.0  # that workers have at most for saving their units, where the sweep ends by an error
STARTS = 3  # of a worker that dies before it is ready; and workers that are asked the same
COPIES = 100  # attempts from here on are second copies
LOGS = "/tmp/ray/session_latest/logs there"


class RayExecutor:
    """Ray actors that train units.

    Args:
        actor: Makes an actor: a remote class, with the resources that each takes. Its methods are those of `RayWorker`.
        workers: How many.
        job: The argument of their first call, `hello(job)`.
        check: Raises JaxmlpError for what a worker answers to that.
        on_message: Takes a line for the user.
        pulse_seconds: How often a worker is asked for a pulse, and after how long a unit may get a second copy.
        silence_seconds: After so long without one a worker is given up.
        ready_seconds: After so long from its start a worker is given up that has not answered to `hello`.
    """

    def __init__(
        self,
        actor: Any,
        workers: int,
        job: Any,
        check: Callable[[Any], None],
        on_message: Callable[[str], None],
        *,
        pulse_seconds: float = PULSE_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
        ready_seconds: float = READY_SECONDS,
    ) -> None:
        self.workers = workers
        self._actor, self._job, self._check, self._on_message = actor, job, check, on_message
        self._pulse_seconds, self._silence_seconds, self._ready_seconds = pulse_seconds, silence_seconds, ready_seconds
        self._hired = [self._hire() for _ in range(workers)]
        self._plan: Any = None
        self._states: States | None = None
        self._queue: list[Unit] = []
        self._events: list[Event] = []
        self._stopped = False
        self._copies = itertools.count(COPIES)
        self._listened = time.monotonic()

    def ready(self) -> HiredWorker:
        """The first worker that is ready and trains nothing, which is waited for."""
        begun, patient = time.monotonic(), False
        while not (free := self._free()):
            self._listen(1.0)
            if not patient and time.monotonic() - begun > self._silence_seconds / 2:
                patient = True
                starting = next((worker.place for worker in self._hired if worker.place), None)
                cluster = f"the cluster has {_resources()}, of which nothing is free"
                self._on_message(f"waiting for a worker: {f'that {starting} gets ready' if starting else cluster}")
        return free[0]

    def ask(self, method: str, seconds: float) -> Any:
        """What a worker answers within so many seconds; where it does not, another one is asked."""
        line = ""
        for _ in range(STARTS):
            worker = self.ready()
            try:
                return ray.get(getattr(worker.actor, method).remote(), timeout=seconds)
            except RayTaskError as error:
                raise _cause(error) from None
            except RayError as error:
                why = f"gave no answer for {seconds:g} s" if isinstance(error, GetTimeoutError) else "has died"
                line = f"the worker {worker.place} {why} when asked for its {method}"
                self._lose(worker, why, error)
        raise JaxmlpError(
            f"{line}, and {STARTS - 1} before it as well; see the memory and the load of its host, and {LOGS}"
        )

    def begin(self, plan: Any, units: int, states: States | None = None) -> None:
        """Give the workers a plan: what they need beside `job` to train units; and keep as many of them as there are units.

        `states` are those of units, where they are carried to the workers and back; else these share a folder.
        """
        self._plan, self._states = ray.put(plan), states
        self._hired.sort(key=lambda worker: not worker.is_ready)
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

    def _hire(self, starts: int = 1) -> HiredWorker:
        return HiredWorker.of(self._actor.remote(), self._job, starts)

    def _free(self) -> list[HiredWorker]:
        return [worker for worker in self._hired if worker.is_free]

    def _assign(self) -> None:
        """Give each worker that has nothing to do a unit: of the group whose programs it has, where there is one."""
        for worker in self._free():
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

    def _give(self, worker: HiredWorker, unit: Unit) -> None:
        carried = {}
        if self._states is not None:
            saved = {name: self._states.load(name) for name in (unit.name, *unit.sources)}
            carried = {name: state for name, state in saved.items() if state is not None}
        worker.train(unit, self._plan, carried)

    def _listen(self, seconds: float) -> None:
        """Wait so long at most for answers, take all that are there, and see to the workers that are silent."""
        awaited = {answer: worker for worker in self._hired for answer in worker.awaited}
        if awaited:
            ray.wait(list(awaited), timeout=seconds)
            for answer in ray.wait(list(awaited), num_returns=len(awaited), timeout=0)[0]:
                if awaited[answer] in self._hired:  # else it was lost by an answer before
                    self._receive(awaited[answer], answer)
        else:
            time.sleep(seconds)
        self._check_silence(seconds)

    def _receive(self, worker: HiredWorker, answer: Any) -> None:
        try:
            content = ray.get(answer)
            if answer == worker.placed:
                worker.placed, worker.place, worker.heard = None, content, time.monotonic()
            elif answer == worker.hello:
                self._check(content)
                worker.hello, worker.starts = None, 1
            elif answer == worker.run:
                self._take(worker, content)
            else:
                self._hear(worker, content)
        except RayTaskError as error:
            raise _cause(error) from None
        except RayError as error:
            self._lose(worker, "has died", error)

    def _take(self, worker: HiredWorker, answer: Any) -> None:
        """Take what has come of a unit, unless another attempt was faster or may still finish."""
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
                other.drop()

    def _hear(self, worker: HiredWorker, pulse: Sequence[Event]) -> None:
        worker.pulse, worker.heard = None, time.monotonic()
        if not worker.dropped:
            self._events += pulse

    def _check_silence(self, waited: float) -> None:
        """Ask those that train for a pulse; give up those that have been silent, or getting ready, for too long."""
        now = time.monotonic()
        away, self._listened = now - self._listened - waited, now
        for worker in list(self._hired):
            if away > self._pulse_seconds:  # this process was stopped: the silence was its own
                worker.heard += away
            silence = now - worker.heard
            if worker.placed is None and worker.hello is not None and silence > self._ready_seconds:
                ray.kill(worker.actor)
                self._leave(
                    worker,
                    f"the worker {worker.place} has not got its device and the data in {self._ready_seconds:g} s",
                    f"see whether another process holds the device, or a folder there hangs, and {LOGS}",
                )
            elif worker.run is not None and silence > self._silence_seconds:
                self._lose(worker, f"was silent for {self._silence_seconds:g} s")
            elif worker.run is not None and worker.pulse is None and silence > self._pulse_seconds:
                worker.pulse = worker.actor.pulse.remote()

    def _lose(self, worker: HiredWorker, why: str, error: RayError | None = None) -> None:
        """Give a worker up, and start another one in its place; its unit is lost if no other worker trains it."""
        ray.kill(worker.actor)
        index = self._hired.index(worker)
        if worker.unit is not None and not worker.dropped and not self._others(worker):
            self._events.append(Lost(worker.unit.name, f"its worker ({worker.place}) {why}"))
        if worker.is_ready:
            self._hired[index] = self._hire()
        elif worker.starts < STARTS:
            self._hired[index] = self._hire(worker.starts + 1)
        else:
            cause = line_of(error or JaxmlpError(why))
            self._leave(
                worker,
                f"a worker has died {STARTS} times as it started ({cause})",
                f"see {LOGS}, and whether RAY_AUTH_MODE is the same on all hosts",
            )

    def _leave(self, worker: HiredWorker, line: str, remedy: str) -> None:
        """Go on with the other workers; JaxmlpError where there are none."""
        self._hired.remove(worker)
        if not self._hired:
            raise JaxmlpError(f"{line}, and none is left; {remedy}; then go on with --resume")
        self._on_message(f"{line}: going on with {count(len(self._hired), 'other')}; {remedy}")

    def _others(self, worker: HiredWorker) -> list[HiredWorker]:
        """Other workers that train the unit of this one."""
        name = None if worker.unit is None else worker.unit.name
        at_work = [other for other in self._hired if other is not worker and not other.dropped]
        return [other for other in at_work if other.unit is not None and other.unit.name == name]


def _cause(error: RayTaskError) -> BaseException:
    return error.cause if isinstance(error.cause, BaseException) else RuntimeError(line_of(error))


def _resources() -> str:
    total = ray.cluster_resources()
    return ", ".join(f"{total[name]:g} {name}" for name in ("CPU", "GPU", "TPU") if name in total) or "no device"
