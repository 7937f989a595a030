"""`python -m jaxmlp.train [CONFIG.toml] [--out DIR] [--resume] [overrides]`: train a network, and leave a run directory."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import tyro
from annotated_types import Gt

from jaxmlp import terminal
from jaxmlp.errors import UsageError
from jaxmlp.runs import config, directory
from jaxmlp.runs.config import Experiment


@dataclass(frozen=True)
class Train(Experiment):
    """Train a multi-layer perceptron, and leave a run directory: weights, metrics, pictures, checkpoints."""

    config: Annotated[Path | None, tyro.conf.Positional] = None
    """A TOML file, such as configs/report/relu.toml. Flags override its keys."""
    out: Path | None = None
    """The run directory; without it, a fresh one under runs/."""
    resume: bool = False
    """Go on with the run in --out."""
    overwrite: bool = False
    """Replace the run in --out."""
    device: str = "auto"
    """auto, cpu, gpu, tpu."""
    quiet: bool = False
    """Print nothing but errors."""
    checkpoint_seconds: Annotated[float, Gt(0)] = 5.0
    """Save the state at most so often."""


def read(arguments: list[str]) -> tuple[Train, Experiment]:
    """The command line, over the file it names, over the defaults (or, to resume, over the config of the run)."""
    command = terminal.parse(Train, arguments, Train(), "train")
    keys = terminal.given(arguments)
    if command.resume and command.out is None:
        raise UsageError("--resume goes on with the run in --out DIR: say which")
    if command.resume and command.overwrite:
        raise UsageError("--resume goes on with a run, --overwrite replaces it: take one of them")
    if not command.checkpoint_seconds > 0:
        raise UsageError(f"--checkpoint-seconds is {command.checkpoint_seconds}; accepted is a number above 0")
    base = None
    if command.config is not None:
        base, in_file = config.read(command.config)
        keys |= in_file
    elif command.resume and command.out is not None:
        base, _ = config.parse(directory.saved_tree(command.out), str(command.out / directory.CONFIG))
    if base is not None:
        default = Train(**{field.name: getattr(base, field.name) for field in fields(Experiment)})
        command = terminal.parse(Train, arguments, default, "train")
    experiment = terminal.experiment(command)
    config.check(experiment, keys)
    return command, experiment


def main(arguments: list[str]) -> int:
    """Parse, train, print a table."""
    command, experiment = read(arguments)
    bar = terminal.Bar(quiet=command.quiet)
    if command.out is not None and not command.resume:
        directory.check_new(command.out, overwrite=command.overwrite)
    elif command.out is not None:
        directory.reopen(command.out, experiment)
    bar.note(f"device: {terminal.choose_device(command.device)}")

    from jaxmlp.runs.running import read_data, run

    data = read_data(experiment, progress=not command.quiet and bar.console.is_terminal)
    out = command.out or directory.fresh(experiment)
    if not command.resume:
        directory.create(out, experiment, overwrite=command.overwrite)
    with terminal.interruptible() as interruption:
        try:
            outcome = run(
                experiment, data, out, bar, stop=interruption.asked, checkpoint_seconds=command.checkpoint_seconds
            )
        finally:
            bar.finishing()
    if outcome.summary is None:
        bar.note(
            f"stopped after epoch {outcome.epochs_run}, saved; go on with: python -m jaxmlp.train --out"
            f" {terminal.shown(out)} --resume"
        )
        return 128 + interruption.number
    if outcome.already_finished:
        bar.note(f"this run had already ended ({outcome.summary['stop_reason']}); nothing was changed")
    if not command.quiet:
        _print(bar, out, outcome.summary)
    return 1 if outcome.summary["stop_reason"] == "diverged" else 0


def _print(bar: terminal.Bar, out: Path, summary: dict[str, Any]) -> None:
    """The table at the end."""
    from rich.table import Table

    table = Table("split", "loss", "accuracy", "correct")
    for split in ("validation", "test"):
        part = summary[split]
        loss = "not finite" if part["loss"] is None else f"{part['loss']:.4f}"
        table.add_row(split, loss, f"{100 * part['accuracy']:.2f} %", f"{part['correct']:,} of {part['count']:,}")
    bar.console.print(table)
    if "diverged" in summary:
        at = summary["diverged"]
        bar.note(
            f"diverged in epoch {at['epoch']}, at learning rate {at['learning_rate']:g}: the loss was not finite."
            " Kept are the best finite weights; try a smaller --hyper.learning-rate"
        )
    seconds = summary["seconds"]
    bar.note(
        f"{summary['stop_reason'].replace('_', ' ')} after epoch {summary['epochs_run']}, best epoch"
        f" {summary['best_epoch']} (the weights kept); {seconds['train']:.1f} s of training,"
        f" {seconds['compile']:.1f} s of compiling, {summary['examples_per_second']:,.0f} examples/s"
    )
    bar.note(f"run directory: {terminal.shown(out)} (pictures in {terminal.shown(out / directory.PLOTS)})")


if __name__ == "__main__":
    terminal.main(main)
