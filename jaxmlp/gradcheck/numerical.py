"""Measured weight by weight: central differences, and whether their steps cross a kink.

Take a problem to float64 (`jax.enable_x64`), where agreement is a proof. Parameters are numbered as in
`jax.flatten_util.ravel_pytree`: layer after layer, its weights row by row, then its biases.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxmlp.nn.activations import activation
from jaxmlp.nn.gradients import differences, perturbed
from jaxmlp.nn.network import Params, record
from jaxmlp.spec import Examples, Hyper, Spec

BLOCK = 1024  # weights of one call: the only shape that is compiled

compiled_differences = jax.jit(differences, static_argnums=0)


class Problem(NamedTuple):
    """Where a gradient is taken: the arguments of a route. All floats are of one precision."""

    spec: Spec
    hyper: Hyper
    params: Params
    batch: Examples
    key: Key[Array, ""] | None  # of the dropout masks, the same at every evaluation; None: no dropout


def numerical(
    problem: Problem,
    coordinates: Int[np.ndarray, " P"],
    eps: float | Float[np.ndarray, " P"],
    on_block: Callable[[int], None] = lambda weights: None,
) -> Float[np.ndarray, " P"]:
    """Central differences of the objective at some `coordinates`, with a scalar eps or an eps for each.

    Runs in blocks of one shape, so that a precision compiles once; `on_block` gets the number of weights after each.
    """
    measured = [np.zeros(0, problem.params[0].w.dtype)]
    for block, steps, size in _blocks(coordinates, eps):
        measured.append(np.asarray(compiled_differences(*problem, block, steps))[:size])
        on_block(size)
    return np.concatenate(measured)


def crossings(
    problem: Problem, coordinates: Int[np.ndarray, " P"], eps: float | Float[np.ndarray, " P"]
) -> Bool[np.ndarray, " P"]:
    """Whether a step from w - eps to w + eps crosses a kink of the objective, or touches one.

    There a central difference is the mean of two slopes, and measures neither. Kinks lie where the pre-activation of a unit
    with a kinked activation is 0 and, under an L1 penalty, where a weight is.
    """
    if not any(_kinked_layers(problem.spec)) and np.asarray(problem.hyper.l1) == 0:
        return np.zeros(len(coordinates), bool)
    crossed = [np.zeros(0, bool)]
    for block, steps, size in _blocks(coordinates, eps):
        crossed.append(np.asarray(_compiled_crossed(*problem, block, steps))[:size])
    return np.concatenate(crossed)


def flat(params: Params) -> Float[np.ndarray, " P"]:
    """All the parameters of a network, or their gradients, as one NumPy vector in the order of coordinates."""
    return np.asarray(jax.flatten_util.ravel_pytree(params)[0])


def _blocks(
    coordinates: Int[np.ndarray, " P"], eps: float | Float[np.ndarray, " P"]
) -> Iterator[tuple[Int[np.ndarray, " B"], Float[np.ndarray, " B"], int]]:
    """Blocks of BLOCK weights, their eps, and how many count: the last block is filled up with its first weight."""
    steps = np.broadcast_to(np.asarray(eps, float), coordinates.shape)
    for start in range(0, len(coordinates), BLOCK):
        block, part = coordinates[start : start + BLOCK], steps[start : start + BLOCK]
        padding = BLOCK - len(block)
        yield (
            np.concatenate([block, np.full(padding, block[0])]).astype(np.int32),
            np.concatenate([part, np.full(padding, part[0])]),
            len(block),
        )


def _kinked_layers(spec: Spec) -> tuple[bool, bool]:
    """Whether the hidden layers, and whether the output layer, have an activation with a kink."""
    network = spec.network
    return bool(network.hidden) and activation(network.activation).kink, activation(network.output_activation).kink


def _crossed(
    spec: Spec,
    hyper: Hyper,
    params: Params,
    batch: Examples,
    key: Key[Array, ""] | None,
    coordinates: Int[Array, " P"],
    eps: Float[Array, " P"],
) -> Bool[Array, " P"]:
    def sides(params: Params) -> Float[Array, " U"]:
        """The sign of every pre-activation that meets a kink."""
        logits, tape = record(spec, hyper, params, batch.x, key)
        hidden, output = _kinked_layers(spec)
        kinked = [*(tape.pre_activations if hidden else ()), *([logits] if output else [])]
        return jnp.concatenate([jnp.sign(z).reshape(-1) for z in [*kinked, jnp.zeros(0, logits.dtype)]])

    eps = eps.astype(params[0].w.dtype)
    up, down = perturbed(sides, params, coordinates, eps)
    penalised = jax.tree.map(jnp.ones_like, params)
    penalised = tuple(layer._replace(b=jnp.zeros_like(layer.b)) for layer in penalised)
    weights, penalised = (jax.flatten_util.ravel_pytree(tree)[0][coordinates] for tree in (params, penalised))
    near_zero = (jnp.asarray(hyper.l1) != 0) & (penalised > 0) & (jnp.abs(weights) <= eps)
    return jnp.any(up != down, axis=1) | near_zero


_compiled_crossed = jax.jit(_crossed, static_argnums=0)
