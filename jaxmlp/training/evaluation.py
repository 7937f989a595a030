"""Evaluation: the mean loss of some examples and exact counts, or the R2 of values, without dropout. Pure."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxmlp.nn import losses, network
from jaxmlp.nn.activations import activation
from jaxmlp.nn.losses import CLASSES, LABELS
from jaxmlp.nn.network import Params
from jaxmlp.spec import Examples, Hyper, Spec

EVALUATED_TOGETHER = 4096  # examples of one product when a split is evaluated: bounds the memory of the hidden layers

ShardBatch = Callable[[Examples], Examples]  # says on which devices a minibatch is computed; changes no value


class Sums(NamedTuple):
    """What the metrics of some examples are computed of; None where the kind of targets has no such metric."""

    loss: Float[Array, ""]  # weighted
    correct: Int[Array, ""] | None = None  # examples of the right class, or with all labels right
    right_labels: Int[Array, ""] | None = None  # of label sets: single labels that are right
    squared: Float[Array, " K"] | None = None  # of values: sums of (t - output)^2, weighted
    absolute: Float[Array, " K"] | None = None  # of values: sums of |t - output|, weighted


class Metrics(NamedTuple):
    """The mean loss of a split, and how good its outputs are. Every example of weight above 0 counts once."""

    loss: Float[Array, ""]
    correct: Int[Array, ""] | None  # None for values
    count: Int[Array, ""]  # pyright: ignore[reportIncompatibleMethodOverride]
    right_labels: Int[Array, ""] | None = None
    r2: Float[Array, ""] | None = None
    mae: Float[Array, ""] | None = None

    @property
    def score(self) -> Array:
        """The one metric of an epoch: the count of correct examples, or R2."""
        score = self.correct if self.r2 is None else self.r2
        assert score is not None
        return score


def unsharded(batch: Examples) -> Examples:
    """The `ShardBatch` that leaves a minibatch where it is."""
    return batch


def evaluate(spec: Spec, hyper: Hyper, params: Params, examples: Examples, shard: ShardBatch = unsharded) -> Metrics:
    """The metrics of a split, without dropout; zero-weight examples are left out, each other one counts once.

    Of `hyper` a loss reads its own fields, but for label_smoothing, which belongs to training: so validation losses can be
    compared whatever it is.
    """
    N = len(examples.x)
    size = min(N, EVALUATED_TOGETHER)
    hyper = hyper._replace(label_smoothing=0.0)
    if not N:  # nothing to evaluate: every sum is 0
        return metrics(examples, sums(spec, examples, *_evaluated(spec, hyper, params, examples)))

    def block(index: Int[Array, ""]) -> Sums:
        first = jnp.minimum(index * size, N - size)  # the last block reaches back into the one before
        batch = shard(jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, first, size), examples))
        new = first + jnp.arange(size, dtype=jnp.int32) >= index * size  # those that have not been counted yet
        return sums(spec, batch, *_evaluated(spec, hyper, params, batch), new)

    of_blocks = jax.lax.map(block, jnp.arange(-(-N // size), dtype=jnp.int32))
    return metrics(examples, jax.tree.map(lambda a: jnp.sum(a, axis=0, dtype=a.dtype), of_blocks))


def _evaluated(spec: Spec, hyper: Hyper, params: Params, batch: Examples) -> tuple[Array, Array]:
    """The loss of each example [N], and the logits [N, K]."""
    logits = network.forward(spec, params, batch.x)
    loss = losses.loss(spec.network.loss)
    f = activation(spec.network.output_activation, "network.output_activation")
    targets = losses.output_targets(batch.targets, spec.outputs, loss, f, hyper, logits.dtype)
    return loss.value(logits, targets, f, hyper), logits


def sums(
    spec: Spec,
    examples: Examples,
    values: Float[Array, " N"],
    logits: Float[Array, "N K"],
    counted: Bool[Array, " N"] | None = None,
) -> Sums:
    """The sums over examples that count and have weight above 0, of their losses `values` [N] and logits [N, K]."""
    kind = losses.kind_of_targets(losses.loss(spec.network.loss), examples.targets)
    included = None if examples.weights is None else examples.weights > 0
    if counted is not None:
        included = counted if included is None else included & counted

    def weighted(numbers: Array) -> Array:
        """The sum over the examples, each times its weight."""
        if examples.weights is not None:
            weights = examples.weights.astype(numbers.dtype)
            numbers = numbers * weights.reshape(weights.shape + (1,) * (numbers.ndim - 1))
        return jnp.sum(_where(included, numbers), axis=0)

    if kind in (CLASSES, LABELS):
        right = network.predictions(logits, kind) == examples.targets.astype(jnp.int32)  # [N] or [N, K]
        labels = None
        if kind == LABELS:
            labels = jnp.sum(_where(included, right), dtype=jnp.int32)
            right = jnp.all(right, axis=1)
        return Sums(weighted(values), jnp.sum(_where(included, right), dtype=jnp.int32), labels)
    errors = examples.targets.astype(logits.dtype) - network.outputs(spec.network, logits)
    return Sums(weighted(values), squared=weighted(errors**2), absolute=weighted(jnp.abs(errors)))


def _where(included: Bool[Array, " N"] | None, numbers: Array) -> Array:
    """Zeros in place of what is not included."""
    if included is None:
        return numbers
    mask = included.reshape(included.shape + (1,) * (numbers.ndim - 1))
    return jnp.where(mask, numbers, jnp.zeros((), numbers.dtype))


def metrics(examples: Examples, sums: Sums) -> Metrics:
    """The metrics of examples from their sums.

    R2 is that of scikit-learn: the mean over the outputs of 1 - sum v (t - output)^2 / sum v (t - mean t)^2; for an output
    whose targets are all equal, 1 without any error and 0 with one.
    """
    r2 = mae = None
    total = total_weight(examples, sums.loss)
    if sums.squared is not None and sums.absolute is not None:
        t = examples.targets.astype(sums.squared.dtype)  # [N, K]
        v = jnp.ones(len(t), t.dtype) if examples.weights is None else examples.weights.astype(t.dtype)
        mean = jnp.sum(t * v[:, None], axis=0) / total
        variation = jnp.sum((t - mean[None, :]) ** 2 * v[:, None], axis=0)  # [K]
        unexplained = sums.squared / jnp.where(variation > 0, variation, 1)
        constant = jnp.where(sums.squared == 0, 0, 1).astype(unexplained.dtype)
        r2 = 1 - jnp.mean(jnp.where(variation > 0, unexplained, constant))
        mae = jnp.mean(sums.absolute / total)
    return Metrics(sums.loss / total, sums.correct, count(examples), sums.right_labels, r2, mae)


def total_weight(examples: Examples, like: Array) -> Float[Array, ""]:
    """The sum of weights: what a mean divides by."""
    if examples.weights is None:
        return jnp.asarray(len(examples.x), like.dtype)
    return jnp.sum(examples.weights.astype(like.dtype))


def count(examples: Examples) -> Int[Array, ""]:
    """How many examples count: all but those of weight 0."""
    if examples.weights is None:
        return jnp.asarray(len(examples.x), jnp.int32)
    return jnp.sum(examples.weights > 0, dtype=jnp.int32)
