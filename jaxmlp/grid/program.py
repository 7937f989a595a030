"""Many trainings as one program: rows of trials that share their batches, rows side by side, devices apart.

A trial is a network with numbers and a seed of its own. Trials with one seed, at the same epoch, make a row: they see
the same batches, so a row gathers a batch once, and its first layer is one wide product. The arrays of a program are
[devices, S, P]: on each device S rows of P trials. Devices lie along a mesh axis and need nothing of each other.
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Int, Key, PyTree

from jaxmlp.spec import Hyper, Spec, Splits
from jaxmlp.training import fitting, loop
from jaxmlp.training.loop import EpochLog, TrainState, running

AXIS = "trials"
Devices = Sequence[Any]  # of jax.Device, which is no type to a checker


class Slab(NamedTuple):
    """What one call of a program works on: leaves of [devices, S, ...], of hyper and state [devices, S, P, ...]."""

    hyper: Hyper
    keys: Key[Array, "devices S"]  # of each row: what its seed gives
    state: TrainState
    clocks: Int[Array, "devices S"]  # epochs done by the running trials of each row


class Advanced(NamedTuple):
    """A slab after a call: its new state and clocks, which trials have not ended, and what E epochs came to."""

    state: TrainState
    clocks: Int[Array, "devices S"]
    live: Bool[Array, "devices S P"]
    log: EpochLog  # [devices, S, P, E]


def advance_rows(
    spec: Spec, epochs: int, hyper: Hyper, keys: Array, splits: Splits, state: TrainState, clocks: Array, until: Array
) -> Advanced:
    """`loop.advance` for S rows of P trials [S, P], by a vmap over numbers and states only, up to the epoch `until`.

    A trial that has stopped stays as it is, but costs its place until the slab is packed anew; a slab whose trials
    have all stopped costs nothing. Equals `loop.advance` to rounding.
    """
    S, P = jnp.shape(hyper.learning_rate)

    def row(hyper: Hyper, key: Array, state: TrainState, clock: Array) -> tuple[TrainState, EpochLog]:
        def trial(hyper: Hyper, state: TrainState) -> tuple[TrainState, EpochLog]:
            return loop.epoch(spec, hyper, key, splits, state, clock)

        return _vmap(trial, P)(hyper, state)

    def one(carry: tuple[TrainState, Array], _: None) -> tuple[tuple[TrainState, Array], EpochLog]:
        state, clocks = carry
        on = _live(spec, hyper, state) & (clocks < until)[:, None]

        def train(state: TrainState) -> tuple[TrainState, EpochLog]:
            return jax.tree.map(partial(_choose, on), _vmap(row, S)(hyper, keys, state, clocks), rest(state))

        state, log = jax.lax.cond(jnp.any(on), train, rest, state)
        return (state, clocks + 1), log

    def rest(state: TrainState) -> tuple[TrainState, EpochLog]:
        return jax.vmap(jax.vmap(loop.rest))(state)

    (state, clocks), log = jax.lax.scan(one, (state, clocks), length=epochs)
    log = jax.tree.map(lambda column: jnp.moveaxis(column, 0, -1), log)  # [S, P, E]
    return Advanced(state, clocks, _live(spec, hyper, state), log)


def advance_alone(
    spec: Spec, epochs: int, hyper: Hyper, keys: Array, splits: Splits, state: TrainState, clocks: Array, until: Array
) -> Advanced:
    """`loop.advance` itself for a single trial [1, 1]: the same bits."""
    alone, number = jax.tree.map(lambda leaf: leaf[0, 0], (state, hyper))

    def one(state: TrainState, _: None) -> tuple[TrainState, EpochLog]:
        advance = partial(loop.advance, spec, number, keys[0], splits)
        state, log = jax.lax.cond(state.epoch < until, advance, _rest_alone, state)
        return state, jax.tree.map(lambda column: column[0], log)

    alone, log = jax.lax.scan(one, alone, length=epochs)
    state, log = jax.tree.map(lambda leaf: leaf[None, None], (alone, log))
    return Advanced(state, clocks + epochs, _live(spec, hyper, state), log)


def _rest_alone(state: TrainState) -> tuple[TrainState, EpochLog]:
    state, log = loop.rest(state)
    return state, jax.tree.map(lambda column: column[None], log)


def _live(spec: Spec, hyper: Hyper, state: TrainState) -> Bool[Array, "S P"]:
    return jax.vmap(jax.vmap(partial(running, spec)))(hyper, state)


def _vmap(function: Callable[..., Any], size: int) -> Callable[..., Any]:
    """`jax.vmap`, but an axis of 1 is no axis: what is not batched compiles to better code."""
    if size > 1:
        return jax.vmap(function)

    def single(*arguments: PyTree) -> PyTree:
        found = function(*jax.tree.map(lambda leaf: leaf[0], arguments))
        return jax.tree.map(lambda leaf: leaf[None], found)

    return single


def _choose(on: Bool[Array, "S P"], new: Array, old: Array) -> Array:
    return jnp.where(on.reshape(on.shape + (1,) * (new.ndim - 2)), new, old)


def mesh_of(devices: Devices) -> Mesh:
    """The devices along the axis "trials"."""
    return jax.make_mesh((len(devices),), (AXIS,), devices=devices, axis_types=(AxisType.Auto,))


def shared_out(mesh: Mesh) -> NamedSharding:
    """The first axis over the devices."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def everywhere(mesh: Mesh) -> NamedSharding:
    """A copy for each device."""
    return NamedSharding(mesh, PartitionSpec())


def slab(mesh: Mesh, hyper: Hyper, seeds: Sequence[int], state: TrainState, clocks: np.ndarray) -> Slab:
    """NumPy arrays of [devices, S, ...] on the devices of a mesh; `seeds` are those of the rows, one after the other."""
    words = [np.asarray(jax.random.key_data(jax.random.key(seed, impl=fitting.PRNG))) for seed in seeds]
    data = np.stack(words).reshape(*clocks.shape, -1)
    hyper, data, state, placed = jax.device_put((hyper, data, state, clocks), shared_out(mesh))
    return Slab(hyper, jax.random.wrap_key_data(data, impl=fitting.PRNG), state, placed)


@lru_cache
def compiled(spec: Spec, mesh: Mesh, epochs: int, *, alone: bool) -> Callable[[Slab, Splits, Array], Advanced]:
    """A call for slabs on a mesh, of so many epochs; compiles once for each S x P. `alone`: S and P are 1, bits are kept."""
    program = partial(advance_alone if alone else advance_rows, spec, epochs)
    trial, whole = PartitionSpec(AXIS), PartitionSpec()

    def on_device(slab: Slab, splits: Splits, until: Array) -> Advanced:
        mine = jax.tree.map(lambda leaf: leaf[0], slab)
        advanced = program(mine.hyper, mine.keys, splits, mine.state, mine.clocks, until)
        return jax.tree.map(lambda leaf: leaf[None], advanced)

    sharded = jax.shard_map(on_device, mesh=mesh, in_specs=(trial, whole, whole), out_specs=trial, check_vma=False)
    return jax.jit(sharded)


class Programs:
    """The compiled calls of a spec on some devices, and the data that they work on."""

    def __init__(self, spec: Spec, devices: Devices, epochs: int, *, alone: bool) -> None:
        self.mesh = mesh_of(devices)
        self.shapes: set[tuple[int, ...]] = set()  # of slabs that were compiled for, before an interruption too
        self.compile_seconds = 0.0
        self._program = compiled(spec, self.mesh, epochs, alone=alone)
        self._ready: set[tuple[int, ...]] = set()
        self._splits: Splits | None = None

    def load(self, splits: Splits) -> None:
        """Put the data on every device."""
        self._splits = jax.device_put(splits, everywhere(self.mesh))

    def unload(self) -> None:
        """Drop the data."""
        self._splits = None

    def call(self, slab: Slab, until: int) -> tuple[Advanced, float]:
        """A slab after a call, and the seconds it took, compiling apart."""
        shape = jnp.shape(slab.hyper.learning_rate)
        self.shapes.add(shape)
        if shape not in self._ready:  # compiled by a call that runs no epoch
            _, seconds = self._timed(slab, 0)
            self.compile_seconds += seconds
            self._ready.add(shape)
        return self._timed(slab, until)

    def _timed(self, slab: Slab, until: int) -> tuple[Advanced, float]:
        if self._splits is None:
            raise RuntimeError("load the data first")
        started = time.perf_counter()
        advanced = jax.block_until_ready(self._program(slab, self._splits, jnp.asarray(until, jnp.int32)))
        return advanced, time.perf_counter() - started
