"""The host's side of training: compile once, run epoch by epoch, and say how it ended."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.nn.network import Params
from jaxmlp.spec import Examples, Hyper, Spec, Splits, Training
from jaxmlp.training import data_parallel as parallel
from jaxmlp.training.loop import EpochLog, TrainState, advance, begin, evaluate
from jaxmlp.training.validation import check, check_data, counted

PRNG = "threefry2x32"  # counter-based and the same on every backend; recorded with a run

compiled_begin = jax.jit(begin, static_argnums=0)
compiled_advance = jax.jit(advance, static_argnums=0, static_argnames="epochs")
compiled_evaluate = jax.jit(evaluate, static_argnums=0)


Advance = Callable[..., tuple[TrainState, EpochLog]]


class Place(NamedTuple):
    """Where a network is trained: `advance` compiled for it, how its arguments get there, and how they come back."""

    advance: Advance
    put: Callable[[Any], Any]
    back: Callable[[Any], Any]  # to one device, to be measured and kept


ONE_DEVICE = Place(compiled_advance, jax.device_put, lambda tree: tree)


class Measured(NamedTuple):
    """The mean loss of some examples, and how many of them are right: exact counts."""

    loss: float
    correct: int
    count: int  # pyright: ignore[reportIncompatibleMethodOverride]

    @property
    def accuracy(self) -> float:
        """An integer over an integer."""
        return self.correct / self.count


class Epoch(NamedTuple):
    """What one epoch came to; epochs are counted from 1."""

    epoch: int
    learning_rate: float  # of its last step
    train: Measured  # of the minibatches as they were trained
    validation: Measured
    seconds: float
    disagreement: float | None  # of the two derived gradients, where training.gradient is "both"


class Fit(NamedTuple):
    """A trained network and how it came about."""

    params: Params  # of the best epoch
    state: TrainState
    epochs: list[Epoch]
    best_epoch: int
    stop_reason: str  # early_stopping, max_epochs, diverged
    validation: Measured  # of `params`, like test
    test: Measured
    compile_seconds: float


def fit(spec: Spec, hyper: Hyper, splits: Splits, seed: int = 0, *, data_parallel: bool = False) -> Fit:
    """Train to the end, and measure the best parameters on validation and test rows.

    `splits` may hold NumPy or JAX arrays. The same spec compiles once, whatever the numbers are. With `data_parallel`
    every minibatch is split over all devices; the result is the same to rounding.
    Raises UsageError where `spec` or `hyper` make no sense (an unknown name, a number out of range or never read) or do
    not fit the data, or the devices cannot share a batch equally, and JaxmlpError where there is only one.
    """
    check(spec, hyper)
    check_data(spec, splits)
    place = place_for(spec.training, data_parallel=data_parallel)
    key, numbers = jax.random.key(seed, impl=PRNG), traced(hyper)
    state = compiled_begin(spec, numbers, key)
    numbers, key, splits, state = place.put((numbers, key, splits, state))
    compile_seconds = warm_up(spec, numbers, key, splits, state, place.advance)
    rows = []
    for after, row in run_epochs(spec, numbers, key, splits, state, place.advance):
        state = after
        rows.append(row)
    state, splits = place.back((state, splits))
    return finished(spec, state, rows, splits, compile_seconds)


def place_for(training: Training, *, data_parallel: bool) -> Place:
    """One device, or all of them. Raises JaxmlpError and UsageError as `data_parallel.mesh_for` does."""
    if not data_parallel:
        return ONE_DEVICE
    mesh = parallel.mesh_for(training)
    return Place(parallel.compiled_advance(mesh), partial(parallel.everywhere, mesh), parallel.on_the_first)


def finished(spec: Spec, state: TrainState, rows: list[Epoch], splits: Splits, compile_seconds: float) -> Fit:
    """The result of a training that has come to this state: its best parameters, measured; test rows are read here."""
    return Fit(
        params=state.best_params,
        state=state,
        epochs=rows,
        best_epoch=int(state.stopping.best_epoch),
        stop_reason=stop_reason(spec, state),
        validation=measure(spec, state.best_params, splits.validation),
        test=measure(spec, state.best_params, splits.test),
        compile_seconds=compile_seconds,
    )


def traced(hyper: Hyper) -> Hyper:
    """The numbers as arrays (float32 and int32), so that a new value never compiles anew."""
    return jax.tree.map(jnp.asarray, typed(hyper))


def typed(hyper: Hyper) -> Hyper:
    """The numbers in NumPy, each float32 or int32 as its default is, so that 1 and 1.0 are the same program."""
    kinds = (np.int32 if type(default) is int else np.float32 for default in Hyper())
    return Hyper._make(np.asarray(value, kind) for value, kind in zip(hyper, kinds, strict=True))


def warm_up(
    spec: Spec, hyper: Hyper, key: jax.Array, splits: Splits, state: TrainState, advance: Advance = compiled_advance
) -> float:
    """Compile `advance` and return the seconds it took, by running it on a state that has no epoch left."""
    started = time.perf_counter()
    finished = state._replace(epoch=jnp.full_like(state.epoch, spec.training.max_epochs))  # where it lies itself
    jax.block_until_ready(advance(spec, hyper, key, splits, finished))
    return time.perf_counter() - started


def run_epochs(
    spec: Spec, hyper: Hyper, key: jax.Array, splits: Splits, state: TrainState, advance: Advance = compiled_advance
) -> Iterator[tuple[TrainState, Epoch]]:
    """Run epoch by epoch until there is none left; yields the state after each, and what it came to."""
    while True:
        started = time.perf_counter()
        state, log = jax.block_until_ready(advance(spec, hyper, key, splits, state))
        seconds = time.perf_counter() - started
        log = jax.tree.map(np.asarray, log)
        if not log.ran[0]:
            return
        yield state, epoch_row(spec, splits, log, 0, int(state.epoch), seconds)


def epoch_row(spec: Spec, splits: Splits, log: EpochLog, index: int, epoch: int, seconds: float) -> Epoch:
    """Row `index` of a log [E], for people; it came to pass in epoch `epoch` and took so many seconds."""
    train, validation = (
        Measured(float(loss[index]), int(correct[index]), counted(part))
        for loss, correct, part in (
            (log.train_loss, log.train_correct, splits.train),
            (log.validation_loss, log.validation_correct, splits.validation),
        )
    )
    disagreement = float(log.disagreement[index]) if spec.training.gradient == "both" else None
    return Epoch(epoch, float(log.learning_rate[index]), train, validation, seconds, disagreement)


def measure(spec: Spec, params: Params, examples: Examples) -> Measured:
    """The loss and the exact count of correct rows of a split."""
    loss, correct, count = jax.device_get(compiled_evaluate(spec, params, examples))
    return Measured(float(loss), int(correct), int(count))


def stop_reason(spec: Spec, state: TrainState) -> str:
    """Why there is no further epoch: diverged, max_epochs or early_stopping."""
    if bool(state.stopping.diverged):
        return "diverged"
    return "max_epochs" if int(state.epoch) >= spec.training.max_epochs else "early_stopping"
