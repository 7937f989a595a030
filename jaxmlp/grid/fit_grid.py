"""Many trainings from Python, in memory: a grid of hyperparameters, shapes and names, or trials given one by one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import jax
import numpy as np
from annotated_types import Ge

from jaxmlp.data.preparing import Preparation
from jaxmlp.errors import UsageError, unknown
from jaxmlp.fields import annotations, table_of, value_of
from jaxmlp.grid import sizing
from jaxmlp.grid.axes import SEED, trials_of
from jaxmlp.grid.driver import Driver
from jaxmlp.grid.executors import Local, local_workers
from jaxmlp.grid.grid_fit import BestWeights, GridFit, TrainedTrial
from jaxmlp.grid.journal import Memory
from jaxmlp.grid.pruning import Prune, check_rungs
from jaxmlp.grid.results import TrialResult, epochs_of
from jaxmlp.grid.trials import Trial
from jaxmlp.grid.units import Group, Record, cut
from jaxmlp.spec import Hyper, Spec, Splits
from jaxmlp.training import beginning
from jaxmlp.training.callbacks import Callbacks, ending
from jaxmlp.training.epochs import are_values
from jaxmlp.training.events import RunEnd
from jaxmlp.training.fitting import fit_of, measure
from jaxmlp.training.model import Model, checked_preparation
from jaxmlp.training.precision import precision
from jaxmlp.training.result import Fit
from jaxmlp.training.validation import check, check_chunk, check_data, check_section, counted
from jaxmlp.training.watching import watched

MODES = ("packed", "sequential")


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
    preparation: Preparation | None = None,
    callbacks: Callbacks | Sequence[Callbacks] | None = None,
    progress: bool | str = "auto",
    keep_models: int = 10,
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
        preparation: How `splits` came from the data, for the models; None: x is taken as it is, classes are 0 to K-1.
        callbacks: One or several: `on_run_begin`, `on_compile`, `on_call_end` (with a `jaxmlp.grid.progress.Progress`),
            `on_trial_end`, `on_best`, `on_train_end`, `on_run_end`; once a `should_stop` is true, or at Ctrl-C, the
            unfinished trials end where they are, with the status "stopped".
        progress: Whether a bar is drawn, on a terminal or in a notebook; "auto": once training takes longer than a second.
        keep_models: Of how many of the best trials the weights are kept, for `GridFit.models`.

    Returns:
        The table and the curves of all trials, the best models, and the best one evaluated on the test examples.

    Raises:
        UsageError: as `fit` does, and for a key, value, rung, mode or chunk that is unknown or out of range.

    >>> grid = jaxmlp.fit_grid(spec, jaxmlp.Hyper(), splits, {"learning_rate": [0.03, 0.1], "hidden": [(16,), (32,)]})
    >>> grid.best.hyper.learning_rate, grid.best.model.predict(x), grid.test.accuracy
    """
    chunk = _checked(mode, chunk)
    check_section("hyper", hyper)
    check_data(spec, splits)
    trials = trials_of(spec, hyper, grid, seeds)
    specs = [base.described for base in trials.bases]
    prune = Prune(**table_of("", {"rung_epochs": rung_epochs, "keep": keep}, annotations(Prune)))
    if prune.rung_epochs:
        check_rungs("rung_epochs", prune.rung_epochs, min(group_spec.training.max_epochs for group_spec in specs))
    preparation = checked_preparation(spec, splits, preparation)
    weights = BestWeights(value_of("keep_models", keep_models, Annotated[int, Ge(1)]))
    counts = counted(splits.train), counted(splits.validation)
    learns_values = are_values(spec, splits.train)

    def record(result: TrialResult) -> Record:
        weights.add(result)
        configuration, seed = trials.split(result.trial)
        values = {key.split(".")[1]: value for key, value in trials.values(configuration).items()}
        row = {"trial": result.trial, **values, "seed": seed} | result.row(*counts, values=learns_values)
        return Record(row, result.curve(*counts, values=learns_values))

    groups = [
        _group(group_spec, splits, trials.numbers(number), trials.trial, record, mode, chunk)
        for number, group_spec in enumerate(specs)
    ]
    axes = {key.split(".")[1]: values for key, values in trials.axes.items()} | {"seed": trials.seeds}
    with watched(callbacks, progress) as watch, ending(watch.callbacks):
        watch.callbacks.on_run_begin(beginning.of_grid(spec, hyper, splits, axes))
        records, driver = train_groups(groups, watch.callbacks, prune, trials.configurations)
    if driver.best is not None:
        weights.add(driver.best.result)
    best = []
    for number, params in weights.best_first():
        (configuration, _), (hyper, seed) = trials.split(number), trials.trial(number)
        model = Model(trials.base(configuration).described, params, preparation)
        best.append(TrainedTrial(number, hyper, seed, model))
    rows = [record.row for record in records]
    fit = GridFit(
        {name: [row[name] for row in rows] for name in rows[0]},
        [record.curve for record in records],
        tuple(best),
        measure(best[0].spec, best[0].hyper, best[0].model.params, splits.test) if best else None,
        driver.compiles,
        driver.compile_seconds,
    )
    model = best[0].model if best else None
    watch.callbacks.on_run_end(RunEnd("stopped" if driver.stopped else "finished", fit.summary, model=model))
    return fit


def fit_trials(
    spec: Spec,
    hypers: Sequence[Hyper],
    seeds: Sequence[int] | np.ndarray,
    splits: Splits,
    *,
    mode: str | None = None,
    chunk: int | None = None,
    preparation: Preparation | None = None,
    callbacks: Callbacks | Sequence[Callbacks] | None = None,
    progress: bool | str = "auto",
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
        preparation: As in `fit_grid`, like `callbacks` and `progress`.
        callbacks: See there.
        progress: See there.

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
    preparation = checked_preparation(spec, splits, preparation)
    if mode is None:
        all_differ = len(set(seeds)) == len(seeds) and jax.local_devices()[0].platform == "cpu"
        mode = "sequential" if all_differ and chunk is None else "packed"
    chunk = _checked(mode, chunk)
    trials = [Trial(hyper, seed) for hyper, seed in zip(hypers, seeds, strict=True)]
    columns = {name: tuple(dict.fromkeys(getattr(hyper, name) for hyper in hypers)) for name in Hyper._fields}
    axes = {name: values for name, values in columns.items() if len(values) > 1}
    counts = counted(splits.train), counted(splits.validation)

    def record(result: TrialResult) -> Record:
        values, (hyper, seed) = are_values(spec, splits.train), trials[result.trial]
        row = {"trial": result.trial, **{name: getattr(hyper, name) for name in axes}, "seed": seed}
        return Record(row | result.row(*counts, values=values), result.curve(*counts, values=values), result)

    group = _group(spec, splits, range(len(trials)), trials.__getitem__, record, mode, chunk)
    with watched(callbacks, progress) as watch, ending(watch.callbacks):
        watch.callbacks.on_run_begin(beginning.of_grid(spec, hypers[0], splits, axes | {"seed": tuple(seeds)}))
        records, driver = train_groups([group], watch.callbacks)
    fits = []
    with precision(spec.training):
        for (_, _, result), hyper in zip(records, hypers, strict=True):
            assert result is not None
            epochs, state = epochs_of(result.history, spec, splits), jax.device_put(result.state)
            fit = fit_of(spec, hyper, state, epochs, splits, driver.compile_seconds, preparation)
            fits.append(fit._replace(stop_reason=result.status))
    watch.callbacks.on_run_end(RunEnd("stopped" if driver.stopped else "finished", {"trials": len(fits)}))
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


def train_groups(
    groups: Sequence[Group],
    callbacks: Callbacks,
    prune: Prune | None = None,
    configurations: Sequence[int] = (),
    spare: int = 0,
) -> tuple[list[Record], Driver]:
    """The records of all trials, in their order, and the driver that trained them; `spare` as in `local_workers`."""
    records: list[Record] = []
    journal = Memory(records.append)
    units = sum(len(cut(group, number, 0, 0, group.numbers)) for number, group in enumerate(groups))
    executor = Local(groups, local_workers(units, spare), journal)
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
