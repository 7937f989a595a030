"""Our own entries: one network, trained as `fit` does, and a grid, trained as `jaxmlp sweep` does."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp import Callbacks, Examples, Hyper, Network, Spec, Splits, Training
from jaxmlp.bench.task import Contestant, Task, Weights
from jaxmlp.grid import sizing
from jaxmlp.grid.driver import Driver
from jaxmlp.grid.executors import Local, local_workers
from jaxmlp.grid.journal import Memory
from jaxmlp.grid.results import TrialResult
from jaxmlp.grid.trials import Trial
from jaxmlp.grid.units import Group, Record, cut
from jaxmlp.nn.network import Layer, Params
from jaxmlp.training.fitting import compiled_advance, compiled_begin, traced


def single(*training: str) -> Callable[[Task], Contestant]:
    """One network; `training` are fields of `Training` as `name=value`, such as `gradient=delta_rule`."""
    return partial(_single, _fields(training))


def grid(*training: str) -> Callable[[Task], Contestant]:
    """All trials of the grid, packed."""
    return partial(_grid, _fields(training))


def _fields(training: Sequence[str]) -> dict[str, Any]:
    return dict(field.split("=") for field in training)


def _single(training: dict[str, Any], task: Task) -> Contestant:
    spec, splits, key = _spec(task, training), jax.device_put(_splits(task)), jax.random.key(0)
    hyper = traced(spec, _hyper(task, task.learning_rate))
    params = tuple(Layer(jnp.asarray(w), jnp.asarray(b)) for w, b in task.weights())
    first = compiled_begin(spec, hyper, key)._replace(params=params, best_params=params)

    def run() -> Weights:
        state = first
        for _ in range(task.epochs):
            state, _ = jax.block_until_ready(compiled_advance(spec, hyper, key, splits, state))
        return _weights(state.params)

    return Contestant(run, task.epochs)


def _grid(training: dict[str, Any], task: Task) -> Contestant:
    spec, splits = _spec(task, training), _splits(task)
    trials = [Trial(_hyper(task, rate), 0) for rate in task.learning_rates()]
    devices = local_workers(task.trials)
    if task.device == "cpu":
        chunk, seconds, *_ = sizing.probe(spec, splits, devices, task.trials, seeds=1)
    else:  # to compile for each chunk takes longer than it may save
        chunk, seconds = min(task.trials, sizing.guessed_chunk(spec, devices[0].platform)), None
    first: dict[int, Weights] = {}  # the weights of trial 0

    def record(result: TrialResult) -> Record:
        if result.trial == 0:
            first[0] = _weights(result.state.params)
        return Record(result.row(task.examples, 1), {})

    group = Group(
        spec,
        sizing.packing_for(spec, task.examples, devices[0], task.trials, chunk=chunk, seconds=seconds),
        numbers=range(task.trials),
        trial=trials.__getitem__,
        seed=lambda _: 0,
        splits=lambda: splits,
        record=record,
    )
    units = cut(group, number=0, stage=0, until=task.epochs, trials=group.numbers)
    journal = Memory(lambda _: None)
    executor = Local([group], local_workers(len(units)), journal)  # keeps data and programs from run to run

    def run() -> Weights:
        Driver([group], executor, journal, Callbacks()).run()
        return first[0]

    return Contestant(run, task.epochs * task.trials)


def _spec(task: Task, training: dict[str, Any]) -> Spec:
    of_task = Training(batch_size=task.batch, max_epochs=task.epochs, **training)
    return Spec(Network(task.hidden), of_task, task.inputs, task.outputs)


def _hyper(task: Task, learning_rate: float) -> Hyper:
    return Hyper(learning_rate, task.momentum, patience=0)


def _splits(task: Task) -> Splits:
    """Evaluation is not timed: the other splits have one example."""
    x, labels = task.data()
    train = Examples(x, labels.astype(np.int32))  # pyright: ignore[reportArgumentType]
    one = jax.tree.map(lambda leaf: leaf[:1], train)
    return Splits(train, one, one)


def _weights(params: Params) -> Weights:
    return [(np.asarray(layer.w), np.asarray(layer.b)) for layer in params]
