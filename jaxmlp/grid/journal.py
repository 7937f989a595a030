"""What is kept of a grid while it is trained: the journal that the driver writes, and one in memory."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from jaxmlp.grid.results import TrialResult
from jaxmlp.grid.units import Done, Record, Unit
from jaxmlp.grid.worker import Saved, States


class Best(NamedTuple):
    """The best of the trials that have finished."""

    group: int
    result: TrialResult


@runtime_checkable
class Journal(States, Protocol):
    """Keeps what has come of a grid, so that it can be gone on with."""

    def done(self, unit: Unit) -> Done | None:
        """What has come of a unit, if it was kept; without the state of its best trial."""
        ...

    def keep(self, results: Sequence[tuple[Unit, Done]]) -> None:
        """Keep what has come of units; they count once this returns."""
        ...

    def add(self, records: Sequence[Record]) -> None:
        """Add trials to the results: those that have finished or were pruned, each once."""
        ...

    def best(self) -> Best | None:
        """The best trial that was kept."""
        ...

    def keep_best(self, best: Best) -> None:
        """Keep the best trial of all so far."""
        ...

    def forget(self, unit: Unit) -> None:
        """The states of a unit are needed no more."""
        ...


class Memory:
    """A journal of this process alone; `on_record` sees each trial that has finished."""

    def __init__(self, on_record: Callable[[Record], None]) -> None:
        self._on_record, self._best = on_record, None
        self._saved: dict[str, Saved] = {}

    def save(self, unit: Unit, saved: Saved) -> None:
        self._saved[unit.name] = saved

    def load(self, name: str) -> Saved | None:
        return self._saved.get(name)

    def done(self, unit: Unit) -> Done | None:
        return None

    def keep(self, results: Sequence[tuple[Unit, Done]]) -> None:
        pass

    def add(self, records: Sequence[Record]) -> None:
        for record in records:
            self._on_record(record)

    def best(self) -> Best | None:
        return self._best

    def keep_best(self, best: Best) -> None:
        self._best = best

    def forget(self, unit: Unit) -> None:
        self._saved.pop(unit.name, None)
