"""Many trainings from Python, in memory: a grid of hyperparameters, shapes and names, or trials given one by one."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp import display
from jaxmlp.errors import UsageError, unknown
from jaxmlp.fields import annotations, table_of, value_of
from jaxmlp.grid import sizing
from jaxmlp.grid.axes import SEED, trials_of
from jaxmlp.grid.groups import Exchange, Grid, Group, Stopped
from jaxmlp.grid.progress import Tally
from jaxmlp.grid.pruning import Prune, check_rungs
from jaxmlp.grid.results import TrialResult, epochs_of, rank
from jaxmlp.grid.scheduler import Call
from jaxmlp.grid.trials import Trial
from jaxmlp.nn.network import Params
from jaxmlp.spec import Hyper, Spec, Splits
from jaxmlp.text import count
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Measured
from jaxmlp.training.fitting import Fit, fit_of, measure
from jaxmlp.training.validation import check, check_chunk, check_data, check_section, counted

MODES = ("packed", "sequential")
SHOWN = 5  # trials in a notebook, the best first


class GridFit(NamedTuple):
    """A grid of trained networks: a table of all, and the best by validation loss.

    `pandas.DataFrame(fit.table)` is a data frame of the trials; `jaxmlp.plots` draws `fit.rows`.
    """

    table: dict[str, list]  # columns, one value a trial: trial, the keys of the grid, seed, status, metrics
    curves: list[dict[str, list]]  # for each trial: columns, one value an epoch
    best: int  # the trial (and row of the table); one that diverged is never the best; -1 where all diverged
    params: Params | None  # of the best trial, at its best epoch; None where all diverged
    test: Measured | None  # of `params`, evaluated once. As the best of many, its validation loss is an optimistic pick
    compiles: int  # programs that were compiled: at most one for each group and shape of a batch of trials
    compile_seconds: float

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The table, a dict a trial: as the pictures of `jaxmlp.plots` take it."""
        return [dict(zip(self.table, row, strict=True)) for row in zip(*self.table.values(), strict=True)]

    def __repr__(self) -> str:
        lines = [self._title()]
        if self.best >= 0:
            row = self.rows[self.best]
            names = list(row)[1 : list(row).index("status")]
            validation = Measured(*(row[f"validation_{name}"] for name in Measured._fields))
            lines.append(f"  best: trial {self.best} ({', '.join(f'{name} {row[name]}' for name in names)})")
            lines += [f"  validation: {validation}", f"  test:       {self.test}"]
        return f"GridFit({chr(10).join(lines)}\n)"

    def _title(self) -> str:
        statuses = ", ".join(f"{n:,} {status.replace('_', ' ')}" for status, n in Counter(self.table["status"]).items())
        return f"{count(len(self.table['trial']), 'trial')} ({statuses}), {count(self.compiles, 'program')}"

    def _repr_html_(self) -> str:
        columns = [*list(self.table)[: list(self.table).index("status") + 1], "validation_loss", "validation_accuracy"]
        best = sorted(self.rows, key=lambda row: rank(row["trial"], row["status"], row["validation_loss"]))[:SHOWN]
        table = display.table(f"GridFit: {self._title()}", columns, [[row[name] for name in columns] for row in best])
        if self.best < 0:
            return table
        curve, epoch = self.curves[self.best], self.table["best_epoch"][self.best]
        losses = {name: [np.nan if x is None else x for x in curve[f"{name}_loss"]] for name in ("train", "validation")}
        return table + display.curves(f"loss of trial {self.best}", losses, epoch)


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
    callbacks: Callbacks | None = None,
) -> GridFit:
    """Train every combination of the values in `grid` with every seed, many trials as one program.

    Args:
        spec: Network and training, for what the grid leaves open.
        hyper: The hyperparameters that the grid leaves open.
        splits: Training, validation and test examples, as NumPy or JAX arrays.
        grid: A list or array of different values for each key. A key is a field of Hyper (traced: all its values share
            one program) or of Network or Training (each combination of these is compiled by itself).
        seeds: Seeds of each combination: n for 0 to n-1, or a list of them.
        rung_epochs: Epochs after which only the best combinations go on (successive halving), rising.
        keep: The share of the combinations that goes on from each rung, above 0 and below 1.
        mode: "packed" puts trials side by side on each device, equal to `fit` to rounding; "sequential" trains one trial
            at a time on each device, to the bits of `fit`.
        chunk: Trials side by side on a device, a power of two; guessed from the sizes where it is None.
        callbacks: `on_compile`, `on_message`, `on_call_end` (with a `jaxmlp.grid.progress.Progress`), `on_train_end`;
            once `should_stop` is true, the unfinished trials end where they are, with the status "stopped".

    Returns:
        The table and the curves of all trials, and the best network, evaluated on the test examples.

    Raises:
        UsageError: as `fit` does, and for a key, value, rung, mode or chunk that is unknown or out of range.

    >>> fit = jaxmlp.fit_grid(spec, jaxmlp.Hyper(), splits, {"learning_rate": [0.03, 0.1], "hidden": [(16,), (32,)]})
    >>> fit.table["validation_loss"][fit.best], fit.test.accuracy
    """
    chunk = _checked(mode, chunk)
    check_section("hyper", hyper)
    check_data(spec, splits)
    trials = trials_of(spec, hyper, grid, seeds)
    specs = [base.described for base in trials.bases]
    prune = Prune(**table_of("", {"rung_epochs": rung_epochs, "keep": keep}, annotations(Prune)))
    if prune.rung_epochs:
        check_rungs("rung_epochs", prune.rung_epochs, min(group_spec.training.max_epochs for group_spec in specs))
    groups = [Group(group_spec, trials.scheduled(number), lambda: splits) for number, group_spec in enumerate(specs)]
    counts = counted(splits.train), counted(splits.validation)
    curves: dict[int, dict[str, list]] = {}

    def values_of_trial(trial: int) -> dict[str, Any]:
        configuration, seed = trials.split(trial)
        values = {key.split(".")[1]: value for key, value in trials.values(configuration).items()}
        return {"trial": trial, **values, "seed": seed}

    def keep_curve(result: TrialResult) -> None:
        curves[result.trial] = result.curve(*counts)

    exchange = _InMemory(groups, splits, callbacks, keep_curve, values_of_trial)
    trained = _trained(groups, splits, mode, chunk, exchange, prune, trials.configurations)
    rows = sorted(exchange.tally.rows, key=lambda row: row["trial"])
    table = {name: [row[name] for row in rows] for name in rows[0]}
    params = test = None
    if trained.best is not None:
        params = jax.device_put(trained.best.result.state.best_params)
        test = measure(specs[trained.best.group], params, splits.test)
    return GridFit(
        table,
        [curves[trial] for trial in sorted(curves)],
        -1 if trained.best is None else trained.best.result.trial,
        params,
        test,
        trained.compiles,
        trained.compile_seconds,
    )


def fit_trials(
    spec: Spec,
    hypers: Sequence[Hyper],
    seeds: Sequence[int] | np.ndarray,
    splits: Splits,
    *,
    mode: str | None = None,
    chunk: int | None = None,
    callbacks: Callbacks | None = None,
) -> list[Fit]:
    """Train one trial for each pair of hyperparameters and seed, many as one program, and return all networks.

    Args:
        spec: Network and training of all trials.
        hypers: The hyperparameters of each trial.
        seeds: The seed of each trial; trials with one seed see the same batches.
        splits: Training, validation and test examples, as NumPy or JAX arrays.
        mode: "packed" or "sequential" as in `fit_grid`. None: "sequential" on a CPU where all seeds differ, for then
            packing gains nothing; else "packed".
        chunk: Trials side by side on a device, a power of two; guessed from the sizes where it is None.
        callbacks: As in `fit_grid`.

    Returns:
        A `Fit` for each trial, in the order given.

    Raises:
        UsageError: as `fit` and `fit_grid` do, and where there is not one seed for each of `hypers`.

    >>> fits = jaxmlp.fit_trials(spec, [jaxmlp.Hyper(l1=l1) for l1 in (0.0, 1e-4, 1e-3)], [0, 0, 0], splits)
    >>> [fit.test.accuracy for fit in fits]
    """
    seeds = value_of("seeds", seeds, tuple[SEED, ...])
    if len(hypers) != len(seeds) or not hypers:
        raise UsageError(f"{len(hypers)} hypers and {len(seeds)} seeds were given; accepted is one seed for each")
    for hyper in hypers:
        check(spec, hyper)
    check_data(spec, splits)
    if mode is None:
        all_differ = len(set(seeds)) == len(seeds) and jax.local_devices()[0].platform == "cpu"
        mode = "sequential" if all_differ and chunk is None else "packed"
    chunk = _checked(mode, chunk)
    trials = {i: Trial(hyper, seed) for i, (hyper, seed) in enumerate(zip(hypers, seeds, strict=True))}
    results: list[TrialResult] = []
    groups = [Group(spec, trials, lambda: splits)]
    trained = _trained(groups, splits, mode, chunk, _InMemory(groups, splits, callbacks, results.append))
    return [
        fit_of(
            spec,
            jax.device_put(result.state),
            epochs_of(result.history, spec, splits),
            splits,
            trained.compile_seconds,
        )._replace(stop_reason=result.status)
        for result in sorted(results, key=lambda result: result.trial)
    ]


class _InMemory(Exchange):
    """Keeps the finished trials of a grid in memory."""

    def __init__(
        self,
        groups: Sequence[Group],
        splits: Splits,
        callbacks: Callbacks | None,
        on_result: Callable[[TrialResult], None],
        values_of_trial: Callable[[int], dict[str, Any]] = lambda trial: {},
    ) -> None:
        self.callbacks, self.on_result, self.values_of_trial = callbacks or Callbacks(), on_result, values_of_trial
        self.counts = counted(splits.train), counted(splits.validation)
        self.tally = Tally(
            trials=sum(len(group.trials) for group in groups),
            max_epochs=max(group.spec.training.max_epochs for group in groups),
        )

    def after_call(self, grid: Grid, call: Call) -> bool:
        self.take(call.finished)
        self.tally.epochs += call.epochs
        self.tally.seconds += call.seconds
        self.callbacks.on_call_end(self.tally.progress(len(grid.scheduler.active)))
        if self.callbacks.should_stop():
            raise Stopped
        return grid.scheduler.has_call

    def take(self, results: Sequence[TrialResult]) -> None:
        self.tally.add_rows([self.values_of_trial(result.trial) | result.row(*self.counts) for result in results])
        for result in results:
            self.on_result(result)


def _trained(
    groups: Sequence[Group],
    splits: Splits,
    mode: str,
    chunk: int | None,
    exchange: _InMemory,
    prune: Prune | None = None,
    configurations: Sequence[int] = (),
) -> Grid:
    """The grid after its last call."""
    count, alone = sum(len(group.trials) for group in groups), mode == "sequential"
    devices, examples = jax.local_devices()[:count], len(splits.train.x)
    packings = [sizing.packing_for(group.spec, examples, devices, alone=alone, chunk=chunk) for group in groups]
    grid = Grid(groups, packings, devices, prune, configurations, alone=alone, callbacks=exchange.callbacks)
    try:
        grid.run(exchange)
    except Stopped:
        exchange.take(grid.finish_all())
    exchange.callbacks.on_train_end()
    return grid


def _checked(mode: str, chunk: int | None) -> int | None:
    """The chunk. Raises UsageError if it is no power of two, or the mode is unknown or takes none."""
    if value_of("mode", mode, str) not in MODES:
        raise unknown("mode", mode, MODES)
    if chunk is None:
        return None
    if mode == "sequential":
        raise UsageError("chunk puts trials side by side, mode 'sequential' does not: take one of them")
    chunk = value_of("chunk", chunk, int)
    check_chunk("chunk", chunk)
    return chunk
