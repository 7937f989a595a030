"""`jaxmlp bench [--preset NAME] [--peers NAME ...] [--json FILE] [--plot FILE]`: how fast the trainer is, beside others."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from annotated_types import Ge

from jaxmlp import files
from jaxmlp.bench import entries, growth, table
from jaxmlp.bench.entries import PARTS, PEERS, Entry, chosen
from jaxmlp.bench.measuring import Job, Measurement, measure
from jaxmlp.bench.results import Results
from jaxmlp.bench.task import PRESETS, Task
from jaxmlp.cli import parsing, signals
from jaxmlp.cli.progress import Lines
from jaxmlp.errors import UsageError
from jaxmlp.errors import entry as entry_of
from jaxmlp.runs.sealed import finite

if TYPE_CHECKING:
    from jaxmlp.plots import Picture

PICTURES = (".png", ".svg")


@dataclass(frozen=True)
class Bench:
    """Measure how long an epoch takes, beside other libraries and beside what the machine can do."""

    preset: str = "report"
    """What is trained: report (784-128-10), digits (64-32-10), wide, deep, or table (32 columns)."""
    peers: tuple[str, ...] = tuple(PEERS)
    """Other libraries, or none; those that are not installed are left out."""
    parts: tuple[str, ...] = PARTS
    """What is measured: the limits of the machine, one run, a grid."""
    rounds: Annotated[int, Ge(1)] = 7
    """Rounds in which all take turns; medians are shown."""
    examples: Annotated[int, Ge(1)] | None = None
    """Training examples, instead of those of the preset."""
    trials: Annotated[int, Ge(1)] | None = None
    """Trials of the grid, instead of those of the preset."""
    device: Literal["cpu", "gpu"] = "cpu"
    """What all compute on; on a gpu, NumPy and scikit-learn are left out."""
    growth: bool = False
    """Instead: how the seconds of our training grow with epochs, examples, width, depth, batch and trials."""
    json: Path | None = None
    """A file for all measurements, with machine, versions and date."""
    plot: Path | None = None
    """A file for the picture: PNG or SVG."""
    quiet: bool = False
    """Print nothing but errors and the table."""


COMMAND = parsing.Command(
    "bench",
    Bench,
    ("preset", "peers", "parts", "rounds", "examples", "trials", "device", "growth", "json", "plot", "quiet"),
    (
        "",
        "--preset digits --peers numpy sklearn --json bench.json --plot bench.png",
        "--preset digits --growth --rounds 3 --plot growth.svg",
    ),
)


class Outcome(NamedTuple):
    """What was measured, for files, and what failed."""

    tree: dict[str, Any]
    picture: Callable[[], "Picture"]
    failures: list[str]


def main(arguments: list[str]) -> int:
    """Parse, measure, print and write; 1 if an entry failed."""
    command = COMMAND.parse(arguments)
    task = _task(command)
    wanted, parts = entries.named_peers(command.peers), [entries.part_called(name) for name in command.parts]
    if command.growth and {"peers", "parts"} & parsing.given(arguments):
        raise UsageError("--growth measures our own training and grid: leave out --peers and --parts")
    _check_file("--json", command.json)
    _check_file("--plot", command.plot, PICTURES)
    signals.set_last_line("nothing was measured to its end, and no file written")
    with Lines(quiet=command.quiet) as lines:
        outcome = _grow(command, task, lines) if command.growth else _compare(command, task, wanted, parts, lines)
    signals.set_last_line()
    if command.json is not None:
        files.write_atomically(command.json, json.dumps(finite(outcome.tree), indent=2, allow_nan=False) + "\n")
    if command.plot is not None:
        outcome.picture().save(command.plot)
    for failure in outcome.failures:
        print(f"error: {failure}", file=sys.stderr)
    return 1 if outcome.failures else 0


def _compare(command: Bench, task: Task, peers: Sequence[str], parts: Sequence[str], lines: Lines) -> Outcome:
    """All entries in turn."""
    missing = entries.missing(peers)
    chosen_entries = chosen(parts, [peer for peer in peers if peer not in missing], command.device)
    lines.on_message(_about(command.preset, task, chosen_entries))
    if missing:
        lines.on_message(f"not installed: {', '.join(missing)}; {entries.how_to_install(missing)}")
    jobs = [Job(entry, task, entry.name) for entry in chosen_entries]
    results = Results(command.preset, task, command.rounds, measure(jobs, command.rounds, partial(_show, lines)))
    lines.clear()
    table.show(results, lines.console)

    def picture() -> "Picture":
        from jaxmlp.bench import chart

        return chart.bars(results)

    return Outcome(results.to_json(missing), picture, _failures(jobs, results.measurements))


def _grow(command: Bench, task: Task, lines: Lines) -> Outcome:
    """One size after the other; the values of each in turn."""
    grown, failures = [], []
    lines.on_message(_about(command.preset, task, ()))
    for axis in growth.AXES:
        points = growth.points(axis, task)
        measurements = measure(list(points.values()), command.rounds, partial(_show, lines))
        failures += _failures(list(points.values()), measurements)
        grown += filter(None, [growth.line(axis, points, measurements)])
    lines.clear()
    growth.show(grown, lines.console)

    def picture() -> "Picture":
        from jaxmlp.bench import chart

        return chart.growth(grown)

    return Outcome(growth.to_json(grown, command.preset, task, command.rounds), picture, failures)


def _failures(jobs: Sequence[Job], measurements: Sequence[Measurement]) -> list[str]:
    pairs = zip(jobs, measurements, strict=True)
    return [f"{job.label} failed: {measurement.failure}" for job, measurement in pairs if measurement.failure]


def _show(lines: Lines, what: str, done: int, total: int) -> None:
    lines.show(what, done, total, None, [])


def _task(command: Bench) -> Task:
    """The preset, with the sizes that were given. UsageError for an unknown preset."""
    task = entry_of("--preset", command.preset, PRESETS)
    examples, trials = command.examples or task.examples, command.trials or task.trials
    return replace(task, examples=examples, trials=trials, device=command.device)


def _check_file(flag: str, path: Path | None, ends: tuple[str, ...] = ()) -> None:
    """Raise UsageError for a file that could not be written in the end."""
    if path is None:
        return
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(
            f"{flag} {path}: {path if path.is_dir() else path.parent} is {'a' if path.is_dir() else 'no'} folder"
        )
    if ends and path.suffix not in ends:
        raise UsageError(f"{flag} {path} ends in {path.suffix or 'nothing'!r}; accepted is {' or '.join(ends)}")


def _about(preset: str, task: Task, chosen_entries: Sequence[Entry]) -> str:
    sizes = "-".join(map(str, task.sizes))
    grid = f", a grid of {task.trials:,}" if any(entry.part == "grid" for entry in chosen_entries) else ""
    counted = f"; {len(chosen_entries)} entries" if chosen_entries else ""
    return f"{preset}: {sizes}, {task.examples:,} examples, batch {task.batch}{grid}{counted}"
