"""Evaluation: the mean loss of some examples and the exact count of correct ones, without dropout. Pure."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxmlp.nn import losses, network
from jaxmlp.nn.activations import activation
from jaxmlp.nn.network import Params
from jaxmlp.spec import Examples, Spec

EVALUATED_TOGETHER = 4096  # examples of one product when a split is evaluated: bounds the memory of the hidden layers

ShardBatch = Callable[[Examples], Examples]  # says on which devices a minibatch is computed; changes no value


class Metrics(NamedTuple):
    """The mean loss of a split, and how many of its examples are classified correctly. Every example counts once."""

    loss: Float[Array, ""]
    correct: Int[Array, ""]
    count: Int[Array, ""]  # pyright: ignore[reportIncompatibleMethodOverride]


def unsharded(batch: Examples) -> Examples:
    """The `ShardBatch` that leaves a minibatch where it is."""
    return batch


def evaluate(spec: Spec, params: Params, examples: Examples, shard: ShardBatch = unsharded) -> Metrics:
    """Loss and correct count of a split, without dropout; zero-weight examples are left out, each other one counts once."""
    N = len(examples.x)
    size = min(N, EVALUATED_TOGETHER)

    def block(index: Int[Array, ""]) -> tuple[Float[Array, ""], Int[Array, ""]]:
        first = jnp.minimum(index * size, N - size)  # the last block reaches back into the one before
        batch = shard(jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, first, size), examples))
        new = first + jnp.arange(size) >= index * size  # those that have not been counted yet
        logits = network.forward(spec, params, batch.x)
        loss = losses.loss(spec.network.loss)
        f = activation(spec.network.output_activation, "network.output_activation")
        targets = losses.targets(batch.targets, spec.outputs, loss, f, logits.dtype)
        return sums(batch, loss.value(logits, targets, f), logits, new)

    loss, correct = jax.tree.map(jnp.sum, jax.lax.map(block, jnp.arange(-(-N // size))))
    return Metrics(loss / total_weight(examples, loss), correct, count(examples))


def sums(
    examples: Examples,
    values: Float[Array, " N"],
    logits: Float[Array, "N K"],
    counted: Bool[Array, " N"] | None = None,
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """The weighted sum of the losses, and the number of correct ones, of the examples that count and have weight above 0."""
    right = network.predictions(logits) == examples.targets
    if examples.weights is not None:
        values = jnp.where(examples.weights > 0, examples.weights.astype(values.dtype) * values, 0)
        right &= examples.weights > 0
    if counted is not None:
        values, right = jnp.where(counted, values, 0), right & counted
    return jnp.sum(values), jnp.sum(right, dtype=jnp.int32)


def total_weight(examples: Examples, like: Array) -> Float[Array, ""]:
    """The sum of weights: what a mean divides by."""
    if examples.weights is None:
        return jnp.asarray(len(examples.x), like.dtype)
    return jnp.sum(examples.weights.astype(like.dtype))


def count(examples: Examples) -> Int[Array, ""]:
    if examples.weights is None:
        return jnp.asarray(len(examples.x), jnp.int32)
    return jnp.sum(examples.weights > 0, dtype=jnp.int32)
