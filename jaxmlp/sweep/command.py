"""`jaxmlp sweep CONFIG.toml [--out DIR] [--resume] [--dry-run] [--KEY VALUE ...]`: train a whole grid as one program."""

import contextlib
import signal
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from annotated_types import Gt

from jaxmlp.cli import parsing
from jaxmlp.cli.devices import Device, choose_device
from jaxmlp.cli.signals import interruptible
from jaxmlp.errors import UsageError
from jaxmlp.run import config, directory, lock
from jaxmlp.run.config import Experiment
from jaxmlp.sweep import checking, store
from jaxmlp.sweep import config as sweep_config
from jaxmlp.sweep.config import Sweep
from jaxmlp.sweep.ending import print_end, print_end_again, split_warning
from jaxmlp.sweep.options import CHECKPOINT_SECONDS, Options
from jaxmlp.sweep.progress import SweepBar
from jaxmlp.text import count, short_path, typed
from jaxmlp.tracking.names import behind, check_names, say_where, trackers
from jaxmlp.training.callbacks import Together


@dataclass(frozen=True)
class SweepCommand(Experiment):
    """Train every trial of a grid, packed into few programs on all devices; leave a table, pictures and the best run."""

    config: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="CONFIG.toml")] = None
    """A TOML file with a [grid], such as configs/sweeps/halving.toml; [sample] draws from it, [prune] ends the worse
    early."""
    grid: Annotated[tuple[str, ...], tyro.conf.arg(metavar="LINE...")] = field(default=())
    """Axes as in [grid]: 'learning_rate = [0.03, 0.1]' 'l2 = {low = 1e-5, high = 1e-2, scale = "log", count = 4}'."""
    seeds: int | None = None
    """Seeds of each configuration, from --seed upwards."""
    out: Path | None = None
    """The directory of the sweep; without it, a fresh one under runs/."""
    resume: bool = False
    """Go on with the sweep in --out."""
    overwrite: bool = False
    """Replace the sweep in --out."""
    dry_run: bool = False
    """Say what it would take, by a short probe: trials, memory and seconds."""
    mode: Literal["packed", "sequential"] | None = None
    """packed (default): trials side by side; sequential: one at a time, to the bits of train."""
    chunk: int | None = None
    """Trials side by side on a device, a power of two; else measured where that pays."""
    resident: int | None = None
    """Trials on a device at a time; without it, as many as there is room for."""
    test_all: bool = False
    """Evaluate every trial on the test examples, not only the best."""
    device: Device = "auto"
    """What to train on; auto takes the fastest there is."""
    track: tuple[str, ...] = ()
    """Write it for tensorboard, wandb or mlflow too, below --out."""
    quiet: bool = False
    """Print nothing but errors."""
    checkpoint_seconds: Annotated[float, Gt(0)] = CHECKPOINT_SECONDS
    """Save the states of units at most so often. Not kept: --resume takes it anew."""
    engine: Literal["local", "ray"] = "local"
    """local: on this machine; ray: on many."""
    address: str | None = None
    """The Ray cluster: auto or HOST:PORT; without it RAY_ADDRESS, or else a cluster of this process alone."""
    workers: int | None = None
    """Workers on Ray, some of which may start later; without it, as many as there is room for."""
    cpus_per_worker: int | None = None
    """CPU cores of each; 1 by default, where it has no accelerator."""
    mixed_devices: bool = False
    """Take workers with devices of several kinds: the last bits of a trial depend on which one trains it."""
    carry_states: bool = False
    """Take workers that do not see --out: states are sent to them and back; a unit whose worker dies begins anew."""


COMMAND = parsing.Command(
    "sweep",
    SweepCommand,
    (
        *(
            "grid",
            "seeds",
            "out",
            "resume",
            "overwrite",
            "dry-run",
            "mode",
            "chunk",
            "device",
            "engine",
            "track",
            "quiet",
        ),
        *("data.name", "network.hidden", "training.optimizer", "training.max-epochs"),
        *("hyper.learning-rate", "hyper.patience", "seed"),
    ),
    (
        "configs/sweeps/halving.toml --dry-run",
        "--grid 'learning_rate = [0.03, 0.1, 0.3]' 'l2 = [0.0, 1e-4]' --seeds 3",
        "--out runs/sweep --resume",
    ),
)


def read(arguments: list[str]) -> tuple[SweepCommand, Sweep]:
    """The command line, over the file it names, over the defaults (or, to resume, the sweep that was begun)."""
    command = COMMAND.parse(arguments)
    checking.check(command)
    if command.out is not None and not (command.resume or command.dry_run):
        store.check_new(command.out, overwrite=command.overwrite)
    in_file = None if command.config is None else sweep_config.read(command.config)
    if not command.resume or command.out is None:
        return _described(command, in_file, arguments)
    if command.out.is_dir() and not directory.is_begun(command.out) and (command.config or command.grid):
        return _described(command, in_file, arguments)  # what was killed before it had begun
    begun, options, as_begun = store.reopen(command.out)
    command = _with_options(command, options, command.out)
    command, wanted = _described(command, in_file or as_begun, arguments)
    changed = config.changes(sweep_config.tree(begun), sweep_config.tree(wanted))
    if changed:
        listed = ", ".join(f"{key} (was {before}, now {after})" for key, (before, after) in changed.items())
        raise UsageError(
            f"{command.out} cannot be resumed with another sweep: {listed}; leave it out, or give another --out"
        )
    return command, begun


def _with_options(command: SweepCommand, options: dict[str, Any], begun: Path | None = None) -> SweepCommand:
    """The command with the options of a file where it has no flag; of a sweep that was `begun`, no flag may differ."""
    merged = {}
    for name, value in options.items():
        flag = getattr(command, name)
        if flag in (None, False):
            merged[name] = value
        elif begun is not None and flag != value:
            option = f"--{name.replace('_', '-')}"
            before = f"with {option} {value}" if name != "test_all" else f"without {option}"
            raise UsageError(f"{begun} was begun {before}: leave {option} out to go on")
    return replace(command, **merged)


def _described(
    command: SweepCommand, in_file: sweep_config.Described | None, arguments: list[str]
) -> tuple[SweepCommand, Sweep]:
    """The command and the sweep that it, over a file, describes."""
    keys = parsing.given(arguments)
    tables: dict[str, Any] = {}
    if in_file is not None:
        experiment, keys_in_file, tables = in_file
        options = {} if command.resume else sweep_config.options_of(tables)
        kept = {name: getattr(command, name) for name in ("mode", "chunk", "resident", "test_all")}
        command = replace(COMMAND.parse(arguments, parsing.over(SweepCommand, experiment)), **kept)
        command = _with_options(command, options)
        keys |= keys_in_file
    sweep = sweep_config.sweep_of(parsing.experiment(command, Experiment), keys, tables, command.grid, command.seeds)
    for axis in sweep.axes:
        if axis.key in parsing.given(arguments):
            flag = axis.key.replace("_", "-")
            raise UsageError(
                f"--{flag} sets one value, but {axis.key} is an axis of the grid: use --grid '{axis.key} = [...]'"
            )
    return command, sweep


def main(arguments: list[str]) -> int:
    """Parse, train, print a table."""
    command, sweep = read(arguments)
    check_names(command.track)
    bar = SweepBar(quiet=command.quiet)
    if repeats := sweep.repeats:
        bar.on_message(f"{count(repeats, 'trial')} left out: they equal others in all that they read")
    with contextlib.ExitStack() as held:
        held.callback(bar.clear)
        if command.out is not None and not command.dry_run:
            held.enter_context(lock.locked(command.out))
        return _train(command, sweep, held, bar)


def _train(command: SweepCommand, sweep: Sweep, held: contextlib.ExitStack, bar: SweepBar) -> int:
    """Train in a directory that is `held`: the one of the command, or a fresh one."""
    out, trials = command.out, sweep.trials
    options = Options(command.mode, command.chunk, command.resident, command.test_all, command.checkpoint_seconds)
    resumed = out is not None and command.resume and directory.is_begun(out)
    if out is not None and resumed and (begun := directory.identity_of(out)):
        directory.check_unchanged(out, store.sweep_identity(sweep, options, [begun.data]), begun)
        if line := directory.moved(out, sweep.experiment):
            bar.on_message(line)
    if out is not None and resumed and (code := print_end_again(bar, out, sweep)) is not None:
        if names := behind(command.track, out):
            from jaxmlp.sweep.runner import tell

            tracked = trackers(names, out, bar.on_message)
            tell(sweep, out, Together(tracked))
            say_where(tracked, bar.on_message)
        return code
    cluster = None
    if command.engine == "ray":
        from jaxmlp.sweep import ray_cluster

        request = ray_cluster.Request(command.address, command.workers, command.cpus_per_worker, command.device)
        cluster = held.enter_context(ray_cluster.connected(request))
        choose_device("cpu")  # accelerators are for the workers
        bar.on_message(f"device: {cluster}")
    else:
        bar.on_message(f"device: {choose_device(command.device)}")
    for line in split_warning(sweep.axes):
        bar.on_message(line)
    bar.on_message("reading data")

    from jaxmlp.grid.executors import local_workers
    from jaxmlp.sweep import dry_run, estimate, runner
    from jaxmlp.sweep import groups as sweep_groups

    with directory.data_of(out if resumed else None):
        groups = sweep_groups.groups_of(trials)
    if cluster is None:
        estimate.check_memory(groups, local_workers(len(trials)), options)
    if command.dry_run:
        return dry_run.print_cost(options, sweep, groups, bar)
    if out is None:
        out = directory.fresh(sweep.experiment, "sweep-")
        held.enter_context(lock.locked(out))
    if not resumed:
        store.create(out, sweep, options, overwrite=command.overwrite)
    crew = None
    if cluster is not None:
        from jaxmlp.sweep.ray_crew import RayCrew

        mixed, carry = command.mixed_devices, command.carry_states
        crew = RayCrew(cluster, sweep, groups, options, out, bar.on_message, mixed_devices=mixed, carry_states=carry)
    with interruptible("saving after this call") as interruption:
        bar.interruption = interruption
        tracked = trackers(command.track, out, bar.on_message)
        outcome = runner.run(sweep, groups, out, Together([bar, *tracked]), options, crew)
    bar.clear()
    if outcome.summary is None:
        done = f"{outcome.finished:,} of {len(trials):,} trials have ended"
        stopped = f"stopped after {outcome.epochs:,} trial-epochs, saved ({done}); go on with"
        track = ["--track", *command.track] if command.track else []
        bar.quote(stopped, typed("sweep", "--out", short_path(out), "--resume", *track))
        return 128 + (interruption.number or signal.SIGTERM)
    code = print_end(bar, out, outcome.summary, sweep)
    say_where(tracked, bar.on_message)
    return 128 + interruption.number if interruption.signalled else code
