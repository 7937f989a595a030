"""Many trainings as one program on one device: trials that share their batches of examples, side by side.

Trials with one seed, at the same epoch, make a seed group: they see the same examples in the same order, so a seed group
gathers a batch of examples once, and its first layer is one wide product. The arrays of a batch of trials are [S, P]: S
seed groups of P trials.
"""

import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding
from jaxtyping import Array, Bool, Int, Key, PyTree

from jaxmlp.spec import Hyper, Spec, Splits
from jaxmlp.training import fitting, loop, registering
from jaxmlp.training.loop import EpochLog, TrainState, running
from jaxmlp.training.precision import in_dtype

Device = Any  # a jax.Device, which is no type to a checker


class TrialBatch(NamedTuple):
    """The trials that one call advances: leaves of [S, ...], of hyper and state [S, P, ...]."""

    hyper: Hyper
    keys: Key[Array, "S"]  # of the seed of each seed group
    state: TrainState
    clocks: Int[Array, "S"]  # epochs done by the active trials of each seed group


class Advanced(NamedTuple):
    """A batch of trials after a call of E epochs."""

    state: TrainState
    clocks: Int[Array, "S"]
    unfinished: Bool[Array, "S P"]
    log: EpochLog  # [S, P, E]


def advance_seed_groups(
    spec: Spec, epochs: int, hyper: Hyper, keys: Array, splits: Splits, state: TrainState, clocks: Array, until: Array
) -> Advanced:
    """`loop.advance` for S seed groups of P trials [S, P], by a vmap over hyper and state only, up to the epoch `until`.

    A trial that has finished stays as it is, but costs its slot until the trials are repacked; a batch of finished trials
    costs nothing. Equals `loop.advance` to rounding.
    """
    S, P = jnp.shape(hyper.learning_rate)

    def seed_group(hyper: Hyper, key: Array, state: TrainState, clock: Array) -> tuple[TrainState, EpochLog]:
        def trial(hyper: Hyper, state: TrainState) -> tuple[TrainState, EpochLog]:
            return loop.epoch(spec, hyper, key, splits, state, clock)

        return _vmap(trial, P)(hyper, state)

    def epoch_or_skip(carry: tuple[TrainState, Array], _: None) -> tuple[tuple[TrainState, Array], EpochLog]:
        state, clocks = carry
        active = _unfinished(spec, hyper, state) & (clocks < until)[:, None]

        def train(state: TrainState) -> tuple[TrainState, EpochLog]:
            trained = _vmap(seed_group, S)(hyper, keys, state, clocks)
            return jax.tree.map(partial(_choose, active), trained, skip_epoch(state))

        state, log = jax.lax.cond(jnp.any(active), train, skip_epoch, state)
        return (state, clocks + 1), log

    def skip_epoch(state: TrainState) -> tuple[TrainState, EpochLog]:
        return jax.vmap(jax.vmap(partial(loop.skip_epoch, spec, splits.train)))(state)

    (state, clocks), log = jax.lax.scan(epoch_or_skip, (state, clocks), length=epochs)
    log = jax.tree.map(lambda column: jnp.moveaxis(column, 0, -1), log)  # [S, P, E]
    return Advanced(state, clocks, _unfinished(spec, hyper, state), log)


def advance_alone(
    spec: Spec, epochs: int, hyper: Hyper, keys: Array, splits: Splits, state: TrainState, clocks: Array, until: Array
) -> Advanced:
    """`loop.advance` itself for a single trial [1, 1]: the same bits."""
    state, hyper = jax.tree.map(lambda leaf: leaf[0, 0], (state, hyper))

    def skip_epoch(state: TrainState) -> tuple[TrainState, EpochLog]:
        state, log = loop.skip_epoch(spec, splits.train, state)
        return state, jax.tree.map(lambda column: column[None], log)

    def epoch_or_skip(state: TrainState, _: None) -> tuple[TrainState, EpochLog]:
        advance = partial(loop.advance, spec, hyper, keys[0], splits)
        state, log = jax.lax.cond(state.epoch < until, advance, skip_epoch, state)
        return state, jax.tree.map(lambda column: column[0], log)

    state, log = jax.lax.scan(epoch_or_skip, state, length=epochs)
    state, hyper, log = jax.tree.map(lambda leaf: leaf[None, None], (state, hyper, log))
    return Advanced(state, clocks + epochs, _unfinished(spec, hyper, state), log)


def _unfinished(spec: Spec, hyper: Hyper, state: TrainState) -> Bool[Array, "S P"]:
    return jax.vmap(jax.vmap(partial(running, spec)))(hyper, state)


def _vmap(function: Callable[..., Any], size: int) -> Callable[..., Any]:
    """`jax.vmap`, but an axis of 1 is no axis: what is not batched compiles to better code."""
    if size > 1:
        return jax.vmap(function)

    def single(*arguments: PyTree) -> PyTree:
        result = function(*jax.tree.map(lambda leaf: leaf[0], arguments))
        return jax.tree.map(lambda leaf: leaf[None], result)

    return single


def _choose(active: Bool[Array, "S P"], new: Array, old: Array) -> Array:
    return jnp.where(active.reshape(active.shape + (1,) * (new.ndim - 2)), new, old)


def trial_batch(
    device: Device, hyper: Hyper, seeds: Sequence[int], state: TrainState, clocks: np.ndarray
) -> TrialBatch:
    """NumPy arrays of [S, ...] on a device; `seeds` are those of the seed groups, in their order."""
    words = [np.asarray(jax.random.key_data(jax.random.key(seed, impl=fitting.PRNG))) for seed in seeds]
    hyper, data, state, placed = jax.device_put((hyper, np.stack(words), state, clocks), device)
    return TrialBatch(hyper, jax.random.wrap_key_data(data, impl=fitting.PRNG), state, placed)


def batch_shapes(device: Device, spec: Spec, shape: tuple[int, ...]) -> TrialBatch:
    """A batch of trials of this shape [S, P] without its arrays: what a program is compiled for."""
    place, first = SingleDeviceSharding(device), loop.state_shapes(spec)
    hyper, state = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((*shape, *leaf.shape), leaf.dtype, sharding=place),
        (fitting.typed(spec, Hyper()), first),
    )
    key = jax.eval_shape(partial(jax.random.key, impl=fitting.PRNG), 0)
    keys, clocks = (jax.ShapeDtypeStruct(shape[:1], kind, sharding=place) for kind in (key.dtype, np.dtype(np.int32)))
    return TrialBatch(hyper, keys, state, clocks)  # pyright: ignore[reportArgumentType]


def compile_call(spec: Spec, epochs: int, shapes: TrialBatch, splits: Splits, *, alone: bool) -> jax.stages.Compiled:
    """A call of so many epochs for a batch of trials and data of these shapes; `alone`: of one trial, exactly.

    The call takes a batch of trials, splits, and the epoch at which trials stop; it returns `Advanced`.
    """
    program = partial(advance_alone if alone else advance_seed_groups, spec, epochs)

    def call(batch: TrialBatch, splits: Splits, until: Array) -> Advanced:
        hyper, keys, state, clocks = batch
        return program(hyper, keys, splits, state, clocks, until)

    until = jax.ShapeDtypeStruct((), np.int32, sharding=shapes.clocks.sharding)
    return jax.jit(call).lower(shapes, splits, until).compile()


Compiled = tuple[jax.stages.Compiled, float]  # and the seconds it took to compile
PROGRAMS: dict[Hashable, Future[Compiled]] = {}  # of this process, for all its threads
MOST_PROGRAMS = 128  # the oldest is dropped
LOCK = Lock()  # of PROGRAMS


class Programs:
    """The compiled calls of a spec on a device, and the data that they work on."""

    def __init__(
        self, spec: Spec, device: Device, epochs: int, *, alone: bool, on_compile: Callable[[str], None] | None = None
    ) -> None:
        self.spec, self.device, self.epochs, self.alone = spec, device, epochs, alone
        self.on_compile = on_compile or (lambda _: None)
        self.compiles = 0
        self.compile_seconds = 0.0  # spent here
        self.seconds_of: dict[Hashable, float] = {}  # that compiling took, of each program that was called
        self._splits: Splits | None = None

    @property
    def dtype(self) -> str:
        """Of the data."""
        return self.spec.training.dtype

    def load(self, splits: Splits) -> None:
        """Put the data on the device."""
        self._splits = jax.device_put(in_dtype(self.spec.training, splits), self.device)

    def share(self, other: "Programs") -> None:
        """Work on the data of other programs on this device."""
        self._splits = other._splits

    def call(self, batch: TrialBatch, until: int) -> tuple[Advanced, float]:
        """A batch of trials after a call, and the seconds it took, without compiling."""
        if self._splits is None:
            raise RuntimeError("load the data first")
        program = self._program(shapes_of(batch), shapes_of(self._splits))
        started = time.perf_counter()
        advanced = jax.block_until_ready(program(batch, self._splits, np.int32(until)))
        return advanced, time.perf_counter() - started

    def _program(self, shapes: TrialBatch, splits: Splits) -> jax.stages.Compiled:
        """The program for these shapes; compiled, unless this process has compiled it before, or another thread does now."""
        key = (self.spec, self.epochs, shapes, splits, self.alone, len(registering.replaced))
        own: Future[Compiled] = Future()
        with LOCK:
            program = PROGRAMS.setdefault(key, own)
        if program is own:
            self.on_compile("-".join(map(str, self.spec.sizes)))
            started = time.perf_counter()
            try:
                compiled = compile_call(self.spec, self.epochs, shapes, splits, alone=self.alone)
                own.set_result((compiled, time.perf_counter() - started))
            except BaseException as error:
                with LOCK:
                    PROGRAMS.pop(key, None)
                own.set_exception(error)
                raise
            self.compiles += 1
            self.compile_seconds += own.result()[1]
            with LOCK:
                while len(PROGRAMS) > MOST_PROGRAMS:
                    del PROGRAMS[next(iter(PROGRAMS))]
        compiled, self.seconds_of[key] = program.result()
        return compiled


def shapes_of(tree: Any) -> Any:
    """Arrays without their values: shapes, types, and where they lie."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), tree)
