"""`jaxmlp bench [--preset NAME] [--peers NAME ...] [--json FILE] [--plot FILE]`: how fast the trainer is, beside others."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from jaxmlp import files
from jaxmlp.bench import entries, table
from jaxmlp.bench.entries import PARTS, PEERS, Entry, chosen
from jaxmlp.bench.measuring import measure
from jaxmlp.bench.results import Results
from jaxmlp.bench.task import PRESETS, Task
from jaxmlp.cli import parsing, signals
from jaxmlp.cli.progress import Lines
from jaxmlp.errors import UsageError
from jaxmlp.errors import entry as entry_of
from jaxmlp.runs.sealed import finite

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
    json: Path | None = None
    """A file for all measurements, with machine, versions and date."""
    plot: Path | None = None
    """A file for the bar chart: PNG or SVG."""
    quiet: bool = False
    """Print nothing but errors and the table."""


COMMAND = parsing.Command(
    "bench",
    Bench,
    ("preset", "peers", "parts", "rounds", "examples", "trials", "json", "plot", "quiet"),
    (
        "",
        "--preset digits --peers numpy sklearn --json bench.json --plot bench.png",
        "--parts limits run --peers torch --rounds 15",
    ),
)


def main(arguments: list[str]) -> int:
    """Parse, measure, print and write; 1 if an entry failed."""
    command = COMMAND.parse(arguments)
    task = _task(command)
    wanted = entries.named_peers(command.peers)
    parts = [entries.part_called(name) for name in command.parts]
    _check_file("--json", command.json)
    _check_file("--plot", command.plot, PICTURES)
    missing = entries.missing(wanted)
    chosen_entries = chosen(parts, [peer for peer in wanted if peer not in missing])
    signals.set_last_line("nothing was measured to its end, and no file written")
    with Lines(quiet=command.quiet) as lines:
        lines.on_message(_about(command.preset, task, chosen_entries))
        if missing:
            lines.on_message(f"not installed: {', '.join(missing)}; {entries.how_to_install(missing)}")
        measurements = measure(
            chosen_entries, task, command.rounds, lambda what, done, total: lines.show(what, done, total, None, [])
        )
    signals.set_last_line()
    results = Results(command.preset, task, command.rounds, measurements)
    table.show(results, lines.console)
    if command.json is not None:
        tree = finite(results.to_json(missing))
        files.write_atomically(command.json, json.dumps(tree, indent=2, allow_nan=False) + "\n")
    if command.plot is not None:
        from jaxmlp.bench import chart

        chart.bars(results).save(command.plot)
    failed = [measurement for measurement in measurements if measurement.failure]
    for measurement in failed:
        print(f"error: {measurement.entry.name} failed: {measurement.failure}", file=sys.stderr)
    return 1 if failed else 0


def _task(command: Bench) -> Task:
    """The preset, with the sizes that were given. UsageError for an unknown preset."""
    task = entry_of("--preset", command.preset, PRESETS)
    return replace(task, examples=command.examples or task.examples, trials=command.trials or task.trials)


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


def _about(preset: str, task: Task, chosen_entries: tuple[Entry, ...]) -> str:
    sizes = "-".join(map(str, task.sizes))
    grid = f", a grid of {task.trials:,}" if any(entry.part == "grid" for entry in chosen_entries) else ""
    return f"{preset}: {sizes}, {task.examples:,} examples, batch {task.batch}{grid}; {len(chosen_entries)} entries"
