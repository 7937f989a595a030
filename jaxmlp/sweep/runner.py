"""A sweep: its trials trained group by group in a directory, so that it can be stopped anywhere; in every process alike."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxmlp.errors import RunError, UsageError
from jaxmlp.grid.groups import Grid, Stopped, trained_again
from jaxmlp.grid.packing import Packing
from jaxmlp.grid.program import Devices
from jaxmlp.runs import checkpoints, directory, environment
from jaxmlp.runs.identity import Identity
from jaxmlp.runs.sealed import read_json, write_json
from jaxmlp.sweep import config, estimate, finish, logs, processes, store
from jaxmlp.sweep import groups as sweep_groups
from jaxmlp.sweep.config import Sweep
from jaxmlp.sweep.exchange import SweepExchange
from jaxmlp.sweep.groups import SweepGroup
from jaxmlp.sweep.options import Options
from jaxmlp.sweep.recorder import Recorder
from jaxmlp.sweep.store import GROUPS
from jaxmlp.text import count as count_of
from jaxmlp.training.callbacks import Callbacks


class Outcome(NamedTuple):
    """How a sweep ended: its summary, or None where it was asked to stop (or another process writes it)."""

    summary: dict[str, Any] | None
    finished: int  # trials
    epochs: int  # of trials, all together
    stopped: bool


def run(
    sweep: Sweep,
    groups: Sequence[SweepGroup],
    path: Path,
    callbacks: Callbacks,
    options: Options,
) -> Outcome:
    """Train the trials of `sweep` in the directory `path` (`store.create`, `reopen`), going on where it stopped.

    `groups` are as `sweep_groups.groups_of` makes them of its trials. Called by every process
    alike; process 0 writes the results. Once `callbacks.should_stop` is true in any process after a call of the program,
    all save and return. Raises RunError where the disk fails or other data were used before, UsageError where a sweep
    would go on otherwise than it was begun, and ProcessLostError where another process is gone.
    """
    started, trials = time.perf_counter(), sweep.trials
    specs = [group.spec for group in groups]
    index, count, devices = processes.index(), processes.count(), jax.local_devices()
    run = store.sweep_identity(sweep, options, [group.crc32 for group in groups])
    now = environment.current(sweep.experiment, run, groups[0].data().origin)
    if index == 0:
        begun = environment.check(path, run, now, callbacks)
        if begun and not (path / GROUPS).exists():
            callbacks.on_message(f"{path / GROUPS} is missing: how trials are packed is decided again")
    terms = _agreed(sweep, groups, path, devices, options, callbacks, run)
    own_groups = [group.for_process(index, count) for group in groups]
    packings = [Packing(**group["packing"]) for group in terms["groups"]]
    configurations = sweep.trials.grid.configurations if sweep.prune else []
    grid = Grid(
        own_groups, packings, devices, sweep.prune, configurations, alone=terms["sequential"], callbacks=callbacks
    )
    own_trials = [list(group.trials) for group in own_groups]
    refuse = checkpoints.refusal(run, marked=directory.identity_of(path) is not None)
    saved = store.restore(path, specs, index, count, own_trials, refuse)
    if index == 0:
        environment.write(path, now)
    rows, lost = _recovered(path, saved, len(trials), run, callbacks)
    if saved is not None:
        if lost:
            saved = saved._replace(grid=trained_again(saved.grid, own_trials, lost, len(grid.stages)))
        saved = saved._replace(lines=len(rows))
        grid.restore(saved.grid)
        epochs = int(saved.totals["epochs"])
        callbacks.on_message(
            f"going on after {epochs:,} trial-epochs; {saved.lines:,} of {len(trials):,} trials had finished"
        )
    recorder = Recorder(trials, groups, test=terms["test_all"])
    exchange = SweepExchange(path, callbacks, recorder, saved, rows, run, checkpoint_seconds=options.checkpoint_seconds)
    try:
        grid.run(exchange)
    except Stopped:
        return Outcome(None, exchange.lines, exchange.tally.epochs, stopped=True)
    exchange.save(grid)
    callbacks.on_train_end()
    processes.exchange({})  # by now all have written their parts
    if index != 0:
        return Outcome(None, exchange.lines, exchange.tally.epochs, stopped=False)
    store.remove_others(path, count)
    best = store.best_of(path, specs, exchange.calls, count)
    work = finish.Work(
        compiles=grid.compiles,
        epochs=exchange.tally.epochs,
        seconds=exchange.tally.seconds,
        compile_seconds=grid.compile_seconds,
        total_seconds=time.perf_counter() - started,
        processes=count,
        peak_bytes=estimate.peak_bytes(),
    )
    try:
        summary = finish.finish(path, sweep, groups, exchange.tally.rows, best, work, run, callbacks)
    except RunError as error:
        raise RunError(f"{error}; all trials are trained, and saved: then go on with --resume") from error
    return Outcome(summary, exchange.lines, exchange.tally.epochs, stopped=False)


def _recovered(
    path: Path, saved: store.Saved | None, trials: int, run: Identity, callbacks: Callbacks
) -> tuple[list[dict[str, Any]], list[int]]:
    """The rows of the trials that had finished (in process 0), and the trials whose results are lost, in every process."""
    own = [] if saved is None else [group.facts for group in saved.grid.groups]
    unfinished = [trial for facts in own for trial in (*facts["unbegun"], *facts["trials"])]
    messages = processes.exchange({"unfinished": unfinished})
    rows, lost = [], []
    if processes.index() == 0:
        for line in () if saved is None else saved.skipped:
            callbacks.on_message(f"passed over: {line}")
        finished = set() if saved is None else set(range(trials))
        finished.difference_update(*(message["unfinished"] for message in messages))
        if saved is None and (begun := len(logs.read(path / store.RESULTS, run).lines)):
            callbacks.on_message(
                f"{path} has no checkpoint: {count_of(begun, 'trial')} of its results are trained again"
            )
        rows, lost, without_curve = store.recover(path, finished, run)
        if lost:
            callbacks.on_message(f"{path / store.RESULTS}: the results of {listed(lost)} are lost: trained again")
        if without_curve:
            callbacks.on_message(f"{path / store.CURVES}: the curves of {listed(without_curve)} are lost, and left out")
    return rows, processes.exchange({"lost": lost})[0]["lost"]


def listed(trials: Sequence[int]) -> str:
    """`trials 3, 5, 8 and 20 more`."""
    more = f" and {len(trials) - 5:,} more" if len(trials) > 5 else ""
    return f"trial{'s' * (len(trials) > 1)} {', '.join(map(str, trials[:5]))}{more}"


def _agreed(
    sweep: Sweep,
    groups: Sequence[SweepGroup],
    path: Path,
    devices: Devices,
    options: Options,
    callbacks: Callbacks,
    run: Identity,
) -> dict[str, Any]:
    """What groups.json holds: how trials are packed, as the sweep was begun, or as process 0 decides for all now.

    Raises UsageError in all processes where they were not started alike, and in process 0 where the sweep was begun
    otherwise.
    """
    message: dict[str, Any] = {"alike": _alike(sweep, groups, options)}
    if processes.index() == 0:
        terms = read_json(path / GROUPS, run)
        if terms is None:
            terms = _begun(groups, devices, options, callbacks)
            write_json(path / GROUPS, terms, run)
        else:
            _check_same(terms, groups, options, path)
        message["terms"] = terms
    messages = processes.exchange(message)
    for index, other in enumerate(messages):
        for name, value in other["alike"].items():
            if value != messages[0]["alike"][name]:
                raise UsageError(
                    f"process {index} has other {name} than process 0: start all with the same command and data"
                )
    return messages[0]["terms"]


def _alike(sweep: Sweep, groups: Sequence[SweepGroup], options: Options) -> dict[str, Any]:
    """What must be alike in all processes; where the data lie may differ from host to host."""
    tree = config.tree(sweep)
    tree["data"] = {key: value for key, value in tree["data"].items() if key != "dir"}
    return {
        "trials": json.loads(json.dumps(tree)),
        "data": [group.crc32 for group in groups],
        "options": {"mode": options.mode, "test_all": options.test_all},
    }


def _begun(groups: Sequence[SweepGroup], devices: Devices, options: Options, callbacks: Callbacks) -> dict[str, Any]:
    """How each group is packed: as the options say, measured or guessed."""
    terms = []
    for group in groups:
        measured = None
        if options.chunk is None and not options.sequential and sweep_groups.is_worth_probing(group, devices):
            callbacks.on_message(f"trying how many trials of {'-'.join(map(str, group.spec.sizes))} go together best")
            measured = sweep_groups.probed(group, devices)
        packing = sweep_groups.packing_of(group, devices, options, measured)
        terms.append(group.described() | {"packing": packing._asdict()})
    return {"groups": terms, "sequential": options.sequential, "test_all": options.test_all}


def _check_same(before: dict[str, Any], groups: Sequence[SweepGroup], options: Options, path: Path) -> None:
    """Raise RunError or UsageError where a sweep would go on with something else than it was begun with."""
    if [group["crc32"] for group in before["groups"]] != [group.crc32 for group in groups]:
        raise RunError(f"{path} was begun on other data than there are now: give it the former, or begin a new sweep")
    mode = "sequential" if before["sequential"] else "packed"
    if options.mode not in (None, mode):
        raise UsageError(f"{path} was begun with --mode {mode}: leave --mode out to go on")
    if options.test_all and not before["test_all"]:
        raise UsageError(f"{path} was begun without --test-all: leave it out to go on")
    for group_terms in before["groups"]:
        for name in ("chunk", "resident"):
            option, saved = getattr(options, name), group_terms["packing"][name]
            if option not in (None, saved):
                raise UsageError(f"--{name} is {option}, but {path} was begun with {saved}: leave it out to go on")
