"""How the seconds of a training grow with one size at a time: its exponent is the slope in a double logarithmic picture."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxmlp.bench.entries import GRID, RUN, entry_called
from jaxmlp.bench.machine import where_and_when
from jaxmlp.bench.measuring import Job, Measurement
from jaxmlp.bench.task import Task

if TYPE_CHECKING:
    from rich.console import Console

FACTORS = (0.25, 0.5, 1.0, 2.0)  # of the size in the preset
DEPTHS = (1, 2, 4, 8)  # hidden layers, each as wide as the first of the preset


class Axis(NamedTuple):
    """One size: its values for a task, and the task with one of them."""

    values: Callable[[Task], list[int]]
    at: Callable[[Task, int], Task]


def _times(size: Callable[[Task], int], factors: Sequence[float] = FACTORS) -> Callable[[Task], list[int]]:
    return lambda task: sorted({max(1, round(factor * size(task))) for factor in factors})


AXES = {
    "epochs": Axis(_times(lambda task: task.epochs, (1.0, 2.0, 4.0, 8.0)), lambda task, n: replace(task, epochs=n)),
    "examples": Axis(_times(lambda task: task.examples), lambda task, n: replace(task, examples=n)),
    "width": Axis(_times(lambda task: task.hidden[0]), lambda task, n: replace(task, hidden=(n,) * len(task.hidden))),
    "depth": Axis(lambda _: [*DEPTHS], lambda task, n: replace(task, hidden=task.hidden[:1] * n)),
    "batch": Axis(_times(lambda task: task.batch), lambda task, n: replace(task, batch=n)),
    "trials": Axis(_times(lambda task: task.trials), lambda task, n: replace(task, trials=n)),
}


class Line(NamedTuple):
    """The seconds of a training, or of a whole grid, over the values of one size."""

    axis: str
    values: list[int]
    seconds: list[float]  # medians of the rounds

    @property
    def exponent(self) -> float:
        """p of seconds = c value^p, by least squares of the logarithms."""
        slope, _ = np.polyfit(np.log(self.values), np.log(self.seconds), 1)
        return float(slope)


def points(axis: str, task: Task) -> dict[int, Job]:
    """What is measured at each value: our single network, over trials our grid, by autodiff."""
    entry = entry_called(GRID if axis == "trials" else RUN)
    values = AXES[axis].values(task)
    return {value: Job(entry, AXES[axis].at(task, value), f"{axis} {value:,}") for value in values}


def line(axis: str, jobs: dict[int, Job], measurements: Sequence[Measurement]) -> Line | None:
    """What came of the points of an axis; None where fewer than two were measured."""
    seconds = {
        value: measurement.median * job.task.epochs * (job.task.trials if axis == "trials" else 1)
        for (value, job), measurement in zip(jobs.items(), measurements, strict=True)
        if not measurement.failure
    }
    return Line(axis, list(seconds), list(seconds.values())) if len(seconds) > 1 else None


def show(lines: Sequence[Line], console: "Console") -> None:
    """Print a table: a row for each size."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    table.add_column("over")
    table.add_column("seconds of a training", overflow="fold")
    table.add_column("exponent", justify="right", no_wrap=True)
    for grown in lines:
        pairs = zip(grown.values, grown.seconds, strict=True)
        table.add_row(grown.axis, ", ".join(f"{value:,}: {took:.3g}" for value, took in pairs), f"{grown.exponent:.2f}")
    console.print(table)


def to_json(lines: Sequence[Line], preset: str, task: Task, rounds: int) -> dict[str, Any]:
    """All lines, the task that they start from, the machine, the versions and the date."""
    growth = [grown._asdict() | {"exponent": grown.exponent} for grown in lines]
    return where_and_when() | {"preset": preset, "task": asdict(task), "rounds": rounds, "growth": growth}
