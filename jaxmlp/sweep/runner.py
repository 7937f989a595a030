"""A sweep: its units trained in a directory, so that it can be stopped anywhere, and gone on with by any workers."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxmlp.errors import RunError, UsageError
from jaxmlp.fields import flat
from jaxmlp.grid.driver import Driver
from jaxmlp.grid.executors import Executor, Local, local_workers
from jaxmlp.grid.packing import Packing
from jaxmlp.grid.sizing import Devices
from jaxmlp.grid.units import Group, cut
from jaxmlp.machine import peak_bytes
from jaxmlp.run import config as run_config
from jaxmlp.run import environment
from jaxmlp.run.directory import ENVIRONMENT
from jaxmlp.run.identity import Identity
from jaxmlp.run.sealed import read_json, write_json
from jaxmlp.sweep import finish, logs, store
from jaxmlp.sweep import groups as sweep_groups
from jaxmlp.sweep.config import Sweep
from jaxmlp.sweep.groups import SweepGroup
from jaxmlp.sweep.journal import SweepJournal
from jaxmlp.sweep.options import Options
from jaxmlp.sweep.recorder import Recorder
from jaxmlp.sweep.store import GROUPS
from jaxmlp.text import count as count_of
from jaxmlp.training.callbacks import Callbacks, ending
from jaxmlp.training.events import RunBegin, RunEnd, TrialEnd


class Outcome(NamedTuple):
    """How a sweep ended: its summary, or None where it was asked to stop."""

    summary: dict[str, Any] | None
    finished: int  # trials
    epochs: int  # of trials, all together


@runtime_checkable
class Crew(Protocol):
    """Workers in other processes, which make the groups of the sweep for themselves."""

    def device(self) -> dict[str, Any]:
        """Of each worker, as environment.json has it."""
        ...

    def terms(self) -> dict[str, Any]:
        """How the groups are packed, as `terms_of` decides it on one of them."""
        ...

    def executor(self, terms: dict[str, Any], run: Identity, journal: SweepJournal, units: int) -> Executor:
        """The workers, ready for at most so many units at a time."""
        ...


def run(
    sweep: Sweep,
    groups: Sequence[SweepGroup],
    path: Path,
    callbacks: Callbacks,
    options: Options,
    crew: Crew | None = None,
) -> Outcome:
    """Train the trials of `sweep` in the directory `path` (`store.create`, `reopen`), going on where it stopped.

    Threads of this process train it, or a crew. `groups` are as `sweep_groups.groups_of` makes them of its trials. Once
    `callbacks.should_stop` is true, all workers save and end. Raises RunError where the disk fails or other data were used
    before, and UsageError where a sweep would go on otherwise than it was begun.
    """
    with ending(callbacks, path):
        return _run(sweep, groups, path, callbacks, options, crew)


def _run(
    sweep: Sweep,
    groups: Sequence[SweepGroup],
    path: Path,
    callbacks: Callbacks,
    options: Options,
    crew: Crew | None,
) -> Outcome:
    started = time.perf_counter()
    identity = store.sweep_identity(sweep, options, [group.crc32 for group in groups])
    now = environment.current(sweep.experiment, identity, groups[0].data().origin)
    if crew is not None:
        now["device"] = crew.device()
    begun = environment.check(path, identity, now, callbacks)
    packed_anew = begun and not (path / GROUPS).exists()
    if packed_anew:
        callbacks.on_message(f"{path / GROUPS} is missing: how trials are packed is decided again")
    devices = local_workers(len(sweep.trials))
    decide = crew.terms if crew is not None else partial(terms_of, groups, devices, options, callbacks)
    terms = _terms(groups, path, decide, options, identity)
    environment.write(path, now)
    journal = _journal(path, groups, identity, callbacks)
    callbacks.on_run_begin(_begin_of(sweep, groups[0].data().origin_and_sizes(), path, resumed=begun))
    if packed_anew:
        journal.forget_all()
    of_workers = unit_groups(sweep, groups, terms)
    units = sum(len(cut(group, number, 0, 0, group.numbers)) for number, group in enumerate(of_workers))
    if crew is None:
        executor = Local(of_workers, devices[:units], journal, options.checkpoint_seconds)
    else:
        executor = crew.executor(terms, identity, journal, units)
    try:
        configurations = sweep.trials.grid.configurations if sweep.prune else []
        driver = Driver(of_workers, executor, journal, callbacks, sweep.prune, configurations, resumable=True)
        ended = driver.run()
    finally:
        executor.close()
    tally = driver.tally
    if not ended:
        callbacks.on_run_end(RunEnd("stopped", path=path))
        return Outcome(None, len(tally.rows), tally.progress().epochs)
    callbacks.on_train_end()
    work = finish.Work(
        compiles=driver.compiles,
        epochs=tally.epochs,
        seconds=tally.seconds,
        compile_seconds=driver.compile_seconds,
        total_seconds=time.perf_counter() - started,
        workers=executor.workers,
        peak_bytes=peak_bytes(),
    )
    try:
        summary = finish.finish(path, sweep, groups, tally.rows, driver.best, work, identity, callbacks)
    except RunError as error:
        raise RunError(f"{error}; all trials are trained, and saved: then go on with --resume") from error
    callbacks.on_run_end(RunEnd("finished", summary, path))
    return Outcome(summary, len(tally.rows), tally.epochs)


def tell(sweep: Sweep, path: Path, callbacks: Callbacks) -> None:
    """Have callbacks see a sweep that has ended, from its files."""
    origin = (read_json(path / ENVIRONMENT) or {})["data"]["origin"]
    callbacks.on_run_begin(_begin_of(sweep, origin, path, resumed=True))
    curves = store.curves(path)
    for row in store.results(path):
        callbacks.on_trial_end(TrialEnd(row, curves[row["trial"]]))
    callbacks.on_run_end(RunEnd("finished", store.ended(path), path))


def _begin_of(sweep: Sweep, data: str, path: Path, *, resumed: bool) -> RunBegin:
    """How a sweep begins: what all trials have in common, and the values of each axis."""
    axes = {**sweep.trials.grid.axes, "seed": sweep.trials.grid.seeds}
    config = {key: value for key, value in flat(run_config.tree(sweep.experiment)) if key not in axes}
    return RunBegin(config, data, path, resumed, axes=axes)


def _journal(path: Path, groups: Sequence[SweepGroup], run: Identity, callbacks: Callbacks) -> SweepJournal:
    """The journal of a sweep; says where its results are written again, from its units or by training."""
    begun = (path / store.UNITS).is_dir()
    for name in (store.RESULTS, store.CURVES):
        log = logs.read(path / name, run)
        if begun and log.damaged:
            callbacks.on_message(
                f"{path / name} is damaged in line {log.damaged[0]}: written again from {store.UNITS}/"
            )
        elif not begun and log.lines:
            trials = count_of(len(log.lines), "trial")
            callbacks.on_message(f"{path / name} has {trials}, but there is no {store.UNITS}/: they are trained again")
    return SweepJournal(path, [group.spec for group in groups], run, callbacks)


def unit_groups(sweep: Sweep, groups: Sequence[SweepGroup], terms: dict[str, Any]) -> list[Group]:
    """What workers need of each group."""
    recorder = Recorder(sweep.trials, groups, test=terms["test_all"])
    packings = [Packing(**group["packing"]) for group in terms["groups"]]
    return [
        group.for_workers(packing, recorder, alone=terms["sequential"])
        for group, packing in zip(groups, packings, strict=True)
    ]


def _terms(
    groups: Sequence[SweepGroup], path: Path, decide: Callable[[], dict[str, Any]], options: Options, run: Identity
) -> dict[str, Any]:
    """What groups.json holds: how trials are packed, as the sweep was begun, or as is decided now.

    Raises UsageError where the sweep was begun otherwise.
    """
    terms = read_json(path / GROUPS, run)
    if terms is None:
        terms = decide()
        write_json(path / GROUPS, terms, run)
    else:
        _check_same(terms, groups, options, path)
    return terms


def terms_of(groups: Sequence[SweepGroup], devices: Devices, options: Options, callbacks: Callbacks) -> dict[str, Any]:
    """How each group is packed: as the options say, measured or guessed."""
    terms = []
    for group in groups:
        measured = None
        if options.chunk is None and not options.sequential and sweep_groups.is_worth_probing(group, devices[0]):
            callbacks.on_message(f"trying how many trials of {'-'.join(map(str, group.spec.sizes))} go together best")
            measured = sweep_groups.probed(group, devices)
        packing = sweep_groups.packing_of(group, devices[0], options, measured)
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
