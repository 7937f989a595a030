"""The workers of a sweep on Ray: started, waited for, listened to, and replaced where they die.

One that is silent, dead, or on a dead host is given up, and another is started in its place. One that has started but does
not get ready is given up for good: another one on its host would hang as well.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from jaxmlp.errors import JaxmlpError, line_of
from jaxmlp.grid.units import Unit
from jaxmlp.text import count

PULSE_SECONDS, SILENCE_SECONDS = 10.0, 60.0
READY_SECONDS = 600.0  # from the start of a worker until it has its device and the data
STARTS = 3  # of a worker that dies before it is ready; and workers that are asked the same
LOGS = "/tmp/ray/session_latest/logs on its host"


@dataclass(eq=False)
class PoolWorker:
    """A worker: an actor, the unit that it trains, and the answers that are to come from it; None once they are there."""

    actor: Any
    placed: Any  # where it runs: it has started then
    hello: Any  # what it says to the job: it is ready then
    starts: int = 1  # of workers in its stead, since one was ready
    place: str = ""  # host and process, for a person
    unit: Unit | None = None
    run: Any = None
    pulse: Any = None
    begun: float = 0.0  # the unit
    heard: float = field(default_factory=time.monotonic)  # when it last answered
    group: int | None = None  # whose programs it has
    dropped: bool = False  # whether another attempt at its unit was faster

    @property
    def is_ready(self) -> bool:
        """Whether it has started, and has its device and the data."""
        return self.placed is None and self.hello is None

    @property
    def awaited(self) -> Sequence[Any]:
        """The answers that are to come."""
        return [answer for answer in (self.placed, self.hello, self.run, self.pulse) if answer is not None]

    def train(self, unit: Unit, plan: Any, states: dict[str, Any]) -> None:
        """Have it train a unit."""
        self.run = self.actor.run.remote(unit, plan, states)
        self.unit, self.group, self.dropped = unit, unit.group, False
        self.begun = self.heard = time.monotonic()

    def drop(self) -> None:
        """Have it end its attempt at a unit: another was faster."""
        assert self.unit is not None
        self.dropped = True
        self.actor.abandon.remote(self.unit.name, self.unit.attempt)


class LostWorker(NamedTuple):
    """Why a worker was given up."""

    why: str


class Pool:
    """Workers on Ray, each told the job.

    Args:
        actor: Makes an actor: a remote class, with the resources that it takes. Its methods are those of `RayWorker`.
        workers: How many.
        job: The argument of their first call, `hello(job)`.
        check: Raises JaxmlpError for what a worker answers to that.
        on_message: Takes a line for the user.
        pulse_seconds: How often a worker that trains is asked for a pulse.
        silence_seconds: After so long without one a worker is given up.
        ready_seconds: After so long from its start a worker is given up that is not ready.
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
        self._actor, self._job, self._check, self._on_message = actor, job, check, on_message
        self.pulse_seconds, self.silence_seconds, self.ready_seconds = pulse_seconds, silence_seconds, ready_seconds
        self.workers = [self._start() for _ in range(workers)]
        self._listened = time.monotonic()

    @property
    def free(self) -> list[PoolWorker]:
        """The workers that are ready, and train nothing."""
        return [worker for worker in self.workers if worker.is_ready and worker.run is None]

    def wait(self) -> PoolWorker:
        """The first worker that is free."""
        begun, patient = time.monotonic(), False
        while not self.free:
            self.listen(1.0)
            if not patient and time.monotonic() - begun > self.silence_seconds / 2:
                patient = True
                starting = next((worker.place for worker in self.workers if worker.place), None)
                cluster = f"the cluster has {_resources()}, of which nothing is free, or a host hangs"
                self._on_message(f"waiting for {f'the worker {starting}' if starting else f'a worker: {cluster}'}")
        return self.free[0]

    def ask(self, method: str, what: str, seconds: float) -> Any:
        """What a worker answers within so many seconds; another one is asked where it does not. `what` it is asked for."""
        line = ""
        for _ in range(STARTS):
            worker = self.wait()
            try:
                return ray.get(getattr(worker.actor, method).remote(), timeout=seconds)
            except RayTaskError as error:
                raise _cause(error) from None
            except RayError as error:
                why = f"gave no answer for {seconds:g} s" if isinstance(error, GetTimeoutError) else "has died"
                line = f"the worker {worker.place} {why} when asked for {what}, as {STARTS - 1} others before it"
                self._replace(worker, why, error)
        raise JaxmlpError(f"{line}; see the memory and the load of its host, and {LOGS}; then go on with --resume")

    def keep(self, workers: int) -> None:
        """End all but so many workers, those that are not ready first."""
        self.workers.sort(key=lambda worker: not worker.is_ready)
        for worker in self.workers[workers:]:
            ray.kill(worker.actor)
        del self.workers[workers:]

    def listen(self, seconds: float) -> list[tuple[PoolWorker, Any]]:
        """What workers that train answer, after waiting for it so long at most; LostWorker of those that are given up."""
        news: list[tuple[PoolWorker, Any]] = []
        awaited = {answer: worker for worker in self.workers for answer in worker.awaited}
        if awaited:
            ray.wait(list(awaited), timeout=seconds)
            for answer in ray.wait(list(awaited), num_returns=len(awaited), timeout=0)[0]:
                worker = awaited[answer]
                if worker in self.workers:  # else it was given up by an answer before
                    news += [(worker, content) for content in self._received(worker, answer)]
        else:
            time.sleep(seconds)
        return news + self._silent(seconds)

    def close(self) -> None:
        """End the workers."""
        self.keep(0)

    def _start(self, starts: int = 1) -> PoolWorker:
        actor = self._actor.remote()
        return PoolWorker(actor, actor.place.remote(), actor.hello.remote(self._job), starts)

    def _received(self, worker: PoolWorker, answer: Any) -> list[Any]:
        """An answer; none where it is not of training."""
        try:
            content = ray.get(answer)
        except RayTaskError as error:
            raise _cause(error) from None
        except RayError as error:
            self._replace(worker, "has died", error)
            return [LostWorker("has died")]
        if answer == worker.placed:
            worker.placed, worker.place, worker.heard = None, str(content), time.monotonic()
        elif answer == worker.hello:
            self._check(content)
            worker.hello, worker.starts = None, 1
        elif answer == worker.run:
            worker.run = None
            return [content]
        else:
            worker.pulse, worker.heard = None, time.monotonic()
            return [content]
        return []

    def _silent(self, waited: float) -> list[tuple[PoolWorker, LostWorker]]:
        """Ask for pulses; give up the workers that are silent for too long, or getting ready."""
        now, lost = time.monotonic(), []
        away, self._listened = now - self._listened - waited, now
        for worker in list(self.workers):
            if away > self.pulse_seconds:  # this process was stopped: the silence was its own
                worker.heard += away
            silence = now - worker.heard
            if worker.place and not worker.is_ready and silence > self.ready_seconds:
                self._leave(
                    worker,
                    f"the worker {worker.place} has not got its device and the data in {self.ready_seconds:g} s",
                    f"see whether another process holds the device, or a folder there hangs, and {LOGS}",
                )
            elif worker.run is not None and silence > self.silence_seconds:
                why = f"was silent for {self.silence_seconds:g} s"
                self._replace(worker, why)
                lost.append((worker, LostWorker(why)))
            elif worker.run is not None and worker.pulse is None and silence > self.pulse_seconds:
                worker.pulse = worker.actor.pulse.remote()
        return lost

    def _replace(self, worker: PoolWorker, why: str, error: RayError | None = None) -> None:
        """Give a worker up, and start another one in its stead."""
        starts = 0 if worker.is_ready else worker.starts
        if starts < STARTS:
            ray.kill(worker.actor)
            self.workers[self.workers.index(worker)] = self._start(starts + 1)
            return
        self._leave(
            worker,
            f"a worker has died {STARTS} times as it started ({line_of(error or JaxmlpError(why))})",
            f"see {LOGS}, and whether RAY_AUTH_MODE is the same on all hosts",
        )

    def _leave(self, worker: PoolWorker, line: str, remedy: str) -> None:
        """Give a worker up, and go on with the others; JaxmlpError where there are none."""
        ray.kill(worker.actor)
        self.workers.remove(worker)
        if not self.workers:
            raise JaxmlpError(f"{line}, and none is left; {remedy}; then go on with --resume")
        self._on_message(f"{line}: going on with {count(len(self.workers), 'other')}; {remedy}")


def _cause(error: RayTaskError) -> BaseException:
    return error.cause if isinstance(error.cause, BaseException) else RuntimeError(line_of(error))


def _resources() -> str:
    total = ray.cluster_resources()
    return ", ".join(f"{total[name]:g} {name}" for name in ("CPU", "GPU", "TPU") if name in total) or "no device"
