"""Many perceptrons trained side by side on the devices of this host, as one program: compiled, called, evaluated."""

import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from jaxmlp import xla_flags
from jaxmlp.nn.network import Layer, Params
from jaxmlp.perceptron.online import BLOCK, Online, OnlineState, advance, begin, window
from jaxmlp.spec import Examples, Hyper, Spec, Splits
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Measured
from jaxmlp.training.evaluation import evaluate
from jaxmlp.training.fitting import PRNG, traced
from jaxmlp.training.validation import check_section

TOGETHER = 16  # trials of one vmap on a CPU: their weights stay in its cache; groups run in turn
CALL_STEPS = 65_536  # steps of all trials in a call of the program: some tenths of a second


class Learnt(NamedTuple):
    """A trained perceptron, and how it was trained."""

    params: Params
    steps: int
    stop_reason: str  # threshold, max_steps, diverged; stopped: by a callback
    error: float  # of the example drawn last
    curve: list[tuple[int, float]]  # for each window: the step it ends with, and the mean error of its examples
    validation: Measured
    test: Measured


class OnlineFit(NamedTuple):
    """Perceptrons trained side by side."""

    trials: list[Learnt]
    compile_seconds: float
    seconds: float  # of learning


def fit_online(
    spec: Spec,
    trials: Sequence[tuple[Online, int]],
    splits: Splits,
    callbacks: Callbacks | None = None,
) -> OnlineFit:
    """Learn one perceptron for each pair of hyperparameters and seed, all in one program, on all devices that JAX has.

    The same `spec` and count of trials compile once.

    Args:
        spec: As `one_layer` makes it.
        trials: Hyperparameters and a seed for each perceptron.
        splits: Training, validation and test examples.
        callbacks: Its `on_call_end` gets the steps of the furthest trial after every call of the program, some tenths of a
            second; its `should_stop` ends the training.

    Raises:
        UsageError: for a value out of its range.
    """
    callbacks = callbacks or Callbacks()
    for online, _ in trials:
        check_section("online", online)
    devices = jax.local_devices()[: len(trials)]
    xla_flags.restore()  # there are devices, so XLA has read them
    share = -(-len(trials) // len(devices))  # of a device
    slots = [min(i, len(trials) - 1) for i in range(share * len(devices))]  # what pads the last device never runs
    online = Online._make(jnp.asarray([trials[i][0][n] for i in slots], dtype) for n, dtype in enumerate(_DTYPES))
    keys = jnp.stack([jax.random.key(trials[i][1], impl=PRNG) for i in slots])
    states = _begin_all(spec, online, keys)._replace(stopped=jnp.arange(len(slots)) >= len(trials))

    mesh = Mesh(np.asarray(devices), ("trials",))
    states = jax.device_put(states, NamedSharding(mesh, PartitionSpec("trials")))  # as `advance` returns them
    together = share if devices[0].platform != "cpu" else -(-share // -(-share // TOGETHER))
    train, until = jax.device_put(splits.train), jnp.asarray(0, jnp.int32)
    callbacks.on_compile("-".join(map(str, spec.sizes)))
    started = time.perf_counter()
    compiled = _advance_all.lower(spec, mesh, together, online, keys, train, states, until).compile()
    compile_seconds = time.perf_counter() - started
    while np.any(~np.asarray(states.stopped) & (np.asarray(states.steps) < np.asarray(online.max_steps))):
        until = until + max(CALL_STEPS // len(slots), BLOCK)
        states = compiled(online, keys, train, states, until)
        callbacks.on_call_end(int(np.max(np.asarray(states.steps))))
        if callbacks.should_stop():
            break
    callbacks.on_train_end()
    seconds = time.perf_counter() - started - compile_seconds
    states, online = jax.device_get((states, online))
    layers = jax.device_put(jax.tree.map(lambda leaf: leaf[: len(trials)], states.layer), devices[0])
    validation, test = (_measure_all(spec, layers, part) for part in (splits.validation, splits.test))
    results = [jax.tree.map(lambda leaf, i=i: leaf[i], (states, online)) for i in range(len(trials))]
    learnt = [_learnt(*result, *parts) for result, *parts in zip(results, validation, test, strict=True)]
    return OnlineFit(learnt, compile_seconds, seconds)


_DTYPES = (jnp.float32, jnp.float32, jnp.float32, jnp.int32)  # of the fields of Online
_begin_all = jax.jit(jax.vmap(begin, in_axes=(None, 0, 0)), static_argnums=0)
_evaluate_all = jax.jit(jax.vmap(evaluate, in_axes=(None, None, 0, None)), static_argnums=0)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _advance_all(
    spec: Spec,
    mesh: Mesh,
    together: int,
    online: Online,
    keys: Array,
    examples: Examples,
    states: OnlineState,
    until: Array,
) -> OnlineState:
    """`advance` for trials shared out to the devices; each device trains its own, `together` at once."""

    def on_device(online: Online, keys: Array, examples: Examples, states: OnlineState, until: Array) -> OnlineState:
        def advance_trial(trial: tuple[Online, Array, OnlineState]) -> OnlineState:
            return advance(spec, trial[0], trial[1], examples, trial[2], until)

        return jax.lax.map(advance_trial, (online, keys, states), batch_size=together if together > 1 else None)

    split, whole = PartitionSpec("trials"), PartitionSpec()
    specs = (split, split, whole, split, whole)
    return jax.shard_map(on_device, mesh=mesh, in_specs=specs, out_specs=split, check_vma=False)(
        online, keys, examples, states, until
    )


def _measure_all(spec: Spec, layers: Layer, examples: Examples) -> list[Measured]:
    loss, correct, count, *_ = jax.device_get(_evaluate_all(spec, traced(spec, Hyper()), (layers,), examples))
    return [Measured(*(number.item() for number in one)) for one in zip(loss, correct, count, strict=True)]


def _learnt(state: OnlineState, online: Online, validation: Measured, test: Measured) -> Learnt:
    steps, error, width = int(state.steps), float(state.error), int(window(online))
    if state.stopped:
        reason = "threshold" if np.isfinite(error) else "diverged"
    else:
        reason = "max_steps" if steps == online.max_steps else "stopped"
    starts = range(0, steps, width)
    ends = [min(start + width, steps) for start in starts]
    curve = [(end, float(total) / (end - start)) for start, end, total in zip(starts, ends, state.errors, strict=False)]
    params = (jax.tree.map(jnp.asarray, state.layer),)
    return Learnt(params, steps, reason, error, curve, validation, test)
