"""What `--dry-run` prints: a table of the groups of a sweep, and what all of it would take."""

from collections.abc import Sequence

from rich.table import Table

from jaxmlp.grid.executors import local_workers
from jaxmlp.sweep import estimate
from jaxmlp.sweep.config import Sweep
from jaxmlp.sweep.groups import SweepGroup
from jaxmlp.sweep.options import Options
from jaxmlp.sweep.progress import SweepBar
from jaxmlp.text import count, duration


def print_cost(options: Options, sweep: Sweep, groups: Sequence[SweepGroup], bar: SweepBar) -> int:
    """Print what the sweep would take; returns the exit code."""
    devices = local_workers(sum(len(group.trials) for group in groups))
    bar.on_message("running each group's program for a moment, unless that is known from before")
    cost = estimate.estimate(groups, devices, options, sweep.prune)
    table = Table("group", "network", "trials", "together", "an epoch of all", "compiling")
    for number, group in enumerate(cost.groups):
        name = f"{number}: {group.differs}" if group.differs else f"{number}"
        together = f"{len(devices)} x {group.chunk}"
        seconds = f"{group.epoch_seconds:.2g} s", f"{group.compile_seconds:.1f} s"
        table.add_row(name, "-".join(map(str, group.sizes)), f"{group.trials:,}", together, *seconds)
    if not bar.quiet:
        bar.console.print(table)
    memory = "memory" if devices[0].platform == "cpu" else "memory on a device"
    trials = count(sum(group.trials for group in cost.groups), "trial")
    bar.on_message(
        f"{trials} in {count(len(cost.groups), 'group')}; about {cost.memory / 2**20:,.0f} MiB of {memory}; at most"
        f" {cost.epochs:,} trial-epochs, which take {duration(cost.seconds)} if no trial stops early, and"
        f" {duration(cost.compile_seconds)} of compiling (more as trials leave and programs become smaller)"
    )
    if line := estimate.shortage(cost, devices):
        bar.on_message(line)
    return 0
