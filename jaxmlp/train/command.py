"""`jaxmlp train [CONFIG.toml] [--out DIR] [--resume] [--KEY VALUE ...]`: train a network, and write a run directory."""

import contextlib
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from annotated_types import Gt

from jaxmlp.cli import parsing, progress
from jaxmlp.cli.devices import Device, choose_device
from jaxmlp.cli.signals import interruptible
from jaxmlp.errors import RunError, UsageError
from jaxmlp.run import config, directory, lock
from jaxmlp.run.config import Experiment
from jaxmlp.text import short_path, typed
from jaxmlp.tracking.names import behind, check_names, say_where, trackers
from jaxmlp.training.callbacks import Together
from jaxmlp.training.epochs import Measured


@dataclass(frozen=True)
class Train(Experiment):
    """Train a multi-layer perceptron, and write a run directory: weights, metrics, pictures, checkpoints."""

    config: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="CONFIG.toml")] = None
    """A TOML file, such as configs/report/relu.toml. Flags override its keys."""
    out: Path | None = None
    """The run directory; without it, a fresh one under runs/."""
    resume: bool = False
    """Go on with the run in --out."""
    overwrite: bool = False
    """Replace the run in --out."""
    device: Device = "auto"
    """What to train on; auto takes the fastest there is."""
    data_parallel: bool = False
    """Split every minibatch over all devices; the result is the same to rounding."""
    track: tuple[str, ...] = ()
    """Write it for tensorboard, wandb or mlflow too, below --out."""
    quiet: bool = False
    """Print nothing but errors."""
    checkpoint_seconds: Annotated[float, Gt(0)] = 5.0
    """Save the state at most so often; a checkpoint of 784-128-10 takes 4 to 7 ms. Not kept: --resume takes it anew."""


COMMAND = parsing.Command(
    "train",
    Train,
    ("out", "resume", "overwrite", "device", "data-parallel", "track", "quiet", *parsing.KEYS),
    (
        "configs/report/relu.toml --out runs/relu",
        "--network.hidden 256 128 --training.optimizer adam --seed 1",
        "--out runs/relu --resume",
    ),
)


KEYS = frozenset(config.keys())


def _base(command: Train) -> Experiment | None:
    """The experiment of the run that is resumed. Raises UsageError where the flags contradict each other."""
    parsing.check_saving(command, "run")
    if command.resume and command.out is not None and command.config is None and directory.is_begun(command.out):
        tree = directory.saved_tree(command.out)
        try:
            return config.parse(tree, str(command.out / directory.CONFIG))[0]
        except UsageError as error:
            raise RunError(f"{error}; {directory.NO_CONFIG}") from None
    return None


def main(arguments: list[str]) -> int:
    """Parse, train, print a table."""
    command, experiment = parsing.read(COMMAND, arguments, base=_base)
    check_names(command.track)
    bar = progress.Bar(quiet=command.quiet)
    with contextlib.ExitStack() as held:
        if command.out is not None:
            names_keys = bool(command.config or parsing.given(arguments) & KEYS)
            _check_out(command, command.out, experiment, bar, names_keys=names_keys)
            held.enter_context(lock.locked(command.out))
        return _train(command, experiment, held, bar)


def _check_out(command: Train, out: Path, experiment: Experiment, bar: progress.Bar, *, names_keys: bool) -> None:
    """Refuse a directory that the command cannot go on with, or begin in. Raises UsageError."""
    if not command.resume:
        directory.check_new(out, overwrite=command.overwrite)
    elif out.is_dir() and not directory.is_begun(out) and names_keys:
        bar.on_message(f"{out} holds no run yet: it is begun")
    else:
        directory.check_same(out, experiment)


def _train(command: Train, experiment: Experiment, held: contextlib.ExitStack, bar: progress.Bar) -> int:
    """Train in a directory that is `held`: the one of the command, or a fresh one."""
    out = command.out
    resumed = out is not None and command.resume and directory.is_begun(out)
    if out is not None and resumed:
        directory.check_same(out, experiment)
        if line := directory.moved(out, experiment):
            bar.on_message(line)
        summary = directory.ended(out, experiment)
        if summary is not None:
            from jaxmlp.run.runner import losses, missing, tell

            absent = missing(out, summary)
            if absent is None:
                for line in losses(out, summary):
                    bar.on_message(line)
                bar.on_message(f"this run had already ended ({summary['stop_reason']}); nothing was changed")
                code, tracked = _end(bar, out, summary), trackers(behind(command.track, out), out, bar.on_message)
                if tracked:
                    tell(experiment, out, summary, Together(tracked))
                    say_where(tracked, bar.on_message)
                return code
            bar.on_message(f"this run had already ended, but {absent}: writing it again")
    bar.on_message(f"device: {choose_device(command.device)}")

    from jaxmlp.run.runner import read_data, run
    from jaxmlp.training.data_parallel import mesh_for

    if command.data_parallel:
        bar.on_message(f"every minibatch is split over {mesh_for(experiment.training).size} devices")
    bar.on_message(f"reading {experiment.data.name}")
    with directory.data_of(out if resumed else None):
        data = read_data(experiment, progress=not command.quiet and bar.console.is_terminal)
    if out is None:
        out = directory.fresh(experiment)
        held.enter_context(lock.locked(out))
    if resumed:
        directory.reopen(out, experiment)
    else:
        directory.create(out, experiment, overwrite=command.overwrite)
    track = ["--track", *command.track] if command.track else []
    again = typed("train", "--out", short_path(out), "--resume", *["--data-parallel"] * command.data_parallel, *track)
    tracked = trackers(command.track, out, bar.on_message)
    with interruptible() as bar.interruption:
        try:
            outcome = run(
                experiment,
                data,
                out,
                Together([bar, *tracked]),
                checkpoint_seconds=command.checkpoint_seconds,
                data_parallel=command.data_parallel,
            )
        finally:
            bar.clear()
    if outcome.summary is None:
        bar.quote(f"stopped after epoch {outcome.epochs_run}, saved; go on with", again)
        return 128 + bar.interruption.number
    code = _end(bar, out, outcome.summary)
    say_where(tracked, bar.on_message)
    return 128 + bar.interruption.number if bar.interruption.signalled else code  # a late signal: the run is written


def _end(bar: progress.Bar, out: Path, summary: dict[str, Any]) -> int:
    """Print how the run ended; returns the exit code."""
    if not bar.quiet:
        _print(bar, out, summary)
    if "diverged" not in summary:
        return 0
    divergence = summary["diverged"]
    print(
        f"error: diverged in epoch {divergence['epoch']}, at learning rate {divergence['learning_rate']:g}: the loss"
        " was not finite. Kept are the best finite weights; try a smaller --hyper.learning-rate",
        file=sys.stderr,
    )
    return 1


def _print(bar: progress.Bar, out: Path, summary: dict[str, Any]) -> None:
    """The table at the end."""
    from rich.table import Table

    parts = {split: Measured.from_json(summary[split]) for split in ("validation", "test")}
    table = Table("split", "loss", *parts["test"].names())
    for split, part in parts.items():
        table.add_row(split, f"{part.loss:.4f}" if math.isfinite(part.loss) else "not finite", *part.shown())
    bar.console.print(table)
    seconds = summary["seconds"]
    bar.on_message(
        f"{summary['stop_reason'].replace('_', ' ')} after epoch {summary['epochs_run']}, best epoch"
        f" {summary['best_epoch']} (the weights kept); {seconds['train']:.1f} s of training,"
        f" {seconds['compile']:.1f} s of compiling, {summary['examples_per_second']:,.0f} examples/s"
    )
    bar.on_message(f"run directory: {short_path(out)} (its page: {short_path(out / directory.PAGE)})")
