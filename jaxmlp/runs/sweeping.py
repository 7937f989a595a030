"""A sweep: its members trained group by group in a directory, so that it can be stopped anywhere; in every process alike."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxmlp.errors import RunError, UsageError
from jaxmlp.runs import processes, running, sweep_estimate, sweep_finish, sweep_groups, sweep_store
from jaxmlp.runs.directory import SUMMARY, read_json, write_json
from jaxmlp.runs.sweep_config import Member, Sweep, configuration
from jaxmlp.runs.sweep_groups import SweepGroup
from jaxmlp.runs.sweep_host import Listener, Stopped, SweepHost
from jaxmlp.runs.sweep_results import Recorder
from jaxmlp.runs.sweep_store import GROUPS
from jaxmlp.training.cohort import Packing
from jaxmlp.training.grid import Grid, Rungs
from jaxmlp.training.members import Devices

CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True)
class Options:
    """How a sweep is run; nothing of it changes what its members come to, but for the last bits (by packing)."""

    sequential: bool = False
    chunk: int | None = None
    resident: int | None = None
    test_all: bool = False
    checkpoint_seconds: float = CHECKPOINT_SECONDS


class Outcome(NamedTuple):
    """How a sweep ended: its summary, or None where it was asked to stop (or another process writes it)."""

    summary: dict[str, Any] | None
    done: int
    stopped: bool


def run(
    sweep: Sweep,
    every: Sequence[Member],
    groups: Sequence[SweepGroup],
    path: Path,
    listener: Listener,
    options: Options = Options(),
    *,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train the members of `sweep` in the directory `path` (`sweep_store.create`, `reopen`), going on where it stopped.

    `every` and `groups` are as `sweep_config.members` and `sweep_groups.groups_of` make them. Called by every process
    alike; process 0 writes the results. Between two calls of the program `stop` is asked; once it is true in any process,
    all save and return. Raises RunError where the disk fails or other data were used before, UsageError where a sweep
    would go on otherwise than it was begun, and ProcessLostError where another process is gone.
    """
    started = time.perf_counter()
    specs = [group.spec for group in groups]
    index, count, devices = processes.index(), processes.count(), jax.local_devices()
    if index == 0:
        running.record_environment(sweep.experiment, path, groups[0].data(), listener)
    settings = _settings(groups, path, devices, options, listener)
    mine = [group.for_process(index, count) for group in groups]
    grid = Grid(mine, settings, devices, _rungs(sweep, every), alone=options.sequential)
    saved = sweep_store.restore(path, specs, index, count, [list(group.members) for group in mine])
    if saved is not None:
        grid.restore(saved.snapshots, saved.at)
        listener.note(f"going on after {saved.lines:,} of {len(every):,} members that had ended")
    recorder = Recorder(every, groups, test=options.test_all)
    host = SweepHost(path, listener, recorder, stop, saved, checkpoint_seconds=options.checkpoint_seconds)
    try:
        grid.run(host)
    except Stopped:
        return Outcome(None, host.done, stopped=True)
    host.save(grid)
    listener.finishing()
    processes.exchange({})  # by now all have written their parts
    if index != 0:
        return Outcome(None, host.done, stopped=False)
    best = sweep_store.best_of(path, specs, host.calls, count)
    work = sweep_finish.Work(
        compiles=grid.compiles,
        epochs=host.epochs,
        seconds=host.seconds,
        compile_seconds=grid.compile_seconds,
        total_seconds=time.perf_counter() - started,
        processes=count,
        peak_bytes=sweep_estimate.peak_bytes(),
    )
    summary = sweep_finish.finish(path, sweep, every, groups, host.rows, best, work, listener)
    write_json(path / SUMMARY, summary)
    return Outcome(summary, host.done, stopped=False)


def _rungs(sweep: Sweep, every: Sequence[Member]) -> Rungs:
    if sweep.prune is None:
        return Rungs()
    numbers: dict[Any, int] = {}
    configurations = [numbers.setdefault(configuration(member), len(numbers)) for member in every]
    return Rungs(sweep.prune.rung_epochs, sweep.prune.keep, configurations)


def _settings(
    groups: Sequence[SweepGroup], path: Path, devices: Devices, options: Options, listener: Listener
) -> list[Packing]:
    """How each group is packed: as it was begun, or (by process 0, for all) as it is asked for, measured or guessed."""
    before = read_json(path / GROUPS)
    if before is not None:
        _check_same(before, groups, options, path)
        return [Packing(**found["packing"]) for found in before["groups"]]
    settings = []
    if processes.index() == 0:
        for group in groups:
            measured = None
            if options.chunk is None and not options.sequential and sweep_groups.is_worth_probing(group, devices):
                listener.note(f"trying how many members of {'-'.join(map(str, group.spec.sizes))} go together best")
                measured = sweep_groups.probed(group, devices)
            settings.append(sweep_groups.settings_of(group, devices, options, measured))
        kept = [group.described() | {"packing": found._asdict()} for group, found in zip(groups, settings, strict=True)]
        write_json(path / GROUPS, {"groups": kept, "sequential": options.sequential})
    found = processes.exchange({"packing": [setting._asdict() for setting in settings]})[0]["packing"]
    return [Packing(**setting) for setting in found]


def _check_same(before: dict[str, Any], groups: Sequence[SweepGroup], options: Options, path: Path) -> None:
    """Raise RunError or UsageError where a sweep would go on with something else than it was begun with."""
    if [found["crc32"] for found in before["groups"]] != [group.crc32 for group in groups]:
        raise RunError(f"{path} was begun on other data than there are now: give it the former, or begin a new sweep")
    if before["sequential"] != options.sequential:
        mode = "sequential" if before["sequential"] else "packed"
        raise UsageError(f"{path} was begun with --mode {mode}: go on with that, or give another --out")
    for found in before["groups"]:
        if options.chunk not in (None, found["packing"]["chunk"]):
            was = found["packing"]["chunk"]
            raise UsageError(f"--chunk is {options.chunk}, but {path} was begun with {was}: leave it out to go on")
