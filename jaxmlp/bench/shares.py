"""The share of the machine's limit that a training reaches, over batch and width: ours, and that of others."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxmlp.bench.entries import LIMIT, RUN, Entry, entry_called
from jaxmlp.bench.machine import where_and_when
from jaxmlp.bench.measuring import Job, Measurement
from jaxmlp.bench.task import Task

if TYPE_CHECKING:
    from rich.console import Console

BATCHES = (16, 64, 256, 1_024, 4_096)
WIDTHS = (16, 64, 256, 1_024, 2_048)
OPERATIONS = 1e10  # of an epoch, about: so many that it takes some tenths of a second
STEPS = 4  # of an epoch, at least
OTHER = "PyTorch, eager"


class Cell(NamedTuple):
    """A batch and a width, and the share of the large product's speed by the names of the entries."""

    batch: int
    width: int
    shares: dict[str, float]


def places() -> list[tuple[int, int]]:
    """Every batch with every width."""
    return [(batch, width) for batch in BATCHES for width in WIDTHS]


def jobs(task: Task, batch: int, width: int, *, torch: bool) -> list[Job]:
    """The large product, our single network, and PyTorch's where it is installed."""
    task = replace(task, hidden=(width,) * len(task.hidden), batch=batch)
    wanted = max(STEPS * batch, min(task.examples, round(OPERATIONS * task.examples / task.flops)))
    task = replace(task, examples=-(-wanted // batch) * batch)
    entries: list[Entry] = [entry_called(name) for name in (LIMIT, RUN, *([OTHER] if torch else []))]
    return [Job(entry, task, f"batch {batch:,}, width {width:,}, {entry.name}") for entry in entries]


def cell(batch: int, width: int, measurements: Sequence[Measurement]) -> Cell:
    """What came of the jobs of a place."""
    seconds = {each.entry.name: each.median for each in measurements if not each.failure}
    shares = {name: seconds[LIMIT] / took for name, took in seconds.items() if LIMIT in seconds and name != LIMIT}
    return Cell(batch, width, shares)


def names(cells: Sequence[Cell]) -> list[str]:
    """The entries that some cell has, ours first."""
    return list(dict.fromkeys(name for cell in cells for name in sorted(cell.shares, key=lambda name: name != RUN)))


def show(cells: Sequence[Cell], console: "Console") -> None:
    """Print a table for each entry: a row for each batch, a column for each width."""
    from rich import box
    from rich.table import Table

    for name in names(cells):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
        table.add_column(f"{name}, share of the limit", overflow="fold")
        for width in WIDTHS:
            table.add_column(f"width {width:,}", justify="right", no_wrap=True)
        shares = {(cell.batch, cell.width): cell.shares[name] for cell in cells if name in cell.shares}
        for batch in BATCHES:
            row = [f"{shares[batch, width]:.0%}" if (batch, width) in shares else "–" for width in WIDTHS]
            table.add_row(f"batch {batch:,}", *row)
        console.print(table)
        console.print()


def to_json(cells: Sequence[Cell], preset: str, task: Task, rounds: int) -> dict[str, Any]:
    """All cells, the task that they start from, the machine, the versions and the date."""
    about = {"preset": preset, "task": asdict(task), "rounds": rounds}
    return where_and_when() | about | {"shares_of_large_product": [cell._asdict() for cell in cells]}
