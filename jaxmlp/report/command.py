"""`jaxmlp report [--data.name mnist] [--seeds 10] [--out DIR] [--only NAME...]`: reproduce both documents."""

import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from annotated_types import Ge

from jaxmlp.cli import parsing, signals
from jaxmlp.cli.devices import Device, choose_device, use_all_cores
from jaxmlp.cli.progress import Lines
from jaxmlp.report import page, runner
from jaxmlp.report import parts as report_parts
from jaxmlp.report.readings import READINGS
from jaxmlp.run import lock
from jaxmlp.text import short_path, typed


@dataclass(frozen=True)
class DataName:
    """Where the experiments get their data."""

    name: str = "mnist"
    """mnist, or mnist5k to see the page without a download (its numbers are then not the documents')."""


@dataclass(frozen=True)
class Report:
    """Run every experiment of the report and the thread over many seeds, and write a page: their number beside ours."""

    data: DataName = DataName()
    seeds: Annotated[int, Ge(1)] = 10
    """Seeds of each experiment, run as one program."""
    out: Path | None = None
    """Where the page goes; without it runs/report-NAME. Parts that it holds already are not run again."""
    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = field(default=())
    """Only these parts: softmax momentum l2 l1 sigmoid relu gradcheck perceptron_sigmoid thresholds ..."""
    readings: bool = False
    """Also train the other readings of what the report says (some minutes more)."""
    device: Device = "auto"
    """What to compute on; auto takes the fastest there is."""
    quiet: bool = False
    """Print nothing but errors."""


COMMAND = parsing.Command(
    "report",
    Report,
    ("data.name", "seeds", "out", "only", "readings", "device", "quiet"),
    (
        "--data.name mnist5k --seeds 2",
        "--data.name mnist",
        "--data.name mnist --only l2 l1 --out runs/penalties",
    ),
)


def main(arguments: list[str]) -> int:
    """Parse, compute what is not kept, write the page."""
    command = COMMAND.parse(arguments)
    only = report_parts.chosen(command.only, [*report_parts.PARTS, *READINGS])
    wanted = [name for name in only if command.readings or command.only or name not in READINGS]
    use_all_cores(command.seeds)
    device = choose_device(command.device)
    out = command.out or Path("runs") / f"report-{Path(command.data.name).stem}"
    with lock.locked(out):
        return _report(command, arguments, wanted, device, out)


def _report(command: Report, arguments: list[str], wanted: list[str], device: str, out: Path) -> int:
    """Compute the parts in a directory that this process holds, and write the page."""
    started = time.perf_counter()
    with Progress(typed("report", *arguments), quiet=command.quiet) as progress:
        progress.on_message(f"device: {device}; reading {command.data.name}")
        chosen = report_parts.parts(wanted, command.seeds, command.data.name, out, progress)
        parts = runner.compute(chosen, out, progress)
    provenance = _provenance(command, arguments, device, parts) | {"seconds": time.perf_counter() - started}
    page.write(out, parts, provenance)
    signals.set_last_line()
    progress.on_message(f"{short_path(out / 'report.html')}, report.md, results.json and figures/")
    return 0


def _provenance(command: Report, arguments: list[str], device: str, parts: dict[str, Any]) -> dict[str, Any]:
    """What the page was made with."""
    import jax

    import jaxmlp

    first = next((part for part in parts.values() if "rows" in part and "origin" in part), {})
    return {
        "data": command.data.name,
        "whole": command.data.name == "mnist",
        "origin": first.get("origin", command.data.name),
        "rows": [f"{count:,}" for count in first.get("rows", [])],
        "seeds": command.seeds,
        "device": f"{device}, {platform.machine()}",
        "versions": f"jaxmlp {jaxmlp.__version__}, JAX {jax.__version__}, Python {platform.python_version()}",
        "command": typed("report", *arguments),
    }


class Progress(Lines, runner.ReportCallbacks):
    """A bar over the parts that knows which one runs, and how far it is; a line for each where there is no terminal.

    `line` is what goes on with the report: a signal ends it at once, and the part that runs is given up.
    """

    def __init__(self, line: str, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.line = line

    def on_part_begin(self, name: str, done: int, parts: int) -> None:
        """Part `name` begins, after `done` of so many."""
        signals.set_last_line(f"{done} of {parts} parts are kept; go on with: {self.line}")
        self.name, self.done, self.parts = name, done, parts
        if name and not self.on_terminal:
            self.on_message(f"part {done + 1} of {parts}: {name}")
        self.show("parts", done, parts, None, [name])

    def on_call_end(self, progress: Any) -> None:
        """Show how many seeds are running, and how many epochs all have run."""
        text = f"{progress.running} seeds running, {progress.epochs} epochs done"
        self.show("parts", self.done, self.parts, None, [self.name, text])
