"""Many trainings from Python, in memory: trials given one by one, or a grid of numbers, shapes and names."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.errors import UsageError, unknown
from jaxmlp.fields import annotations, changed, value_of
from jaxmlp.grid import sizing
from jaxmlp.grid.axes import SEED, axes_of, seeds_of
from jaxmlp.grid.groups import Grid, Group, Rungs
from jaxmlp.grid.histories import COLUMNS, History
from jaxmlp.grid.pruning import Prune, check_rungs
from jaxmlp.grid.results import curve_of, rank, row_of
from jaxmlp.grid.scheduler import Call, Ended, Trial
from jaxmlp.grid.trials import HYPER, Base, Trials, product_codes
from jaxmlp.nn.network import Params
from jaxmlp.spec import Hyper, Spec, Splits
from jaxmlp.training.fitting import Epoch, Fit, Measured, epoch_row, finished, measure
from jaxmlp.training.loop import EpochLog
from jaxmlp.training.validation import check, check_chunk, check_data, check_section, counted, refuse_unread

MODES = ("packed", "sequential")
OnCall = Callable[[int, int], None]


class GridFit(NamedTuple):
    """A grid of trained networks: all of them as a table, and the best by validation loss."""

    table: dict[str, list]  # of columns, a value a trial: as pandas.DataFrame takes it
    curves: list[dict[str, list]]  # of each trial: for each name a list, a number an epoch
    best: int  # the row of the table, among those that did not diverge (they are never the best); -1 where all did
    params: Params | None  # of the best, at its best epoch
    test: Measured | None  # of the best: read once. As the best of many, its validation loss is an optimistic pick
    compiles: int  # programs: one for each group and shape of a slab
    compile_seconds: float  # of those that this process had not compiled before

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The table, a dict a trial: as the pictures of `jaxmlp.plots.sweep` take it."""
        return [dict(zip(self.table, row, strict=True)) for row in zip(*self.table.values(), strict=True)]


def fit_grid(
    spec: Spec,
    hyper: Hyper,
    splits: Splits,
    grid: Mapping[str, Any],
    *,
    seeds: int | Sequence[int] | np.ndarray = 1,
    rung_epochs: Sequence[int] = (),
    keep: float = 1 / 3,
    mode: str = "packed",
    chunk: int | None = None,
    on_call: OnCall = lambda running, epochs: None,
) -> GridFit:
    """Train every combination of the values in `grid`, over `spec` and `hyper`, with each of the `seeds` (n: 0 to n-1).

    Each key has a list or array of different values. Keys are fields of Hyper (traced: they share a compile) and of
    Network and Training (each combination of these is a group with a compile of its own). At `rung_epochs` only the
    share `keep` of the combinations goes on: successive halving. Mode "sequential" gives the bits of `fit`; "packed" puts
    `chunk` trials (a power of two; guessed from the sizes) side by side on each device, equal to rounding. `on_call` is
    told how many trials are running, and how many epochs all have run. Raises UsageError as `fit` does, and for what is
    unknown or out of range here.
    """
    chunk = _checked(mode, chunk)
    check_section("hyper", hyper)
    check_data(spec, splits)
    axes = axes_of(grid)
    trials = Trials(axes, product_codes(axes), seeds_of(seeds), partial(_base, spec, hyper, axes))
    specs = [base.described for base in trials.bases]
    prune = Prune(
        value_of("rung_epochs", rung_epochs, annotations(Prune)["rung_epochs"]),
        value_of("keep", keep, annotations(Prune)["keep"]),
    )
    if prune.rung_epochs:
        check_rungs("rung_epochs", prune.rung_epochs, min(found.training.max_epochs for found in specs))
    rungs = Rungs(prune.rung_epochs, prune.keep, trials.configurations)
    groups = [Group(found, trials.scheduled(number), lambda: splits) for number, found in enumerate(specs)]
    counts = counted(splits.train), counted(splits.validation)
    rows: dict[int, dict[str, Any]] = {}
    curves: dict[int, dict[str, list]] = {}
    best: Ended | None = None
    lowest = np.inf, 0

    def note(ended: Ended) -> None:
        nonlocal best, lowest
        rows[ended.trial], curves[ended.trial] = row_of(ended, *counts), curve_of(ended.history, *counts)
        at = rank(rows[ended.trial], ended.trial)
        if at < lowest:
            best, lowest = ended, at  # the states of the others are let go

    made = _trained(groups, splits, rungs, mode, chunk, note, on_call)
    table = _columns(trials) | {name: [rows[number][name] for number in sorted(rows)] for name in rows[0]}
    params = test = None
    if best is not None:
        params = jax.device_put(best.state.best_params)
        configuration, _ = trials.split(best.trial)
        test = measure(trials.base(configuration).described, params, splits.test)
    return GridFit(
        table,
        [curves[number] for number in sorted(curves)],
        -1 if best is None else best.trial,
        params,
        test,
        made.compiles,
        made.compile_seconds,
    )


def _base(spec: Spec, hyper: Hyper, axes: Mapping[str, Sequence[Any]], values: dict[str, Any]) -> Base[Spec]:
    """The spec of a group of trials. Raises UsageError as `check` does, for an axis that it does not read too."""
    spec = changed(spec, values)
    traced = {key.removeprefix(HYPER): values for key, values in axes.items() if key.startswith(HYPER)}
    check(spec, hyper._replace(**{name: values[0] for name, values in traced.items()}))
    defaults = Hyper()._asdict()
    refuse_unread(
        spec.network, spec.training, [name for name, values in traced.items() if set(values) != {defaults[name]}]
    )
    return Base(spec, hyper, frozenset(Hyper._fields))


def _columns(trials: Trials[Spec]) -> dict[str, list]:
    """The columns of the table that are known before training."""
    rows = [trials.split(trial) for trial in range(len(trials))]
    values = [trials.values(configuration) for configuration, _ in rows]
    axes = {key.split(".")[1]: [found[key] for found in values] for key in trials.axes}
    return {"trial": list(range(len(rows))), **axes, "seed": [seed for _, seed in rows]}


def fit_trials(
    spec: Spec,
    hypers: Sequence[Hyper],
    seeds: Sequence[int] | np.ndarray,
    splits: Splits,
    *,
    mode: str | None = None,
    chunk: int | None = None,
    on_call: OnCall = lambda running, epochs: None,
) -> list[Fit]:
    """Train one trial for each pair of `hypers` and `seeds` (of equal length), to its own end; see `fit` and `fit_grid`.

    By default trials on a CPU whose seeds all differ are sequential (the bits of `fit`), all others packed.
    Raises UsageError as `fit` and `fit_grid` do, and where the lengths differ.
    """
    seeds = value_of("seeds", list(seeds), tuple[SEED, ...])
    if len(hypers) != len(seeds) or not hypers:
        raise UsageError(f"{len(hypers)} hypers and {len(seeds)} seeds were given; accepted is one seed for each")
    for hyper in hypers:
        check(spec, hyper)
    check_data(spec, splits)
    if mode is None:
        own = len(set(seeds)) == len(seeds) and jax.local_devices()[0].platform == "cpu"
        mode = "sequential" if own and chunk is None else "packed"
    chunk = _checked(mode, chunk)
    trials = {i: Trial(hyper, seed) for i, (hyper, seed) in enumerate(zip(hypers, seeds, strict=True))}
    ended: dict[int, Ended] = {}

    def note(one: Ended) -> None:
        ended[one.trial] = one

    made = _trained([Group(spec, trials, lambda: splits)], splits, Rungs(), mode, chunk, note, on_call)
    return [_fit(spec, ended[number], splits, made.compile_seconds) for number in sorted(ended)]


class _Host:
    """The host of a grid that lives in this process, and in memory only."""

    def __init__(self, note: Callable[[Ended], None], on_call: OnCall) -> None:
        self.epochs = 0
        self.note, self.on_call = note, on_call

    def called(self, grid: Grid, call: Call | None) -> bool:
        if call is not None:
            self.epochs += call.epochs
            for one in call.ended:
                self.note(one)
            self.on_call(len(grid.scheduler.going), self.epochs)
        return grid.scheduler.seated

    def gathered(self, scores: dict[int, float]) -> dict[int, float]:
        return scores

    def pruned(self, grid: Grid, ended: dict[int, list[Ended]]) -> None:
        for found in ended.values():
            for one in found:
                self.note(one)


def _trained(
    groups: Sequence[Group],
    splits: Splits,
    rungs: Rungs,
    mode: str,
    chunk: int | None,
    note: Callable[[Ended], None],
    on_call: OnCall,
) -> Grid:
    """The grid after its last call; `note` is given each trial as it ends."""
    devices, alone = jax.local_devices()[: sum(len(group.trials) for group in groups)], mode == "sequential"
    rows = len(splits.train.x)
    settings = [sizing.settings(group.spec, rows, devices, alone=alone, chunk=chunk) for group in groups]
    grid = Grid(groups, settings, devices, rungs, alone=alone)
    grid.run(_Host(note, on_call))
    return grid


def _checked(mode: str, chunk: int | None) -> int | None:
    """The chunk. Raises UsageError if it is no power of two, or the mode is unknown or does without."""
    if value_of("mode", mode, str) not in MODES:
        raise unknown("mode", mode, MODES)
    if chunk is None:
        return None
    if mode == "sequential":
        raise UsageError("chunk puts trials side by side, mode 'sequential' does not: take one of them")
    chunk = value_of("chunk", chunk, int)
    check_chunk("chunk", chunk)
    return chunk


def _fit(spec: Spec, ended: Ended, splits: Splits, compile_seconds: float) -> Fit:
    state = jax.device_put(ended.state)
    return finished(spec, state, epochs_of(spec, splits, ended.history), splits, compile_seconds)


def epochs_of(spec: Spec, splits: Splits, history: History) -> list[Epoch]:
    """A history for people."""
    log = EpochLog(np.ones(len(history), bool), *history[:, :-1].T)  # pyright: ignore[reportArgumentType]
    seconds = history[:, COLUMNS.index("seconds")]
    return [epoch_row(spec, splits, log, i, i + 1, float(seconds[i])) for i in range(len(history))]
