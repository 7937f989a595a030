"""The training loop: `begin` makes a state, `advance` trains for some epochs, both pure."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from jaxmlp.nn import losses, network
from jaxmlp.nn.gradients import by_autodiff, by_delta_rule, gradient, penalty_term
from jaxmlp.nn.network import Params
from jaxmlp.spec import Examples, Hyper, Spec, Splits
from jaxmlp.training import optimizers, stopping
from jaxmlp.training.evaluation import ShardBatch, Sums, evaluate, metrics, sums, total_weight, unsharded
from jaxmlp.training.optimizers import OptState
from jaxmlp.training.precision import precision
from jaxmlp.training.schedules import learning_rates, schedule
from jaxmlp.training.shuffling import permutation
from jaxmlp.training.stopping import Stopping, monitor


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
    train_score: Shaped[Array, "..."]  # how many examples are correct; of values R2
    validation_loss: Float[Array, "..."]
    validation_score: Shaped[Array, "..."]
    disagreement: Float[Array, "..."]  # of the two derived gradients, where training.gradient is "both"; else 0
    train_objective: Float[Array, "..."] | None = None  # with the penalties; None where no monitor reads it


class Totals(NamedTuple):
    """Sums over the minibatches of an epoch."""

    sums: Sums
    disagreement: Float[Array, ""]
    objective: Float[Array, ""] | None


def begin(spec: Spec, hyper: Hyper, key: Key[Array, ""]) -> TrainState:
    """The state before the first epoch: weights drawn from the key's stream "init". Pure; every leaf is a typed array."""
    init_key, _, _ = jax.random.split(key, 3)
    params = network.init(spec, hyper, init_key)
    opt_state = optimizers.start(spec.training.optimizer, hyper, params)
    cuts = schedule(spec.training.schedule).cuts
    return TrainState(
        params, opt_state, params, stopping.begin(spec.training.dtype, cuts=cuts), jnp.asarray(0, jnp.int32)
    )


def state_shapes(spec: Spec) -> TrainState:
    """The state of a training without its arrays."""
    with precision(spec.training):
        return jax.eval_shape(lambda hyper, key: begin(spec, hyper, key), Hyper(), jax.random.key(0))


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

        return jax.lax.cond(running(spec, hyper, state), next_epoch, partial(skip_epoch, spec, splits.train), state)

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
    shuffled = spec.training.shuffle
    order = permutation(jax.random.fold_in(order_key, clock), N) if shuffled else jnp.arange(N, dtype=jnp.int32)  # [N]
    rates = learning_rates(spec.training, hyper, clock, steps, state.stopping.cuts)  # [steps]
    step = partial(_step, spec, hyper, splits.train, shard, dropout_key)
    carry = (state.params, state.opt_state, _no_totals(spec, splits.train))
    if full:
        batches = order[: full * batch_size].reshape(full, batch_size)
        carry, _ = jax.lax.scan(step, carry, (batches, rates[:full], jnp.arange(full, dtype=jnp.int32)))
    if full < steps:  # the last, smaller batch: trained on with its own mean
        carry, _ = step(carry, (order[full * batch_size :], rates[-1], jnp.asarray(full, jnp.int32)))
    params, opt_state, totals = carry

    train = metrics(splits.train, totals.sums)
    train_objective = totals.objective
    if train_objective is not None:
        train_objective = train_objective / total_weight(splits.train, train_objective)
    validation = evaluate(spec, hyper, params, splits.validation, shard)
    done = clock + 1
    penalties = penalty_term(spec, hyper, params)
    watched = monitor(spec.training.monitor).watched(validation, penalties, train_objective)
    after, better = stopping.after_epoch(
        spec.training.stop_rule, hyper, state.stopping, done, train.loss, watched, rates[-1]
    )
    best_params = jax.tree.map(lambda new, old: jnp.where(better, new, old), params, state.best_params)
    log = EpochLog(
        ran=jnp.asarray(True),
        learning_rate=rates[-1],
        train_loss=train.loss,
        train_score=train.score,
        validation_loss=validation.loss,
        validation_score=validation.score,
        disagreement=totals.disagreement,
        train_objective=train_objective,
    )
    return TrainState(params, opt_state, best_params, after, done), log


def skip_epoch(spec: Spec, train: Examples, state: TrainState) -> tuple[TrainState, EpochLog]:
    """A skipped epoch: the state stays as it is."""
    zero = jnp.zeros((), spec.training.dtype)
    kind = losses.kind_of_targets(losses.loss(spec.network.loss), train.targets)
    none = zero if kind == losses.VALUES else jnp.zeros((), jnp.int32)
    objective = zero if monitor(spec.training.monitor).reads_train_objective else None
    return state, EpochLog(jnp.asarray(False), zero, zero, none, zero, none, zero, objective)


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
    if spec.training.penalty_to == "sum":
        hyper = _share_of_penalties(hyper, batch)
    smooth = hyper._replace(l1=0.0) if proximal else hyper  # what the gradient is taken of
    grads, values, logits = route(spec, smooth, params, batch, key)
    disagreement, objective = totals.disagreement, totals.objective
    if objective is not None:  # read from the weights before they change, so that no copy of them is kept
        objective = objective + batch_objective(spec, hyper, batch, values, params)
        objective, grads = jax.lax.optimization_barrier((objective, grads))
    step = optimizers.clipped(hyper, grads) if spec.training.clip else grads
    after = optimizers.update(spec.training.optimizer, hyper, rate, step, opt_state, params)
    if proximal:
        after = optimizers.shrink(spec.training.optimizer, hyper, rate, after[0]), after[1]
    if batch.weights is not None:  # a batch of weight 0 changes nothing, neither by momentum nor by a penalty
        changes = jnp.sum(batch.weights) > 0
        after = jax.tree.map(lambda new, old: jnp.where(changes, new, old), after, (params, opt_state))
    if both:
        other = by_delta_rule(spec, smooth, params, batch, key).grads
        disagreement = jnp.maximum(disagreement, largest_disagreement(grads, other))
    of_epoch = jax.tree.map(jnp.add, totals.sums, sums(spec, batch, values, logits))
    params, opt_state = after
    return (params, opt_state, Totals(of_epoch, disagreement, objective)), None


def _share_of_penalties(hyper: Hyper, batch: Examples) -> Hyper:
    """The factors of the penalties, divided by the weight of the batch: as if they were added to the sum of its losses."""
    total = total_weight(batch, jnp.asarray(hyper.l2))
    total = jnp.where(total > 0, total, 1)
    return hyper._replace(l1=hyper.l1 / total, l2=hyper.l2 / total)


def batch_objective(
    spec: Spec, hyper: Hyper, batch: Examples, values: Float[Array, " N"], params: Params
) -> Float[Array, ""]:
    """The objective of a minibatch, times its weight: of the losses `values`, and of the weights before the step."""
    if batch.weights is not None:
        values = values * batch.weights.astype(values.dtype)
    return jnp.sum(values) + penalty_term(spec, hyper, params) * total_weight(batch, values)


def largest_disagreement(first: Params, second: Params) -> Float[Array, ""]:
    """max |first - second| / max |first| over all weights and biases; 0 where both are 0."""
    difference = _largest(jax.tree.map(lambda a, b: a - b, first, second))
    scale = _largest(first)
    return jnp.where(difference == 0, 0, difference / jnp.where(scale > 0, scale, 1))


def _largest(tree: Params) -> Float[Array, ""]:
    return jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(tree)]))


def _no_totals(spec: Spec, train: Examples) -> Totals:
    zero = jnp.zeros((), spec.training.dtype)
    logits = jax.ShapeDtypeStruct((len(train.x), spec.outputs), zero.dtype)
    values = jax.ShapeDtypeStruct(logits.shape[:1], zero.dtype)
    shapes = jax.eval_shape(partial(sums, spec), train, values, logits)
    objective = zero if monitor(spec.training.monitor).reads_train_objective else None
    return Totals(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes), zero, objective)
