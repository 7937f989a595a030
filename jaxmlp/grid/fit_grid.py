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
from jaxmlp.grid.driver import Driver
from jaxmlp.grid.executors import Local, local_workers
from jaxmlp.grid.journal import Memory
from jaxmlp.grid.pruning import Prune, check_rungs
from jaxmlp.grid.results import TrialResult, epochs_of, rank
from jaxmlp.grid.trials import Trial
from jaxmlp.grid.units import Group, Record, cut
from jaxmlp.nn.network import Params
from jaxmlp.spec import Hyper, Spec, Splits
from jaxmlp.text import count
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Measured
from jaxmlp.training.fitting import Fit, are_values, fit_of, measure
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
            metrics = {name: row.get(f"validation_{name}") for name in Measured._fields}
            validation = Measured(**metrics)  # pyright: ignore[reportArgumentType]
            lines.append(f"  best: trial {self.best} ({', '.join(f'{name} {row[name]}' for name in names)})")
            lines += [f"  validation: {validation}", f"  test:       {self.test}"]
        return f"GridFit({chr(10).join(lines)}\n)"

    def _title(self) -> str:
        statuses = ", ".join(f"{n:,} {status.replace('_', ' ')}" for status, n in Counter(self.table["status"]).items())
        return f"{count(len(self.table['trial']), 'trial')} ({statuses}), {count(self.compiles, 'program')}"

    def _repr_html_(self) -> str:
        metrics = [name for name in ("validation_loss", "validation_accuracy", "validation_r2") if name in self.table]
        columns = [*list(self.table)[: list(self.table).index("status") + 1], *metrics]
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
    counts = counted(splits.train), counted(splits.validation)
    learns_values = are_values(spec, splits.train)

    def record(result: TrialResult) -> Record:
        configuration, seed = trials.split(result.trial)
        values = {key.split(".")[1]: value for key, value in trials.values(configuration).items()}
        row = {"trial": result.trial, **values, "seed": seed} | result.row(*counts, values=learns_values)
        return Record(row, result.curve(*counts, values=learns_values))

    groups = [
        _group(group_spec, splits, trials.numbers(number), trials.trial, record, mode, chunk)
        for number, group_spec in enumerate(specs)
    ]
    records, trained = _train(groups, callbacks, prune, trials.configurations)
    rows = [record.row for record in records]
    params = test = None
    if trained.best is not None:
        params = jax.device_put(trained.best.result.state.best_params)
        test = measure(specs[trained.best.group], trials.trial(trained.best.result.trial).hyper, params, splits.test)
    return GridFit(
        {name: [row[name] for row in rows] for name in rows[0]},
        [record.curve for record in records],
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
    trials = [Trial(hyper, seed) for hyper, seed in zip(hypers, seeds, strict=True)]
    counts = counted(splits.train), counted(splits.validation)

    def record(result: TrialResult) -> Record:
        return Record(result.row(*counts, values=are_values(spec, splits.train)), {}, result)

    group = _group(spec, splits, range(len(trials)), trials.__getitem__, record, mode, chunk)
    records, trained = _train([group], callbacks)
    fits = []
    for (_, _, result), hyper in zip(records, hypers, strict=True):
        assert result is not None
        epochs, state = epochs_of(result.history, spec, splits), jax.device_put(result.state)
        fit = fit_of(spec, hyper, state, epochs, splits, trained.compile_seconds)
        fits.append(fit._replace(stop_reason=result.status))
    return fits


def _group(
    spec: Spec,
    splits: Splits,
    numbers: Sequence[int],
    trial: Callable[[int], Trial],
    record: Callable[[TrialResult], Record],
    mode: str,
    chunk: int | None,
) -> Group:
    alone, device = mode == "sequential", jax.local_devices()[0]
    packing = sizing.packing_for(spec, len(splits.train.x), device, len(numbers), alone=alone, chunk=chunk)
    return Group(spec, packing, numbers, trial, lambda number: trial(number).seed, lambda: splits, record, alone)


def _train(
    groups: Sequence[Group],
    callbacks: Callbacks | None,
    prune: Prune | None = None,
    configurations: Sequence[int] = (),
) -> tuple[list[Record], Driver]:
    """The records of all trials, in their order, and the driver that trained them."""
    records: list[Record] = []
    journal, callbacks = Memory(records.append), callbacks or Callbacks()
    units = sum(len(cut(group, number, 0, 0, group.numbers)) for number, group in enumerate(groups))
    executor = Local(groups, local_workers(units), journal)
    try:
        driver = Driver(groups, executor, journal, callbacks, prune, configurations)
        driver.run()
    finally:
        executor.close()
    callbacks.on_train_end()
    return sorted(records, key=lambda record: record.trial), driver


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
