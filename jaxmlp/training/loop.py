"""The training loop: `begin` makes a state, `advance` trains for some epochs, both pure."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxmlp.nn import network
from jaxmlp.nn.gradients import by_autodiff, by_delta_rule, gradient, penalty_term
from jaxmlp.nn.network import Params
from jaxmlp.spec import Examples, Hyper, Spec, Splits
from jaxmlp.training import optimizers, stopping
from jaxmlp.training.evaluation import ShardBatch, evaluate, sums, total_weight, unsharded
from jaxmlp.training.optimizers import OptState
from jaxmlp.training.schedules import learning_rates
from jaxmlp.training.shuffling import permutation
from jaxmlp.training.stopping import Stopping


class TrainState(NamedTuple):
    """Everything that training changes; with spec, hyperparameters, key and data it fixes all that follows."""

    params: Params
    opt_state: OptState
    best_params: Params  # of the epoch with the lowest watched value so far; the first weights before that
    stopping: Stopping
    epoch: Int[Array, ""]  # epochs done


class EpochLog(NamedTuple):
    """The metrics of each epoch of a call, as arrays; an epoch that did not run (`ran` is false) has zeros."""

    ran: Bool[Array, "..."]
    learning_rate: Float[Array, "..."]  # of the last step
    train_loss: Float[Array, "..."]  # of the minibatches as they were trained; the mean over the epoch
    train_correct: Int[Array, "..."]
    validation_loss: Float[Array, "..."]
    validation_correct: Int[Array, "..."]
    disagreement: Float[Array, "..."]  # of the two derived gradients, where training.gradient is "both"; else 0


class Totals(NamedTuple):
    """Sums over the minibatches of an epoch."""

    loss: Float[Array, ""]
    correct: Int[Array, ""]
    disagreement: Float[Array, ""]


def begin(spec: Spec, hyper: Hyper, key: Key[Array, ""]) -> TrainState:
    """The state before the first epoch: weights drawn from the key's stream "init". Pure; every leaf is a typed array."""
    init_key, _, _ = jax.random.split(key, 3)
    params = network.init(spec, hyper, init_key)
    opt_state = optimizers.start(spec.training.optimizer, hyper, params)
    return TrainState(params, opt_state, params, stopping.begin(), jnp.asarray(0, jnp.int32))


def advance(
    spec: Spec,
    hyper: Hyper,
    key: Key[Array, ""],
    splits: Splits,
    state: TrainState,
    epochs: int = 1,
    shard: ShardBatch = unsharded,
) -> tuple[TrainState, EpochLog]:
    """Train for `epochs` epochs, or as many of them as early stopping and `max_epochs` allow.

    Pure in all arguments: jit it with `spec` and `epochs` static. Epoch e draws from streams of the key folded with e, so
    how many epochs a call has changes no bit. Not to be vmapped: its cond would become a select, which copies the data
    for every trial; `grid.program` has the loop for many trials.

    Args:
        spec: The network and the training, static.
        hyper: The hyperparameters, arrays.
        key: The one `begin` was given.
        splits: Training and validation examples.
        state: What the epochs so far have changed.
        epochs: How many to train at most, static.
        shard: On which devices a minibatch is computed, for one network on many (see `data_parallel`).

    Returns:
        The new state, and the metrics of each epoch of the call.

    Example:
        state = jaxmlp.begin(spec, hyper, key)
        state, log = jax.jit(jaxmlp.advance, static_argnums=(0, 5))(spec, hyper, key, splits, state, 10)
    """

    def epoch_or_skip(state: TrainState, _: None) -> tuple[TrainState, EpochLog]:
        def next_epoch(state: TrainState) -> tuple[TrainState, EpochLog]:
            return epoch(spec, hyper, key, splits, state, state.epoch, shard)

        return jax.lax.cond(running(spec, hyper, state), next_epoch, skip_epoch, state)

    return jax.lax.scan(epoch_or_skip, state, length=epochs)


def running(spec: Spec, hyper: Hyper, state: TrainState) -> Bool[Array, ""]:
    """Whether there is a next epoch: not stopped, and not past the last one."""
    return ~stopping.stopped(hyper, state.stopping) & (state.epoch < spec.training.max_epochs)


def epoch(
    spec: Spec,
    hyper: Hyper,
    key: Key[Array, ""],
    splits: Splits,
    state: TrainState,
    clock: Int[Array, ""],
    shard: ShardBatch = unsharded,
) -> tuple[TrainState, EpochLog]:
    """One pass over the training examples in a new order, then the validation examples, then early stopping.

    `clock` is `state.epoch`, given apart: vmapped over `hyper` and `state` only, trials share their order and batches.
    """
    _, order_key, dropout_key = jax.random.split(key, 3)
    dropout_key = jax.random.fold_in(dropout_key, clock) if spec.network.dropout else None
    N, batch_size = len(splits.train.x), spec.training.batch_size
    full = N // batch_size
    steps = -(-N // batch_size)
    order = permutation(jax.random.fold_in(order_key, clock), N)  # [N]
    rates = learning_rates(spec.training.schedule, hyper, spec.training.max_epochs, clock, steps)  # [steps]
    step = partial(_step, spec, hyper, splits.train, shard, dropout_key)
    carry = (state.params, state.opt_state, _no_totals())
    if full:
        batches = order[: full * batch_size].reshape(full, batch_size)
        carry, _ = jax.lax.scan(step, carry, (batches, rates[:full], jnp.arange(full)))
    if full < steps:  # the last, smaller batch: trained on with its own mean
        carry, _ = step(carry, (order[full * batch_size :], rates[-1], jnp.asarray(full)))
    params, opt_state, totals = carry

    train_loss = totals.loss / total_weight(splits.train, totals.loss)
    validation = evaluate(spec, params, splits.validation, shard)
    done = clock + 1
    watched = validation.loss
    if spec.training.monitor == "objective":
        watched = watched + penalty_term(hyper, params)
    after, better = stopping.after_epoch(spec.training.stop_rule, hyper, state.stopping, done, train_loss, watched)
    best_params = jax.tree.map(lambda new, old: jnp.where(better, new, old), params, state.best_params)
    log = EpochLog(
        ran=jnp.asarray(True),
        learning_rate=rates[-1],
        train_loss=train_loss,
        train_correct=totals.correct,
        validation_loss=validation.loss,
        validation_correct=validation.correct,
        disagreement=totals.disagreement,
    )
    return TrainState(params, opt_state, best_params, after, done), log


def skip_epoch(state: TrainState) -> tuple[TrainState, EpochLog]:
    """A skipped epoch: the state stays as it is."""
    zero, none = jnp.zeros((), jnp.float32), jnp.zeros((), jnp.int32)
    return state, EpochLog(jnp.asarray(False), zero, zero, none, zero, none, zero)


Carry = tuple[Params, OptState, Totals]


def _step(
    spec: Spec,
    hyper: Hyper,
    train: Examples,
    shard: ShardBatch,
    dropout_key: Key[Array, ""] | None,
    carry: Carry,
    minibatch: tuple[Int[Array, " B"], Float[Array, ""], Int[Array, ""]],
) -> tuple[Carry, None]:
    """One minibatch: gather its examples, take the gradient, apply the update rule, add to the totals."""
    params, opt_state, totals = carry
    indices, rate, number = minibatch
    batch = shard(jax.tree.map(lambda a: a.at[indices].get(mode="promise_in_bounds", unique_indices=True), train))
    key = None if dropout_key is None else jax.random.fold_in(dropout_key, number)
    both, proximal = spec.training.gradient == "both", spec.training.l1_step == "proximal"
    route = by_autodiff if both else gradient(spec.training.gradient)
    smooth = hyper._replace(l1=0.0) if proximal else hyper  # what the gradient is taken of
    grads, values, logits = route(spec, smooth, params, batch, key)
    after = optimizers.update(spec.training.optimizer, hyper, rate, grads, opt_state, params)
    if proximal:
        after = optimizers.shrink(spec.training.optimizer, hyper, rate, after[0]), after[1]
    if batch.weights is not None:  # a batch of weight 0 changes nothing, neither by momentum nor by a penalty
        changes = jnp.sum(batch.weights) > 0
        after = jax.tree.map(lambda new, old: jnp.where(changes, new, old), after, (params, opt_state))
    loss, correct = sums(batch, values, logits)
    disagreement = totals.disagreement
    if both:
        other = by_delta_rule(spec, smooth, params, batch, key).grads
        disagreement = jnp.maximum(disagreement, largest_disagreement(grads, other))
    params, opt_state = after
    return (params, opt_state, Totals(totals.loss + loss, totals.correct + correct, disagreement)), None


def largest_disagreement(first: Params, second: Params) -> Float[Array, ""]:
    """max |first - second| / max |first| over all weights and biases; 0 where both are 0."""
    difference = _largest(jax.tree.map(lambda a, b: a - b, first, second))
    scale = _largest(first)
    return jnp.where(difference == 0, 0, difference / jnp.where(scale > 0, scale, 1))


def _largest(tree: Params) -> Float[Array, ""]:
    return jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(tree)]))


def _no_totals() -> Totals:
    zero = jnp.zeros((), jnp.float32)
    return Totals(zero, jnp.zeros((), jnp.int32), zero)
