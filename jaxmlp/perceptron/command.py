"""`jaxmlp perceptron [CONFIG.toml] [--out DIR] [--seeds N] [--KEY VALUE ...]`: learn example by example."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro
from annotated_types import Ge

from jaxmlp import files
from jaxmlp.cli import parsing, progress, signals
from jaxmlp.cli.devices import Device, choose_device, use_all_cores
from jaxmlp.errors import UsageError
from jaxmlp.nn.losses import CLASSES
from jaxmlp.perceptron.fitting import OnlineFit
from jaxmlp.perceptron.runner import PERCEPTRON, PerceptronExperiment, learn, write_run
from jaxmlp.run import directory, lock
from jaxmlp.run.runner import Loaded, read_data
from jaxmlp.spec import Network
from jaxmlp.text import short_path, typed


@dataclass(frozen=True)
class Perceptron(PerceptronExperiment):
    """Train one layer on random examples, until the error of one is below the threshold; write a run directory."""

    config: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="CONFIG.toml")] = None
    """A TOML file, such as configs/perceptron/sigmoid.toml. Flags override its keys."""
    out: Path | None = None
    """The run directory; without it, a fresh one under runs/."""
    overwrite: bool = False
    """Replace the run in --out."""
    seeds: Annotated[int, Ge(1)] = 1
    """So many seeds at once, from --seed upwards, shared out to all cores; the files are those of the first."""
    device: Device = "auto"
    """What to compute on; auto takes the fastest there is."""
    quiet: bool = False
    """Print nothing but errors."""


COMMAND = parsing.Command(
    "perceptron",
    Perceptron,
    (
        *("out", "overwrite", "seeds", "device", "quiet", "data.name", "network.output-activation", "network.init"),
        *("online.learning-rate", "online.threshold", "online.max-steps", "seed"),
    ),
    (
        "configs/perceptron/sigmoid.toml",
        "--data.name mnist --seeds 10 --out runs/perceptron",
        "--network.output-activation tanh --online.learning-rate 0.05",
    ),
)


class StepBar(progress.Lines):
    """The steps made so far, of at most `max_steps`."""

    def __init__(self, max_steps: int, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.max_steps = max_steps

    def on_call_end(self, progress: int) -> None:
        """Show the steps."""
        self.show("step", progress, self.max_steps, None, [])

    def on_train_end(self) -> None:
        """Remove the bar."""
        self.clear()


def read(arguments: list[str]) -> tuple[Perceptron, PerceptronExperiment]:
    """The command line, over the file it names, over the defaults; checked."""
    return parsing.read(COMMAND, arguments, PerceptronExperiment)


def main(arguments: list[str]) -> int:
    """Parse, learn, write, print. Nothing is written before learning ends, so an interrupted run writes no file."""
    command, experiment = read(arguments)
    bar = StepBar(experiment.online.max_steps, quiet=command.quiet)
    if command.out is not None:
        _check_new(command.out, overwrite=command.overwrite)
    if command.seeds > 1:
        use_all_cores(command.seeds)
    bar.on_message(f"device: {choose_device(command.device)}")
    bar.on_message(f"reading {experiment.data.name}")
    learning = replace(experiment.in_common(), network=Network(loss="squared_error"))
    data = read_data(learning, progress=not command.quiet and bar.console.is_terminal)
    if data.preparation.kind != CLASSES:
        raise UsageError(
            f"a perceptron learns classes, and the targets of {experiment.data.name} are {data.preparation.kind}; take"
            f" other data, or {typed('train')}"
        )
    bar.on_message(data.origin_and_sizes())
    signals.set_last_line(f"nothing is kept; begin again with: {typed('perceptron', *arguments)}")
    try:
        fit = learn(experiment, data, command.seeds, bar)
    finally:
        bar.clear()
    out = command.out or directory.fresh(experiment.in_common())
    with lock.locked(out):
        return _write(command, arguments, experiment, data, fit, out, bar)


def _write(
    command: Perceptron,
    arguments: list[str],
    experiment: PerceptronExperiment,
    data: Loaded,
    fit: OnlineFit,
    out: Path,
    bar: StepBar,
) -> int:
    """Write a run to a directory that this process holds, and print it."""
    again = typed("perceptron", *arguments, *["--overwrite"] * (command.out is not None and not command.overwrite))
    signals.set_last_line(f"{out} is not whole; begin again with: {again}")
    directory.create(out, experiment, PERCEPTRON, overwrite=command.overwrite)
    files.make_directory(out / directory.PLOTS)
    summary = write_run(experiment, data, fit, out, bar)
    signals.set_last_line()
    if not command.quiet:
        _print(bar, out, summary)
    if "diverged" not in summary["stop_reason"]:
        return 0
    print(
        f"error: diverged at learning rate {experiment.online.learning_rate:g}: the error was not finite. Kept are the"
        " weights before it; try a smaller --online.learning-rate",
        file=sys.stderr,
    )
    return 1


def _check_new(path: Path, *, overwrite: bool) -> None:
    if not overwrite and directory.is_begun(path):
        raise UsageError(f"{path} is not empty; replace the run in it by --overwrite, or give another --out")
    directory.check_new(path, PERCEPTRON, overwrite=overwrite)


def _print(bar: StepBar, out: Path, summary: dict[str, Any]) -> None:
    """The table at the end: a row for each seed, and below it mean and standard deviation."""
    from rich.table import Table

    runs = summary.get("runs", [summary])
    table = Table("seed", "steps", "ended by", "test error", "accuracy", "correct")
    for run in runs:
        test = run["test"]
        table.add_row(
            str(run["seed"]),
            f"{run['steps']:,}",
            run["stop_reason"].replace("_", " "),
            f"{test['loss']:.4f}",
            f"{100 * test['accuracy']:.2f} %",
            f"{test['correct']:,} of {test['count']:,}",
        )
    bar.console.print(table)
    seconds = summary["seconds"]
    if "runs" in summary:
        steps, accuracy = summary["steps"], summary["test"]["accuracy"]
        bar.on_message(
            f"{len(runs)} seeds: {steps['mean']:,.0f} ± {steps['std']:,.0f} steps,"
            f" {100 * accuracy['mean']:.2f} ± {100 * accuracy['std']:.2f} %"
            f" ({100 * accuracy['min']:.2f} to {100 * accuracy['max']:.2f} %)"
        )
    bar.on_message(f"{seconds['train']:.1f} s of learning, {seconds['compile']:.1f} s of compiling")
    bar.on_message(f"run directory: {short_path(out)} (pictures in {short_path(out / directory.PLOTS)})")
