"""An executor whose workers are Ray actors, on any hosts: they come and go, and the sweep goes on.

A worker has one unit at a time. Where workers are idle, they train second copies of the oldest units.
"""

import itertools
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import ray

from jaxmlp.grid.executors import Event, Lost, Stopped
from jaxmlp.grid.units import Done, Unit
from jaxmlp.grid.worker import States
from jaxmlp.sweep.ray_pool import LostWorker, Pool, PoolWorker

SAVING_SECONDS = 30.0  # that workers have at most for saving their units, where the sweep ends by an error
COPIES = 100  # attempts from here on are second copies


class RayExecutor:
    """The workers of a pool, that train units.

    Args:
        pool: The workers, of which as many are kept as there are units.
        plan: What they need beside their job to train units.
        units: How many there are at most.
        states: Those of units, where they are carried to the workers and back; else these share a folder.
    """

    def __init__(self, pool: Pool, plan: Any, units: int, states: States | None = None) -> None:
        pool.keep(units)
        self.workers = len(pool.workers)
        self._pool, self._plan, self._states = pool, ray.put(plan), states
        self._queue: list[Unit] = []
        self._stopped = False
        self._copies = itertools.count(COPIES)

    def submit(self, units: Sequence[Unit]) -> None:
        self._queue += units
        self._queue.sort(key=lambda unit: unit.attempt == 1)

    def collect(self, seconds: float) -> list[Event]:
        events: list[Event] = []
        if self._stopped:
            events += [Stopped(unit.name) for unit in self._queue]
            self._queue = []
        else:
            self._assign()
        for worker, news in self._pool.listen(0.0 if events else seconds):
            if isinstance(news, LostWorker):
                if worker.unit is not None and not worker.dropped and not self._others(worker):
                    events.append(Lost(worker.unit.name, f"its worker ({worker.place}) {news.why}"))
            elif isinstance(news, list):  # a pulse
                events += [] if worker.dropped else news
            else:
                events += self._taken(worker, news)
        return events

    def stop(self) -> None:
        self._stopped = True
        for worker in self._pool.workers:
            if worker.run is not None:
                worker.actor.stop.remote()

    def close(self) -> None:
        self.stop()
        saving = [worker.run for worker in self._pool.workers if worker.run is not None and not worker.dropped]
        if saving:
            ray.wait(saving, num_returns=len(saving), timeout=SAVING_SECONDS)
        self._pool.close()

    def _assign(self) -> None:
        """Give each worker that has nothing to do a unit: of the group whose programs it has, where there is one."""
        for worker in self._pool.free:
            if self._queue:
                again = self._queue[0].attempt > 1
                alike = (i for i, unit in enumerate(self._queue) if unit.group == worker.group)
                self._give(worker, self._queue.pop(0 if again else next(alike, 0)))
            elif (copied := self._oldest()) is not None:
                self._give(worker, copied._replace(attempt=next(self._copies)))

    def _oldest(self) -> Unit | None:
        """The unit that has been training for longest, if it has no second copy yet, and for longer than a pulse."""
        begun = [
            (worker.begun, worker.unit)
            for worker in self._pool.workers
            if worker.unit is not None and not worker.dropped
        ]
        attempts = Counter(unit.name for _, unit in begun)
        before = time.monotonic() - self._pool.pulse_seconds
        alone = [(since, unit) for since, unit in begun if attempts[unit.name] == 1 and since < before]
        return min(alone)[1] if alone else None

    def _give(self, worker: PoolWorker, unit: Unit) -> None:
        carried = {}
        if self._states is not None:
            saved = {name: self._states.load(name) for name in (unit.name, *unit.sources)}
            carried = {name: state for name, state in saved.items() if state is not None}
        worker.train(unit, self._plan, carried)

    def _taken(self, worker: PoolWorker, answer: Any) -> list[Event]:
        """What has come of a unit; nothing where another attempt was faster, or may still finish."""
        unit, event, others = worker.unit, answer.event, self._others(worker)
        assert unit is not None
        worker.unit = None
        if worker.dropped or (isinstance(event, Stopped) and others):
            return []
        if answer.saved is not None and self._states is not None:
            self._states.save(unit, answer.saved)
        if isinstance(event, Done):
            for other in others:
                other.drop()
        return [event]

    def _others(self, worker: PoolWorker) -> list[PoolWorker]:
        """Other workers that train the unit of this one."""
        name = None if worker.unit is None else worker.unit.name
        at_work = [other for other in self._pool.workers if other is not worker and not other.dropped]
        return [other for other in at_work if other.unit is not None and other.unit.name == name]
