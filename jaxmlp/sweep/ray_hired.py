"""A worker on Ray as its executor sees it: an actor, the unit that it trains, and the answers that are to come from it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jaxmlp.grid.units import Unit


@dataclass(eq=False)
class HiredWorker:
    """A worker; of its answers each is a reference until it has come, and None then."""

    actor: Any
    placed: Any  # the answer where it runs: it has started then
    hello: Any  # the answer to the job: it is ready then
    starts: int = 1  # of workers in this place, since one was ready
    place: str = ""  # host and process, for a person
    unit: Unit | None = None
    run: Any = None
    pulse: Any = None
    begun: float = 0.0  # the unit
    heard: float = field(default_factory=time.monotonic)  # when it has last said that it lives
    group: int | None = None  # whose programs it has
    dropped: bool = False  # whether another attempt at its unit was faster

    @classmethod
    def of(cls, actor: Any, job: Any, starts: int = 1) -> "HiredWorker":
        """A worker that is told its job."""
        return cls(actor, actor.place.remote(), actor.hello.remote(job), starts)

    @property
    def is_ready(self) -> bool:
        """Whether it has started, and knows the job."""
        return self.placed is None and self.hello is None

    @property
    def is_free(self) -> bool:
        """Whether it is ready, and trains nothing."""
        return self.is_ready and self.run is None

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
        """Have it end its attempt: another one was faster."""
        assert self.unit is not None
        self.dropped = True
        self.actor.abandon.remote(self.unit.name, self.unit.attempt)
