"""Training of one network on this host: compile once, train epoch by epoch, call the callbacks, evaluate the result."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp import xla_flags
from jaxmlp.data.preparing import Preparation
from jaxmlp.nn.network import Params
from jaxmlp.spec import Examples, Hyper, Spec, Splits, Training
from jaxmlp.training import beginning
from jaxmlp.training import data_parallel as parallel
from jaxmlp.training.callbacks import Callbacks, ending
from jaxmlp.training.epochs import Epoch, Measured, epoch_row
from jaxmlp.training.evaluation import evaluate
from jaxmlp.training.events import NewBest, RunEnd
from jaxmlp.training.loop import EpochLog, TrainState, advance, begin, running
from jaxmlp.training.model import Model, checked_preparation
from jaxmlp.training.precision import in_dtype, precision
from jaxmlp.training.result import Fit, check_start
from jaxmlp.training.validation import check, check_data
from jaxmlp.training.watching import watched

PRNG = "threefry2x32"  # counter-based and the same on every backend; recorded with a run

OPTIMISED_LESS = {"xla_backend_optimization_level": 1}  # what runs once, in every command: compiled in half the time

compiled_begin = jax.jit(begin, static_argnums=0, compiler_options=OPTIMISED_LESS)
compiled_advance = jax.jit(advance, static_argnums=0, static_argnames="epochs")
compiled_evaluate = jax.jit(evaluate, static_argnums=0)


class Placement(NamedTuple):
    """Where a network is trained."""

    advance: jax.stages.Wrapped  # jitted for it
    put: Callable[[Any], Any]  # moves arguments there
    fetch: Callable[[Any], Any]  # moves results to one device, where they are evaluated and kept


ONE_DEVICE = Placement(compiled_advance, jax.device_put, lambda tree: tree)


def fit(
    spec: Spec,
    hyper: Hyper,
    splits: Splits,
    seed: int = 0,
    *,
    preparation: Preparation | None = None,
    callbacks: Callbacks | Sequence[Callbacks] | None = None,
    progress: bool | str = "auto",
    start: Fit | None = None,
    data_parallel: bool = False,
) -> Fit:
    """Train one network, and evaluate its best epoch on the validation and the test examples.

    Minimises E = mean data loss + l1 sum |w| + l2/2 sum w^2 by minibatches, until early stopping, `max_epochs` or a loss
    that is not finite. The same arguments give the same bits on the same machine; a new value of `hyper` or `seed`
    compiles nothing anew. Ctrl-C ends it after the epoch, and what there is by then is returned.

    Args:
        spec: What is compiled: the network, the training, and how many inputs and outputs there are.
        hyper: The hyperparameters, traced; one that this training does not read must be left at its default.
        splits: Training, validation and test examples, as NumPy or JAX arrays: x [N, D]; targets [N] of 0 to K-1, or [N, K].
        seed: Fixes the first weights, the order of the examples and dropout.
        preparation: How `splits` came from the data, for the model; None: x is taken as it is, classes are 0 to K-1.
        callbacks: One or several: they see every epoch as it ends; once a `should_stop` is true, the result is that of the
            epochs so far.
        progress: Whether a bar is drawn, on a terminal or in a notebook; "auto": once training takes longer than a second.
        start: An earlier result to go on from, of the same spec but for max_epochs. With the same hyper, splits and seed
            the epochs have the same bits as without the stop, unless the schedule reads max_epochs.
        data_parallel: Whether every minibatch is split over all devices; the result is the same to rounding.

    Returns:
        The model of the best epoch with its validation and test results, and the metrics of every epoch.

    Raises:
        UsageError: for a name in `spec` or a value in `hyper` that is unknown, out of range or never read, for data of
            another shape than `spec` says, a `start` of another spec, and where the devices cannot share a batch equally.
        JaxmlpError: where `data_parallel` finds only one device.

    Example:
        splits, preparation = jaxmlp.prepare(jaxmlp.load_data(jaxmlp.Data("digits")), jaxmlp.Data("digits"))
        spec = jaxmlp.Spec(jaxmlp.Network(hidden=(32,)), jaxmlp.Training(max_epochs=20), inputs=64, outputs=10)
        fit = jaxmlp.fit(spec, jaxmlp.Hyper(learning_rate=0.3), splits, preparation=preparation)
        print(fit.test.accuracy, fit.model.predict(images))
    """
    check(spec, hyper)
    check_data(spec, splits)
    preparation = checked_preparation(spec, splits, preparation)
    if start is not None:
        check_start(spec, start)
    placement = placement_for(spec.training, data_parallel=data_parallel)
    with precision(spec.training):
        traced_hyper, key, state = initial(spec, hyper, seed)
        epochs = [] if start is None else list(start.epochs)
        state, stop = state if start is None else start.state, False
        with watched(callbacks, progress) as watch, ending(watch.callbacks):
            watch.callbacks.on_run_begin(beginning.of_fit(spec, hyper, seed, splits, start))
            program, state = compile_epoch(spec, traced_hyper, key, splits, state, placement, watch.callbacks)
            for done in train(program, state, watch.callbacks):
                state, stop = done.state, done.stop
                epochs.append(done.epoch)
        stopped = stop and bool(running(spec, program.hyper, state))
        state, splits = placement.fetch((state, program.splits))
        result = fit_of(spec, program.hyper, state, epochs, splits, program.compile_seconds, preparation)
    if stopped:
        result = result._replace(stop_reason="interrupted" if watch.interruption.signalled else "stopped")
    status = "stopped" if stopped else "finished"
    watch.callbacks.on_run_end(RunEnd(status, result.summary, model=result.model))
    return result


def placement_for(training: Training, *, data_parallel: bool) -> Placement:
    """One device, or all of them. Raises JaxmlpError and UsageError as `data_parallel.mesh_for` does."""
    if not data_parallel:
        return ONE_DEVICE
    mesh = parallel.mesh_for(training)
    return Placement(parallel.compiled_advance(mesh), partial(parallel.replicated, mesh), parallel.on_the_first)


def traced(spec: Spec, hyper: Hyper) -> Hyper:
    """The hyperparameters as arrays, so that a new value never compiles anew."""
    return jax.tree.map(jnp.asarray, typed(spec, hyper))


def typed(spec: Spec, hyper: Hyper) -> Hyper:
    """The hyperparameters in NumPy, `training.dtype` or int32 as its default is, so that 1 and 1.0 are the same program."""
    kinds = (np.int32 if type(default) is int else np.dtype(spec.training.dtype) for default in Hyper())
    return Hyper._make(np.asarray(value, kind) for value, kind in zip(hyper, kinds, strict=True))


def initial(spec: Spec, hyper: Hyper, seed: int) -> tuple[Hyper, jax.Array, TrainState]:
    """The traced hyperparameters, the key of a seed, and the state before the first epoch."""
    key, hyper = jax.random.key(seed, impl=PRNG), traced(spec, hyper)
    xla_flags.restore()  # there are arrays, so XLA has read them
    return hyper, key, compiled_begin(spec, hyper, key)


class Program(NamedTuple):
    """`advance` compiled for one epoch of a network, with all its arguments but the state where it runs."""

    spec: Spec
    advance: Callable[[Hyper, jax.Array, Splits, TrainState], tuple[TrainState, EpochLog]]
    hyper: Hyper
    key: jax.Array
    splits: Splits
    compile_seconds: float


def compile_epoch(
    spec: Spec,
    hyper: Hyper,
    key: jax.Array,
    splits: Splits,
    state: TrainState,
    placement: Placement = ONE_DEVICE,
    callbacks: Callbacks | None = None,
) -> tuple[Program, TrainState]:
    """The program of a network, and its state where the program runs. What was compiled before is taken from a cache."""
    if callbacks is not None:
        callbacks.on_compile("-".join(map(str, spec.sizes)))
    hyper, key, splits, state = placement.put((hyper, key, in_dtype(spec.training, splits), state))
    started = time.perf_counter()
    compiled = placement.advance.lower(spec, hyper, key, splits, state).compile()
    return Program(spec, compiled, hyper, key, splits, time.perf_counter() - started), state


class EpochDone(NamedTuple):
    """What the host loop yields after each epoch."""

    state: TrainState
    epoch: Epoch
    stop: bool  # the callbacks ask to stop here


def train(program: Program, state: TrainState, callbacks: Callbacks) -> Iterator[EpochDone]:
    """Train epoch by epoch until none is left or the callbacks ask to stop: the loop of `fit` and of every run."""
    spec, splits = program.spec, program.splits
    callbacks.on_train_begin(int(state.epoch), spec.training.max_epochs, len(splits.train.x))
    stop = False
    while not stop:
        started = time.perf_counter()
        state, log = jax.block_until_ready(program.advance(program.hyper, program.key, splits, state))
        seconds = time.perf_counter() - started
        log = jax.tree.map(np.asarray, log)
        if not log.ran[0]:
            break
        epoch = epoch_row(spec, splits, log, 0, int(state.epoch), seconds)
        callbacks.on_epoch_end(epoch)
        if int(state.stopping.best_epoch) == epoch.epoch:
            callbacks.on_best(NewBest(epoch.epoch, epoch.validation))
        stop = callbacks.should_stop()
        yield EpochDone(state, epoch, stop)
    callbacks.on_train_end()


def fit_of(
    spec: Spec,
    hyper: Hyper,
    state: TrainState,
    epochs: list[Epoch],
    splits: Splits,
    compile_seconds: float,
    preparation: Preparation,
) -> Fit:
    """The result of a training that has reached `state`: its best parameters, evaluated once on the test examples."""
    return Fit(
        model=Model(spec, state.best_params, preparation),
        state=state,
        epochs=epochs,
        best_epoch=int(state.stopping.best_epoch),
        stop_reason=stop_reason(spec, state),
        validation=measure(spec, hyper, state.best_params, splits.validation),
        test=measure(spec, hyper, state.best_params, splits.test),
        compile_seconds=compile_seconds,
    )


def measure(spec: Spec, hyper: Hyper, params: Params, examples: Examples) -> Measured:
    """The mean loss of a split; the exact count of its correct examples, or R2 and the mean absolute error of its values."""
    with precision(spec.training):
        examples = in_dtype(spec.training, examples)
        evaluated = jax.device_get(compiled_evaluate(spec, typed(spec, hyper), params, examples))
    metrics = {name: None if metric is None else metric.item() for name, metric in evaluated._asdict().items()}
    return Measured(**metrics)  # pyright: ignore[reportArgumentType]


def stop_reason(spec: Spec, state: TrainState) -> str:
    """Why there is no further epoch: diverged, max_epochs or early_stopping."""
    if bool(state.stopping.diverged):
        return "diverged"
    return "max_epochs" if int(state.epoch) >= spec.training.max_epochs else "early_stopping"
