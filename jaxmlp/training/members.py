"""Several trainings as one program: members with numbers and seeds of their own, split over the devices.

Members differ in traced values only, so all of them share one compiled program. They lie along the axis "members" of a
mesh, and need nothing of each other: no device waits for another within an epoch. On each device they run `lanes` at a
time: one after the other (1), where a stopped member costs nothing, or vectorised (more), which fills an accelerator.
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxmlp.spec import Hyper, Spec, Splits
from jaxmlp.training import fitting
from jaxmlp.training.checking import check
from jaxmlp.training.fitting import Epoch, Fit
from jaxmlp.training.loop import EpochLog, TrainState, advance, begin

AXIS = "members"


class Programs(NamedTuple):
    """`begin` and `advance` over a leading axis of members, compiled for a mesh."""

    begin: Callable[..., TrainState]
    advance: Callable[..., tuple[TrainState, EpochLog]]


def fit_members(
    spec: Spec,
    hypers: Sequence[Hyper],
    seeds: Sequence[int],
    splits: Splits,
    *,
    lanes: int | None = None,
    on_epoch: Callable[[int, int], None] = lambda running, epochs: None,
) -> list[Fit]:
    """Train one member for each pair of `hypers` and `seeds` (of equal length), to its own end; see `fit`.

    `lanes` defaults to 1 on a CPU and to all members of a device elsewhere. After every epoch `on_epoch` is told how
    many members are still running, and how many epochs all of them have run together.
    Raises UsageError as `fit` does, and ValueError where the lengths differ.
    """
    if len(hypers) != len(seeds) or not seeds:
        raise ValueError(f"{len(hypers)} hypers and {len(seeds)} seeds: as many of one as of the other are wanted")
    for hyper in hypers:
        check(spec, hyper)
    G = len(seeds)
    devices = jax.devices()[: min(G, jax.device_count())]
    mesh = jax.make_mesh((len(devices),), (AXIS,), devices=devices, axis_types=(AxisType.Auto,))
    slots = -(-G // len(devices)) * len(devices)
    programs = compiled(spec, mesh, lanes or (1 if devices[0].platform == "cpu" else slots))

    member = NamedSharding(mesh, PartitionSpec(AXIS))
    filled = [*range(G), *[G - 1] * (slots - G)]  # the last member fills up the places that are left over
    keys = jnp.stack([jax.random.key(seeds[i], impl=fitting.PRNG) for i in filled])
    numbers = jax.tree.map(lambda *values: jnp.stack(values), *(fitting.traced(hypers[i]) for i in filled))
    keys, numbers = jax.device_put((keys, numbers), member)
    shared = jax.device_put(splits, NamedSharding(mesh, PartitionSpec()))
    state = programs.begin(numbers, keys)
    spare = jnp.asarray(np.arange(slots) >= G)
    state = state._replace(epoch=jnp.where(spare, spec.training.max_epochs, state.epoch))

    started = time.perf_counter()
    ended = state._replace(epoch=jnp.full_like(state.epoch, spec.training.max_epochs))
    jax.block_until_ready(programs.advance(numbers, keys, shared, ended))
    compile_seconds = time.perf_counter() - started

    rows: list[list[Epoch]] = [[] for _ in range(G)]
    while True:
        started = time.perf_counter()
        state, log = jax.block_until_ready(programs.advance(numbers, keys, shared, state))
        log = jax.tree.map(lambda column: np.asarray(column)[:G, 0], log)
        running = int(np.sum(log.ran))
        if not running:
            break
        seconds = (time.perf_counter() - started) / running
        for index in np.flatnonzero(log.ran):
            rows[index].append(fitting.epoch_row(spec, splits, log, int(index), len(rows[index]) + 1, seconds))
        on_epoch(running, sum(map(len, rows)))
    return [_member(spec, state, index, rows[index], splits, compile_seconds) for index in range(G)]


@lru_cache
def compiled(spec: Spec, mesh: Mesh, lanes: int) -> Programs:
    """The programs of a spec on a mesh: the same ones for all numbers and seeds."""
    member, everywhere = PartitionSpec(AXIS), PartitionSpec()

    def over_members(program: Callable[..., object]) -> Callable[..., object]:
        if lanes == 1:
            return lambda *xs: jax.lax.map(lambda x: program(*x), xs)
        return lambda *xs: jax.lax.map(lambda x: program(*x), xs, batch_size=lanes)

    def advance_all(numbers: Hyper, keys: jax.Array, splits: Splits, state: TrainState) -> tuple[TrainState, EpochLog]:
        one = lambda hyper, key, state: advance(spec, hyper, key, splits, state)  # noqa: E731
        return over_members(one)(numbers, keys, state)  # pyright: ignore[reportReturnType]

    shard = partial(jax.shard_map, mesh=mesh, check_vma=False)
    return Programs(
        jax.jit(shard(over_members(partial(begin, spec)), in_specs=(member, member), out_specs=member)),
        jax.jit(shard(advance_all, in_specs=(member, member, everywhere, member), out_specs=member)),
    )


def _member(
    spec: Spec, states: TrainState, index: int, rows: list[Epoch], splits: Splits, compile_seconds: float
) -> Fit:
    """The result of one member, measured on one device."""
    state = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf[index])), states)
    return fitting.finished(spec, state, rows, splits, compile_seconds)
