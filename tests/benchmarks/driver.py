"""Units a second that the driver of a sweep serves: workers that do nothing, ten trials of 20 epochs a unit.

python tests/benchmarks/driver.py
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxmlp import Network, Spec, Training
from jaxmlp.grid.driver import Driver
from jaxmlp.grid.executors import Event
from jaxmlp.grid.journal import Memory
from jaxmlp.grid.packing import Packing
from jaxmlp.grid.units import Done, Group, Record, Unit
from jaxmlp.run.identity import Identity
from jaxmlp.sweep.journal import SweepJournal
from jaxmlp.training.callbacks import Callbacks

UNITS, TRIALS, EPOCHS = 2000, 10, 20


def record(trial: int) -> Record:
    """A trial of which no network is the best: all have diverged."""
    row = {"trial": trial, "status": "diverged", "epochs_run": EPOCHS, "best_epoch": EPOCHS, "validation_loss": 1.0}
    row |= {"validation_accuracy": 0.5, "validation_correct": 5, "validation_count": 10}
    curve = {name: [1.0 / 3] * EPOCHS for name in ("train_loss", "validation_loss", "seconds")}
    return Record(
        row, {"trial": trial} | curve | {name: [5] * EPOCHS for name in ("train_correct", "validation_correct")}
    )


class Idle:
    """Workers that answer at once."""

    workers = 8

    def __init__(self) -> None:
        self.units: list[Unit] = []

    def submit(self, units: Sequence[Unit]) -> None:
        self.units += units

    def collect(self, seconds: float) -> list[Event]:
        units, self.units = self.units[: self.workers], self.units[self.workers :]
        return [self._done(unit) for unit in units]

    def _done(self, unit: Unit) -> Done:
        scores = dict.fromkeys(unit.trials, 1.0)
        return Done(unit.name, [record(trial) for trial in unit.trials], [], scores, None, 200, 1.0, 0, 0.0, "")

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


def main() -> None:
    """Measure with results in memory, and on the disk."""
    spec = Spec(Network((8,)), Training(max_epochs=EPOCHS), 64, 10)
    nothing: Any = None  # what no driver reads
    packing = Packing(1, 1, 99, 0.0, TRIALS)
    group = Group(spec, packing, range(UNITS * TRIALS), nothing, lambda trial: 0, nothing, nothing)
    with tempfile.TemporaryDirectory() as folder:
        journals = {
            "in memory": Memory(lambda _: None),
            "on the disk": SweepJournal(Path(folder), [spec], Identity({}, ""), Callbacks()),
        }
        for name, journal in journals.items():
            driver = Driver([group], Idle(), journal, Callbacks())
            started, cpu = time.perf_counter(), time.process_time()
            assert driver.run()
            rate, cpu_rate = (UNITS / took for took in (time.perf_counter() - started, time.process_time() - cpu))
            print(f"{name}: {rate:,.0f} units a second; {cpu_rate:,.0f} a second of CPU time")


if __name__ == "__main__":
    main()
