"""`jaxmlp bench [--preset NAME] [--peers NAME ...] [--json FILE] [--plot FILE]`: how fast the trainer is, beside others."""

import json
import sys
from collections.abc import Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge

from jaxmlp import files
from jaxmlp.bench import accelerator, entries, modes, programs
from jaxmlp.bench.entries import PARTS, PEERS
from jaxmlp.bench.programs import PROGRAM_PARTS
from jaxmlp.bench.task import PRESETS, Task
from jaxmlp.cli import parsing, signals
from jaxmlp.cli.progress import Lines
from jaxmlp.errors import UsageError, unknown
from jaxmlp.errors import entry as entry_of
from jaxmlp.run.sealed import finite

PICTURES = (".png", ".svg")


@dataclass(frozen=True)
class Bench:
    """Measure how long an epoch takes, beside other libraries and beside what the machine can do."""

    preset: str = "report"
    """What is trained: report (784-128-10), digits (64-32-10), wide, deep, or table (32 columns); or accelerator, which
    measures a gpu in four minutes: a network and grids in each precision, and a sweep of 1,000 trials."""
    peers: tuple[str, ...] = tuple(PEERS)
    """Other libraries, or none; those that are not installed are left out."""
    parts: tuple[str, ...] = PARTS
    """What is measured. An epoch of each network: limits (of the machine), run, grid. Whole programs, for the presets report
    and digits: process (a training), target (the time to an accuracy), search (the time to the best of 64)."""
    rounds: Annotated[int, Ge(1)] = 7
    """Rounds in which all take turns, 3 of the preset accelerator; medians are shown."""
    examples: Annotated[int, Ge(1)] | None = None
    """Training examples, instead of those of the preset."""
    trials: Annotated[int, Ge(1)] | None = None
    """Trials of the grid, instead of those of the preset."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """What all compute on: the cpu, of the preset accelerator a gpu. On a gpu, NumPy and scikit-learn are left out."""
    growth: bool = False
    """Instead: how the seconds of our training grow with epochs, examples, width, depth, batch and trials."""
    shares: bool = False
    """Instead: the share of the machine's limit that our training reaches over batch and width, beside PyTorch's."""
    json: Path | None = None
    """A file for all measurements, with machine, versions and date."""
    plot: Path | None = None
    """A file for the picture: PNG or SVG."""
    quiet: bool = False
    """Print nothing but errors and the table."""


COMMAND = parsing.Command(
    "bench",
    Bench,
    ("preset", "peers", "parts", "rounds", "examples", "trials", "device", "growth", "shares", "json", "plot", "quiet"),
    (
        "",
        "--preset digits --peers numpy sklearn --json bench.json --plot bench.png",
        "--parts process target search --rounds 3",
    ),
)


def main(arguments: list[str]) -> int:
    """Parse, measure, print and write; 1 if an entry failed."""
    command = COMMAND.parse(arguments)
    task = _task(command)
    wanted, given = entries.named_peers(command.peers), parsing.given(arguments)
    whole = _check_parts(command, given)
    if command.growth and command.shares:
        raise UsageError("--growth and --shares are two measurements: ask for the one or the other")
    if (command.growth or command.shares) and {"peers", "parts"} & given:
        flag, measures = (
            ("--growth", "our own training and grid") if command.growth else ("--shares", "our training and PyTorch's")
        )
        raise UsageError(f"{flag} measures {measures}: leave out --peers and --parts")
    on_accelerator = command.preset == accelerator.PRESET
    if unread := sorted({"peers", "parts", "growth", "shares", "plot"} & given) if on_accelerator else []:
        raise UsageError(f"--{unread[0]} is not read by --preset {command.preset}: leave it out")
    _check_file("--json", command.json)
    _check_file("--plot", command.plot, PICTURES)
    signals.set_last_line("nothing was measured to its end, and no file written")
    rounds = accelerator.ROUNDS if on_accelerator and "rounds" not in given else command.rounds
    plan = modes.Plan(command.preset, task, rounds, command.parts, wanted)
    mode = modes.compare
    if command.growth or command.shares:
        mode = modes.grow if command.growth else modes.map_shares
    elif whole:
        mode = modes.run_programs
    elif on_accelerator:
        mode = modes.accelerate
    with Lines(quiet=command.quiet) as lines:
        measured = mode(plan, lines)
    signals.set_last_line()
    if command.json is not None:
        files.write_atomically(command.json, json.dumps(finite(measured.tree), indent=2, allow_nan=False) + "\n")
    if command.plot is not None and measured.picture is not None:
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


def _task(command: Bench) -> Task:
    """The preset, with the sizes that were given. UsageError for an unknown preset."""
    task = entry_of("--preset", command.preset, PRESETS)
    examples, trials = command.examples or task.examples, command.trials or task.trials
    device = task.device if command.device == "auto" else command.device
    return replace(task, examples=examples, trials=trials, device=device)


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
