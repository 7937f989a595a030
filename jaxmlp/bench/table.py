"""The table of what was measured."""

from typing import TYPE_CHECKING

from jaxmlp.bench.entries import GRID, RUN
from jaxmlp.bench.measuring import Measurement
from jaxmlp.bench.results import TOLERANCE, Results

if TYPE_CHECKING:
    from rich.console import Console

HEADS = ("ms an\nepoch", "least–\nmost", "×\njaxmlp", "× its\ngrid", "\nshare", "\nloss")
NARROW, LEFT_OUT = 76, (1, 3)  # columns of a terminal; of the table, those that have no room in one that is narrower
NONE = "–"


def show(results: Results, console: "Console") -> None:
    """Print the measurements, and below them what they are measured by."""
    from rich import box
    from rich.table import Table

    if not console.is_terminal:
        console.width = 10_000
    shown = [i for i in range(len(HEADS)) if console.width >= NARROW or i not in LEFT_OUT]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    table.add_column("")
    for head in (HEADS[i] for i in shown):
        table.add_column(head, justify="right", no_wrap=True)
    measured = results.measured
    for measurement, following in zip(measured, [*measured[1:], None], strict=True):
        last = following is None or following.entry.part != measurement.entry.part
        row = cells(results, measurement)
        table.add_row(measurement.entry.name, *(row[i] for i in shown), end_section=last)
    console.print(table)
    for line in notes(results):
        console.print(line, markup=False, soft_wrap=not console.is_terminal)


def cells(results: Results, measurement: Measurement) -> tuple[str, ...]:
    """The row of an entry, after its name."""
    share = results.share(measurement)
    loss = NONE if measurement.loss is None else f"{measurement.loss:.4f}"
    return (
        digits(measurement.median),
        f"{digits(min(measurement.seconds))}–{digits(max(measurement.seconds))}",
        _times(results.times(measurement, RUN)),
        _times(results.times(measurement, GRID)),
        NONE if share is None else f"{100 * share:.0f} %",
        f"≠ {loss}" if results.off(measurement) else loss,
    )


def notes(results: Results) -> list[str]:
    """What the columns mean, and which entries did other work."""
    lines = [
        "an epoch: of one network, median of the rounds; each trial of a grid and each process of several is a network"
    ]
    bases = " and ".join(name for name in (RUN, GRID) if results.called(name))
    if bases:
        lines.append(f"×: times as long as {bases}")
    if results.speed is not None:
        lines.append(
            f"share: of the machine's large product, {results.speed / 1e9:.0f} GFLOP/s here; an epoch is"
            f" {results.task.flops / 1e9:.3g} GFLOP"
        )
    off = [measurement.entry.name for measurement in results.measured if results.off(measurement)]
    if off:
        lines.append(
            f"≠ loss: more than {100 * TOLERANCE:.0f} % from ours, so it was another training: {', '.join(off)}"
        )
    return lines


def digits(seconds: float) -> str:
    """The milliseconds, in three digits or more: 107, 1.24."""
    return f"{1e3 * seconds:.0f}" if seconds >= 0.1 else f"{1e3 * seconds:.3g}"


def _times(ratio: float | None) -> str:
    return NONE if ratio is None else f"{ratio:.2f}"
