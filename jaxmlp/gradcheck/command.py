"""`jaxmlp gradcheck [CONFIG.toml] [--json] [--KEY VALUE ...]`: check the gradients of a network, three ways."""

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jaxmlp.cli import parsing
from jaxmlp.cli.devices import Device, choose_device
from jaxmlp.cli.progress import Lines
from jaxmlp.gradcheck.checks import REPORT_EPS, CheckCallbacks, Findings, Options, as_tree, check_gradients, epoch_ratio
from jaxmlp.run.config import Experiment

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

BAR = 10  # characters of the bars in the table over eps


@dataclass(frozen=True)
class GradCheck(Options, Experiment):
    """Check the gradients of a network three ways: derived by hand, automatic, and by central differences."""

    config: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="CONFIG.toml")] = None
    """A TOML file, such as configs/report/gradcheck.toml. Flags override its keys."""
    device: Device = "auto"
    """What to compute on; auto takes the fastest there is."""
    json: bool = False
    """Print one JSON object, and nothing else."""
    quiet: bool = False
    """Print nothing but errors, and where the gradients do not agree."""


COMMAND = parsing.Command(
    "gradcheck",
    GradCheck,
    (
        *("json", "quiet", "device", "examples", "eps", "curve-weights", "epochs", "tolerance", "numerical-tolerance"),
        *("data.name", "network.hidden", "network.activation", "network.loss", "training.batch-size", "seed"),
    ),
    (
        "configs/report/gradcheck.toml",
        "--network.hidden 64 32 --network.activation gelu",
        "--data.name digits --json",
    ),
)


def main(arguments: list[str]) -> int:
    """Parse, check, print; 1 if the gradients do not agree."""
    command, experiment = parsing.read(COMMAND, arguments)
    device = choose_device(command.device)
    with _Progress(quiet=command.json or command.quiet) as progress:
        progress.on_message(f"device: {device}; reading {experiment.data.name}")
        findings = check_gradients(experiment, command, progress)
    if command.json:
        print(json.dumps(as_tree(experiment, command, findings) | {"device": device}, indent=2, allow_nan=False))
    elif command.quiet:
        for failure in findings.failures:
            print(f"error: {failure}", file=sys.stderr)
    else:
        _print(findings, command, device)
    return 1 if findings.failures else 0


class _Progress(Lines, CheckCallbacks):
    """A bar for each part of the check, cleared when the next one begins; a line where there is no terminal."""

    def on_part_begin(self, name: str, steps: int) -> None:
        self.clear()
        self.name, self.done, self.steps = name, 0, steps
        if not self.on_terminal:
            self.on_message(name)
        self.on_steps_end(0)

    def on_steps_end(self, steps: int) -> None:
        self.done += steps
        self.show(self.name, self.done, self.steps, None, [])


def _print(findings: Findings, options: Options, device: str) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    sizes = "-".join(str(size) for size in findings.spec.sizes)
    drawn = ", ".join(map(str, findings.rows[:5])) + (", ..." if len(findings.rows) > 5 else "")
    network = findings.spec.network
    functions = f"{network.activation}, {network.loss}" if network.hidden else network.loss
    _say(console, f"{sizes}, {functions}; float64 on {device}")
    _say(console, f"{findings.origin}; training example{'s' if len(findings.rows) > 1 else ''} {drawn}")
    _show(console, "The delta rule, layer by layer", _layers(findings))
    console.print(
        "[dim]Relative: to the largest gradient in that row's array. Tolerance against autodiff"
        f" {options.tolerance:.0e} relative; against differences {options.numerical_tolerance:.0e} x max(1, largest).[/dim]"
    )
    for eps in dict.fromkeys(row.eps for row in findings.table):
        what = ", as in the report" if eps == REPORT_EPS else ""
        _show(console, f"The report's Table 1, at eps {eps:.0e}{what}", _table(findings, eps))
    _show(
        console,
        f"Error of the differences over eps, {findings.curves['float64'].weights} random weights",
        _curves(findings),
    )
    _say_slopes(console, findings)
    _say_every_weight(console, findings)
    _say_epochs(console, findings)
    for failure in findings.failures:
        console.print(f"[red]failed[/red]  {failure}")
    if not findings.failures:
        console.print("[green]ok[/green]  the three routes agree")


def _say(console: "Console", line: str) -> None:
    console.print(line, markup=False)


def _show(console: "Console", title: str, table: "RenderableType") -> None:
    console.print(f"\n[bold]{title}[/bold]")
    console.print(table)


def _columns(left: list[str], right: list[str]) -> "Table":
    """A table with columns of words, which wrap where it is narrow, and columns of numbers, which do not."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for name in left:
        table.add_column(name, overflow="fold")
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _layers(findings: Findings) -> "Table":
    table = _columns(
        ["layer"],
        ["size", "largest\ngradient", "autodiff\nabsolute", "\nrelative", "differences\nabsolute", "\nrelative"],
    )
    autodiff, differences = (
        [row for row in findings.layers if row.against == route] for route in ("autodiff", "differences")
    )
    for row, numerical in zip(autodiff, differences, strict=True):
        cells = (row.largest_absolute, row.largest_relative, numerical.largest_absolute, numerical.largest_relative)
        table.add_row(f"{row.layer} {row.part}", f"{row.size:,}", f"{row.largest_gradient:.3g}", *map(_short, cells))
    return table


def _table(findings: Findings, eps: float) -> "Table":
    table = _columns(["parameter", ""], ["numerical\nn", "delta\nrule d", "autodiff\na", "\n|n - d|", "\n|d - a|"])
    for row in findings.table:
        if row.eps == eps:
            name = row.name.removesuffix(" ii").removesuffix(" i")  # the coordinates distinguish them
            numbers = [f"{number:.6f}" for number in (row.numerical, row.delta_rule, row.autodiff)]
            differences = [_short(row.difference), _short(row.derived_difference)]
            table.add_row(name, row.place.replace("[", "\\["), *numbers, *differences)
    return table


def _curves(findings: Findings) -> "Table":
    double, single = findings.curves["float64"], findings.curves["float32"]
    kinks = bool(double.crossing.any())
    table = _columns(
        ["eps", "float64", "", "float32", ""], ["crossing\na kink", "their error\nfloat64"] if kinks else []
    )
    for i, eps in enumerate(double.eps):
        errors = (double.error[i], _bar(double.error[i]), single.error[i], _bar(single.error[i]))
        extra = [f"{double.crossing[i]:,}", _short(double.error_with_kinks[i]) if double.crossing[i] else ""]
        table.add_row(
            f"{eps:.1e}", *(cell if isinstance(cell, str) else _short(cell) for cell in errors), *extra[: 2 * kinks]
        )
    return table


def _say_slopes(console: "Console", findings: Findings) -> None:
    for name, curve in findings.curves.items():
        slope = "no decades of pure truncation to fit a slope in"
        if not math.isnan(curve.slope):
            slope = f"slope {curve.slope:.3f} where truncation rules (theory: 2)"
        floor = "" if math.isnan(curve.floor) else f"; smallest error {curve.floor:.1e}, at eps {curve.best_eps:.0e}"
        _say(console, f"{name}: {slope}{floor}")


def _say_every_weight(console: "Console", findings: Findings) -> None:
    every = findings.every_weight
    line = (
        f"\nevery weight: {every.weights:,} at eps {every.eps:.0e} in {every.seconds:.1f} s, largest difference"
        f" {_short(every.largest_difference)}"
    )
    if every.above_tolerance:
        line += (
            f"; {every.above_tolerance:,} above tolerance, of which {every.agree_at_smaller_eps:,} agree at a smaller eps"
            f" (curvature or a kink), {every.at_a_kink:,} lie at a kink where differences cannot decide,"
            f" {every.wrong:,} are wrong"
        )
    _say(console, line)


def _say_epochs(console: "Console", findings: Findings) -> None:
    ratio = epoch_ratio(findings)
    if ratio is not None:
        parts = [
            f"{name} {1000 * times.median_seconds:.1f} ms (compiled in {times.compile_seconds:.1f} s)"
            for name, times in findings.epochs.items()
        ]
        runs = len(findings.epochs["autodiff"].seconds)
        _say(console, f"an epoch in float32, median of {runs}: {', '.join(parts)}; delta rule / autodiff = {ratio:.2f}")


def _short(number: Any) -> str:
    """Two digits; 0 as it is."""
    return "0" if number == 0 else f"{number:.1e}"


def _bar(error: float) -> str:
    """A bar from 1e-12 (nothing) to 1 (full) on a logarithmic scale."""
    if not error > 0:
        return ""
    return "▇" * round(BAR * min(max((math.log10(error) + 12) / 12, 0), 1))
