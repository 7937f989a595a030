"""Epochs by minibatches: a compiled call trains some of them, and this host keeps what the estimators show."""

import time
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from jaxmlp.spec import Hyper, Spec, Splits
from jaxmlp.training.loop import EpochLog, TrainState, epoch, running, skip_epoch

LOGGED = 256  # epochs that one call can log
SECONDS = 0.2  # that a call should take: an interruption waits for its end


class Progress(NamedTuple):
    """What a call has come to."""

    state: TrainState
    log: EpochLog  # of the epochs of the call, in NumPy
    running: bool  # whether early stopping lets it go on


Carry = tuple[TrainState, EpochLog, Int[Array, ""]]


@partial(jax.jit, static_argnums=0)
def train(
    spec: Spec, hyper: Hyper, key: Key[Array, ""], splits: Splits, state: TrainState, until: Int[Array, ""]
) -> tuple[TrainState, EpochLog, Int[Array, ""], Bool[Array, ""]]:
    """Train up to epoch `until`, but for LOGGED epochs at most and no longer than early stopping allows.

    `until` is traced: one program serves any number of epochs, and ends with the epoch that early stopping ends.
    Returns the state, the log of each epoch [LOGGED], how many epochs there were, and whether early stopping allows more.
    """
    row = skip_epoch(spec, splits.train, state)[1]
    log = jax.tree.map(lambda leaf: jnp.zeros((LOGGED, *leaf.shape), leaf.dtype), row)

    def more(carry: Carry) -> Array:
        state, _, done = carry
        return running(spec, hyper, state) & (state.epoch < until) & (done < LOGGED)

    def one_more(carry: Carry) -> Carry:
        state, log, done = carry
        state, row = epoch(spec, hyper, key, splits, state, state.epoch)
        return state, jax.tree.map(lambda rows, row: rows.at[done].set(row), log, row), done + 1

    state, log, done = jax.lax.while_loop(more, one_more, (state, log, jnp.asarray(0, jnp.int32)))
    return state, log, done, running(spec, hyper, state)


def in_calls(
    spec: Spec, hyper: Hyper, key: jax.Array, splits: Splits, state: TrainState, epochs: int
) -> Iterator[Progress]:
    """Train `epochs` epochs, or as many as early stopping allows, in calls of about SECONDS each."""
    last, size = int(state.epoch) + epochs, 2
    going = True
    while going and int(state.epoch) < last:
        started = time.perf_counter()
        until = np.asarray(min(int(state.epoch) + size, last), np.int32)
        state, log, done, more = jax.block_until_ready(train(spec, hyper, key, splits, state, until))
        seconds = time.perf_counter() - started
        log = jax.tree.map(lambda leaf: leaf[: int(done)], jax.device_get(log))  # noqa: B023
        going = bool(more)
        yield Progress(state, log, going)
        size = int(np.clip(size * SECONDS / seconds, size / 2, 8 * size).clip(1, LOGGED))


def resumed(hyper: Hyper, start: TrainState, before: TrainState | None, *, same_rule: bool) -> TrainState:
    """A training that goes on: what early stopping remembers, and the state of the update rule where it is the same one.

    A training that has stopped has one epoch more, which it ends with unless there was progress.
    """
    if before is None:
        return start
    patience = max(int(hyper.patience) - 1, 0)
    remembered = before.stopping
    stale = np.minimum(remembered.stale, patience).astype(np.int32)
    cuts = remembered.cuts if same_rule else start.stopping.cuts
    kept = remembered._replace(stale=stale, cuts=cuts, diverged=np.asarray(False))
    start = start._replace(stopping=kept, best_params=before.best_params)
    return start._replace(opt_state=before.opt_state, epoch=before.epoch) if same_rule else start
