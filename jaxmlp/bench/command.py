"""`jaxmlp bench [--preset NAME] [--peers NAME ...] [--json FILE] [--plot FILE]`: how fast the trainer is, beside others."""

import json
import sys
from collections.abc import Callable, Sequence, Set
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from annotated_types import Ge

from jaxmlp import files
from jaxmlp.bench import entries, growth, programs, reached, running, table
from jaxmlp.bench.entries import PARTS, PEERS, Entry
from jaxmlp.bench.machine import where_and_when
from jaxmlp.bench.measuring import Job, Measurement, measure
from jaxmlp.bench.programs import PROGRAM_PARTS
from jaxmlp.bench.results import Results
from jaxmlp.bench.task import PRESETS, Task
from jaxmlp.cli import parsing, signals
from jaxmlp.cli.progress import Lines
from jaxmlp.errors import UsageError, unknown
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
    """What is measured. An epoch of each network: limits (of the machine), run, grid. Whole programs, for the presets report
    and digits: process (a training), target (the time to an accuracy), search (the time to the best of 64)."""
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
        "--parts process target search --rounds 3",
    ),
)


class Measured(NamedTuple):
    """What was measured, for files, and what failed."""

    tree: dict[str, Any]
    picture: Callable[[], "Picture"]
    failures: list[str]


def main(arguments: list[str]) -> int:
    """Parse, measure, print and write; 1 if an entry failed."""
    command = COMMAND.parse(arguments)
    task = _task(command)
    wanted, given = entries.named_peers(command.peers), parsing.given(arguments)
    whole = _check_parts(command, given)
    if command.growth and {"peers", "parts"} & given:
        raise UsageError("--growth measures our own training and grid: leave out --peers and --parts")
    _check_file("--json", command.json)
    _check_file("--plot", command.plot, PICTURES)
    signals.set_last_line("nothing was measured to its end, and no file written")
    with Lines(quiet=command.quiet) as lines:
        if command.growth:
            measured = _grow(command, task, lines)
        else:
            measured = (_run_programs if whole else _compare)(command, task, wanted, lines)
    signals.set_last_line()
    if command.json is not None:
        files.write_atomically(command.json, json.dumps(finite(measured.tree), indent=2, allow_nan=False) + "\n")
    if command.plot is not None:
        measured.picture().save(command.plot)
    for failure in measured.failures:
        print(f"error: {failure}", file=sys.stderr)
    return 1 if measured.failures else 0


def _check_parts(command: Bench, given: Set[str]) -> bool:
    """Whether whole programs are measured. UsageError for an unknown part, both kinds, and flags that are not read."""
    for name in command.parts:
        if name not in (*PARTS, *PROGRAM_PARTS):
            raise unknown("--parts", name, (*PARTS, *PROGRAM_PARTS))
    whole = [name for name in command.parts if name in PROGRAM_PARTS]
    if not whole:
        return False
    if epochs := [name for name in command.parts if name in PARTS]:
        raise UsageError(
            f"--parts {' '.join(epochs)} measure an epoch, {' '.join(whole)} whole programs: ask for the one or the other"
        )
    if unread := sorted({"examples", "trials", "device"} & given):
        raise UsageError(f"--{unread[0]} is not read by --parts {' '.join(whole)}: leave it out")
    programs.check_preset(command.preset)
    return True


def _run_programs(command: Bench, task: Task, peers: Sequence[str], lines: Lines) -> Measured:
    """All programs in turn."""
    wanted = {program.peer for program in programs.chosen(command.parts, peers)}
    missing = [peer for peer in entries.missing(peers) if peer in wanted]
    chosen = programs.chosen(command.parts, [peer for peer in peers if peer not in missing])
    sizes = "-".join(map(str, task.sizes))
    lines.on_message(f"{command.preset}: {sizes} on {programs.SETS[command.preset][0]}; {len(chosen)} programs")
    _say_missing(lines, missing)
    outcomes = running.measure(chosen, command.preset, task, command.rounds, partial(_show, lines))
    lines.clear()
    reached.show(command.preset, outcomes, lines.console)

    def picture() -> "Picture":
        from jaxmlp.bench import chart

        return chart.programs(command.preset, task, outcomes)

    tree = where_and_when() | {"preset": command.preset, "task": asdict(task), "rounds": command.rounds}
    tree |= {"programs": reached.to_json(command.preset, outcomes), "not_installed": missing}
    failures = [f"{outcome.program.name} failed: {outcome.failure}" for outcome in outcomes if outcome.failure]
    return Measured(tree, picture, failures)


def _say_missing(lines: Lines, missing: Sequence[str]) -> None:
    if missing:
        lines.on_message(f"not installed: {', '.join(missing)}; {entries.how_to_install(missing)}")


def _compare(command: Bench, task: Task, peers: Sequence[str], lines: Lines) -> Measured:
    """All entries in turn."""
    missing = [peer for peer in entries.missing(peers) if peer in {entry.peer for entry in entries.ENTRIES}]
    chosen_entries = entries.chosen(command.parts, [peer for peer in peers if peer not in missing], command.device)
    lines.on_message(_about(command.preset, task, chosen_entries))
    _say_missing(lines, missing)
    jobs = [Job(entry, task, entry.name) for entry in chosen_entries]
    results = Results(command.preset, task, command.rounds, measure(jobs, command.rounds, partial(_show, lines)))
    lines.clear()
    table.show(results, lines.console)

    def picture() -> "Picture":
        from jaxmlp.bench import chart

        return chart.bars(results)

    return Measured(results.to_json(missing), picture, _failures(jobs, results.measurements))


def _grow(command: Bench, task: Task, lines: Lines) -> Measured:
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

    return Measured(growth.to_json(grown, command.preset, task, command.rounds), picture, failures)


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
