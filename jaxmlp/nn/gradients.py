"""Three routes to the gradient of the objective, one signature: two that train, and central differences to check them.

The objective of a batch is E = sum_n v_n loss_n / sum_n v_n + sum over layers of the penalty of w,
where v_n is the weight of example n (1 for all where none are given). A batch whose weights are all 0 has E = penalty.

The arguments of a route:
    spec: the network and its training, static.
    hyper: l1, l2, dropout_rate, and what the loss reads.
    params: weights and biases, a Layer each.
    batch: examples x [N, D], targets [N] or [N, K] and, if there are any, weights v [N].
    key: of the dropout masks; None: no dropout.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from jaxmlp.errors import entry
from jaxmlp.nn import losses
from jaxmlp.nn.activations import Activation, activation
from jaxmlp.nn.network import Layer, Params, record
from jaxmlp.nn.products import product, summed_products
from jaxmlp.spec import Examples, Hyper, Spec


class Gradient(NamedTuple):
    """The gradient, and what the forward pass computed for it."""

    grads: Params
    losses: Float[Array, " N"]  # of each example, before weights
    logits: Float[Array, "N K"]


Route = Callable[[Spec, Hyper, Params, Examples, Key[Array, ""] | None], Gradient]


def by_autodiff(spec: Spec, hyper: Hyper, params: Params, batch: Examples, key: Key[Array, ""] | None) -> Gradient:
    """Gradient of the objective by reverse-mode automatic differentiation."""

    def objective_of(params: Params) -> tuple[Float[Array, ""], tuple[Float[Array, " N"], Float[Array, "N K"]]]:
        value, values, logits = objective(spec, hyper, params, batch, key)
        return value, (values, logits)

    grads, (values, logits) = jax.grad(objective_of, has_aux=True)(params)
    return Gradient(grads, values, logits)


def by_delta_rule(spec: Spec, hyper: Hyper, params: Params, batch: Examples, key: Key[Array, ""] | None) -> Gradient:
    """Gradient of the objective by backpropagation, derived by hand: the delta rule. Equals `by_autodiff`.

    With delta_l = dE/dz_l [N, units of layer l] and the last layer L:

    forward was E = sum_n v_n loss_n / sum v, so backward is delta_L = dloss/dz_L * v_n / sum v   (report eq. 4)
    forward was z_{l+1} = a_l @ w_{l+1} + b_{l+1} and a_l = f(z_l) * mask_l,
        so backward is delta_l = (delta_{l+1} @ w_{l+1}.T) * mask_l * f'(z_l)
        and dE/dw_l = a_{l-1}.T @ delta_l + penalty', dE/db_l = sum_n delta_l
    """
    f = activation(spec.network.activation)
    logits, tape = record(spec, hyper, params, batch.x, key)
    loss, output_activation, targets = _at_the_output(spec, hyper, batch, logits)
    delta = loss.delta(logits, targets, output_activation, hyper) * _mean_weights(batch, logits)[:, None]  # [N, K]
    grads = []
    for index in reversed(range(len(params))):
        dw = summed_products(spec.training, tape.inputs[index], delta, hidden=index > 0)
        db = jnp.sum(delta, axis=0)  # [O]
        grads.append(Layer(dw + losses.penalty_gradient(params[index].w, *_penalties(spec, hyper, dw)), db))
        if index > 0:
            delta = product(spec.training, delta, params[index].w.T)  # [N, I]
            mask = tape.masks[index - 1]
            if mask is not None:
                delta = delta * mask
            delta = delta * f.derivative(tape.pre_activations[index - 1], tape.activations[index - 1])
    values = loss.value(logits, targets, output_activation, hyper)
    return Gradient(tuple(reversed(grads)), values, logits)


def by_differences(
    spec: Spec, hyper: Hyper, params: Params, batch: Examples, key: Key[Array, ""] | None, eps: float = 1e-5
) -> Gradient:
    """Gradient of the objective by central differences (E(w + eps) - E(w - eps)) / (2 eps), a weight at a time.

    The error is of order eps^2 (the report's section 3), plus round-off of order 1/eps: use float64.
    Costs two forward passes for every weight; for `gradcheck` and tests, not for training.
    """
    flat, unflatten = jax.flatten_util.ravel_pytree(params)
    values, logits = objective(spec, hyper, params, batch, key)[1:]
    grads = differences(spec, hyper, params, batch, key, jnp.arange(flat.size), eps)
    return Gradient(unflatten(grads), values, logits)


def differences(
    spec: Spec,
    hyper: Hyper,
    params: Params,
    batch: Examples,
    key: Key[Array, ""] | None,
    coordinates: Int[Array, " P"],
    eps: float | Float[Array, "*P"],
) -> Float[Array, " P"]:
    """Central differences of the objective at some `coordinates` [P] of the flattened parameters.

    `eps` is a scalar or [P], an eps for each coordinate, and may be traced.
    """

    def value(params: Params) -> Float[Array, ""]:
        data = _data_term(spec, hyper, params, batch, key)[0]
        penalised = (jnp.asarray(hyper.l1) != 0) | (jnp.asarray(hyper.l2) != 0)  # its sums would cost half the time
        return data + jax.lax.cond(
            penalised, partial(penalty_term, spec, hyper), lambda _: jnp.zeros_like(data), params
        )

    eps = jnp.broadcast_to(jnp.asarray(eps, params[0].w.dtype), coordinates.shape)  # [P]
    up, down = perturbed(value, params, coordinates, eps)
    return (up - down) / (2 * eps)


Value = TypeVar("Value")


def perturbed(
    value: Callable[[Params], Value], params: Params, coordinates: Int[Array, " P"], eps: Float[Array, " P"]
) -> tuple[Value, Value]:
    """value(w + eps) and value(w - eps), one weight at a time; every leaf of the two is [P, ...].

    Args:
        value: what is evaluated, such as the objective.
        params: the weights around which it is evaluated.
        coordinates: [P] the weights that are changed, numbered as in `ravel_pytree`.
        eps: [P] the change of each.

    One set of weights goes through a scan. An iteration restores the weight that the one before it changed, and changes
    its own: nothing is copied, and the weights stay in the cache (784-128-10, one example: 26 us a value; a batch of 64
    changed copies took 130 us each).
    """
    leaves, structure = jax.tree.flatten(params)
    ends = np.cumsum([leaf.size for leaf in leaves])

    def put(weights: list[Array], coordinate: Array, change: Array) -> list[Array]:
        """The weights, with the one at `coordinate` set to its value in `params` + change."""
        changed = []
        for current, leaf, end in zip(weights, leaves, ends.tolist(), strict=True):
            offset = coordinate - (end - leaf.size)
            inside = jnp.clip(offset, 0, leaf.size - 1)
            index = jnp.unravel_index(inside, leaf.shape)
            entry = jax.lax.dynamic_slice(leaf, index, (1,) * leaf.ndim)
            entry += jnp.where(inside == offset, change, jnp.zeros_like(change))
            changed.append(jax.lax.dynamic_update_slice(current, entry, index))
        return changed

    def iteration(
        carry: tuple[list[Array], Array], pair: tuple[Array, Array]
    ) -> tuple[tuple[list[Array], Array], Value]:
        weights, last = carry
        coordinate, change = pair
        weights = put(put(weights, last, jnp.zeros_like(change)), coordinate, change)
        return (weights, coordinate), value(jax.tree.unflatten(structure, weights))

    twice = jnp.repeat(coordinates, 2)  # [2P]: each weight up, then down
    changes = jnp.stack([eps, -eps], axis=1).reshape(-1)  # [2P]
    start = (leaves, jnp.zeros((), coordinates.dtype))
    values = jax.lax.scan(iteration, start, (twice, changes))[1]
    return jax.tree.map(lambda leaf: leaf[0::2], values), jax.tree.map(lambda leaf: leaf[1::2], values)


def objective(
    spec: Spec, hyper: Hyper, params: Params, batch: Examples, key: Key[Array, ""] | None
) -> tuple[Float[Array, ""], Float[Array, " N"], Float[Array, "N K"]]:
    """E of the batch, the loss of each example [N], and the logits [N, K]."""
    data, values, logits = _data_term(spec, hyper, params, batch, key)
    return data + penalty_term(spec, hyper, params), values, logits


def _data_term(
    spec: Spec, hyper: Hyper, params: Params, batch: Examples, key: Key[Array, ""] | None
) -> tuple[Float[Array, ""], Float[Array, " N"], Float[Array, "N K"]]:
    logits, _ = record(spec, hyper, params, batch.x, key)
    loss, output_activation, targets = _at_the_output(spec, hyper, batch, logits)
    values = loss.value(logits, targets, output_activation, hyper)
    return jnp.sum(values * _mean_weights(batch, logits)), values, logits


def penalty_term(spec: Spec, hyper: Hyper, params: Params) -> Float[Array, ""]:
    """The part of the objective that no example enters: the penalties of all weight matrices."""
    penalties = [losses.penalty(layer.w, *_penalties(spec, hyper, layer.w)) for layer in params]
    return sum(penalties[1:], penalties[0])


def _at_the_output(
    spec: Spec, hyper: Hyper, batch: Examples, logits: Array
) -> tuple[losses.Loss, Activation, Float[Array, "N K"]]:
    loss = losses.loss(spec.network.loss)
    f = activation(spec.network.output_activation, "network.output_activation")
    return loss, f, losses.output_targets(batch.targets, spec.outputs, loss, f, hyper, logits.dtype)


def _mean_weights(batch: Examples, logits: Array) -> Float[Array, " N"]:
    """The weight of each example in the mean: 1/N, or v_n / sum v; 0 for all where all weights are 0."""
    if batch.weights is None:
        return jnp.full(len(logits), 1 / len(logits), logits.dtype)
    weights = batch.weights.astype(logits.dtype)
    total = jnp.sum(weights)
    return weights / jnp.where(total > 0, total, 1)


def _penalties(spec: Spec, hyper: Hyper, like: Array) -> tuple[Array | None, Array]:
    l1 = None if spec.training.l1_step == "none" else jnp.asarray(hyper.l1, like.dtype)
    return l1, jnp.asarray(hyper.l2, like.dtype)


GRADIENTS: dict[str, Route] = {"autodiff": by_autodiff, "delta_rule": by_delta_rule}  # those that can train


def gradient(name: str) -> Route:
    """The route called `name`; UsageError lists the known ones."""
    return entry("training.gradient", name, GRADIENTS)
