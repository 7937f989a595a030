"""A sweep: its members trained group by group in a directory, so that it can be stopped anywhere; in every process alike."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax

from jaxmlp.errors import RunError, UsageError
from jaxmlp.runs import processes, running, sweep_estimate, sweep_finish, sweep_groups, sweep_store
from jaxmlp.runs.directory import SUMMARY, read_json, write_json
from jaxmlp.runs.sweep_config import Member, Sweep, configuration
from jaxmlp.runs.sweep_groups import SweepGroup
from jaxmlp.runs.sweep_results import Best, Recorder
from jaxmlp.runs.sweep_store import GROUPS, Saved
from jaxmlp.training.cohort import Call, Ended, Packing
from jaxmlp.training.grid import Grid, Rungs
from jaxmlp.training.members import Devices

CHECKPOINT_SECONDS = 30.0


class Progress(NamedTuple):
    """How far a sweep is, over all processes."""

    members: int
    done: int  # members that have ended, for whatever reason
    running: int  # on the devices, with an epoch to go
    by_status: dict[str, int]  # of those that have ended
    epochs: int  # of members, all together, since it was begun
    rate: float  # of these a second
    seconds_left: float  # if members that go on take as many epochs as those that have ended
    best: dict[str, Any] | None  # the row of the best so far


@runtime_checkable
class Listener(running.Notes, Protocol):
    """Who is told what happens."""

    def progress(self, progress: Progress) -> None:
        """A call of the program is over."""

    def finishing(self) -> None:
        """All members have ended; results are written."""


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
    host = _Host(path, listener, options, Recorder(every, groups, test=options.test_all), stop, saved)
    try:
        grid.run(host)
    except _Stopped:
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


class _Stopped(Exception):  # noqa: N818
    """All processes were asked to stop, and have saved."""


class _Host:
    """What happens between two calls of the program: results are written, states saved, the other processes told."""

    def __init__(
        self,
        path: Path,
        listener: Listener,
        options: Options,
        recorder: Recorder,
        stop: Callable[[], bool],
        saved: Saved | None,
    ) -> None:
        self.path, self.listener, self.options, self.recorder, self.stop = path, listener, options, recorder, stop
        self.index, self.count = processes.index(), processes.count()
        self.calls = 0 if saved is None else saved.call
        self.done = 0 if saved is None else saved.lines
        self.epochs = 0 if saved is None else int(saved.totals["epochs"])
        self.seconds = 0.0 if saved is None else saved.totals["seconds"]
        self.best: Best | None = None if saved is None else saved.best
        self.rows = sweep_store.cut(path, self.done) if self.index == 0 else []
        self.saved_at = time.monotonic()
        self.pause = options.checkpoint_seconds
        self.saved = False  # since the last exchange

    def called(self, grid: Grid, call: Call | None) -> bool:
        """Exchange what the calls of all processes came to; save, when it is time."""
        records = [] if call is None else self._record(grid.group, call.ended)
        due = time.monotonic() - self.saved_at >= self.pause
        messages = processes.exchange(
            {
                "seated": grid.cohort.seated,
                "running": len(grid.cohort.going),
                "epochs": 0 if call is None else call.epochs,
                "seconds": 0.0 if call is None else call.seconds,
                "stop": self.stop(),
                "save": due and self.index == 0,
                "records": records,
            }
        )
        self.calls += 1
        self.epochs += sum(message["epochs"] for message in messages)
        self.seconds += max(message["seconds"] for message in messages)
        self._write(messages)
        if self.index == 0:
            self.listener.progress(self._progress(sum(message["running"] for message in messages)))
        if self.saved and self.index == 0:  # and so have all, or they would not be here
            sweep_store.remove_others(self.path, self.count)
            self.saved = False
        stop = any(message["stop"] for message in messages)
        if stop or any(message["save"] for message in messages):
            self.save(grid)
        if stop:
            processes.exchange({})  # nobody leaves while another one saves
            raise _Stopped
        return any(message["seated"] for message in messages)

    def gathered(self, scores: dict[int, float]) -> dict[int, float]:
        """The scores of all processes' members."""
        messages = processes.exchange({"scores": {str(member): score for member, score in scores.items()}})
        return {int(member): score for message in messages for member, score in message["scores"].items()}

    def pruned(self, grid: Grid, ended: dict[int, list[Ended]]) -> None:
        """Write down who was taken out, a list for each group."""
        records = [record for group, found in ended.items() for record in self._record(group, found)]
        self._write(processes.exchange({"records": records}))

    def save(self, grid: Grid) -> None:
        """Write the part of this process."""
        started = time.monotonic()
        snapshots, at = grid.snapshot()
        totals = {"epochs": self.epochs, "seconds": self.seconds}
        sweep_store.save(
            self.path, self.index, self.count, Saved(self.calls, snapshots, at, self.done, totals, self.best)
        )
        self.saved_at, self.saved = time.monotonic(), True
        self.pause = max(self.options.checkpoint_seconds, self.saved_at - started)

    def _record(self, group: int, ended: Sequence[Ended]) -> list[dict[str, Any]]:
        """The lines of members that have ended; the best of them is kept."""
        records = []
        for member in ended:
            row, curve = self.recorder.record(group, member)
            records.append({"row": row, "curve": curve})
            self.best = self.recorder.better(self.best, group, member, row)
        return records

    def _write(self, messages: Sequence[dict[str, Any]]) -> None:
        records = [record for message in messages for record in message["records"]]
        self.done += len(records)
        if self.index == 0:
            rows = [record["row"] for record in records]
            sweep_store.append(self.path, rows, [record["curve"] for record in records])
            self.rows += rows

    def _progress(self, going: int) -> Progress:
        statuses = [row["status"] for row in self.rows]
        by_status = {status: statuses.count(status) for status in sorted(set(statuses))}
        whole = [row["epochs_run"] for row in self.rows if row["status"] != "pruned"]
        every = len(self.recorder.every)
        mean = sum(whole) / len(whole) if whole else self.recorder.longest
        rate = self.epochs / self.seconds if self.seconds else 0.0
        left = max(mean * (every - by_status.get("pruned", 0)) - self.epochs, every - self.done)
        best = min((row for row in self.rows if row["validation_loss"] is not None), key=_rank, default=None)
        return Progress(every, self.done, going, by_status, self.epochs, rate, left / rate if rate else 0.0, best)


def _rank(row: dict[str, Any]) -> tuple[float, int]:
    return row["validation_loss"], row["member"]
