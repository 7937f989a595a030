"""Activation functions: value, derivative and range of targets side by side.

z is the pre-activation of a unit, a = value(z) its activation. The derivative da/dz is written in whichever of the two is
cheaper. At a kink it is JAX's own: relu has 0 there, leaky_relu and elu have 1.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmlp.errors import UsageError, entry

Tensor = Float[Array, "..."]
LEAK = (
    0.01  # derivative of leaky_relu below 0; Maas et al. 2013, "Rectifier nonlinearities improve neural network models"
)


class Activation(NamedTuple):
    """A nonlinearity a = value(z), its derivative da/dz, and the targets it can reach."""

    value: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor, Tensor], Tensor]  # (z, a) -> da/dz
    targets: tuple[float, float] = (0.0, 1.0)  # (low, high) of an output unit: the limits of its range, if it has any
    kink: bool = False  # whether the first or the second derivative jumps where z = 0


def _silu_derivative(z: Tensor, a: Tensor) -> Tensor:
    """Forward was a = z s(z), so backward is da/dz = s + z s (1 - s) = s + a (1 - s)."""
    s = jax.nn.sigmoid(z)
    return s + a * (1 - s)


def _gelu_derivative(z: Tensor, a: Tensor) -> Tensor:
    """Forward was a = z Phi(z), so backward is da/dz = Phi(z) + z phi(z): the normal distribution and its density."""
    return 0.5 * jax.lax.erfc(-z / math.sqrt(2)) + z * jnp.exp(-z * z / 2) / math.sqrt(2 * math.pi)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(lambda z: z, lambda z, a: jnp.ones_like(z)),
    "sigmoid": Activation(jax.nn.sigmoid, lambda z, a: a * (1 - a)),  # report eq. 8
    "tanh": Activation(jnp.tanh, lambda z, a: 1 - a * a, (-1.0, 1.0)),
    "relu": Activation(jax.nn.relu, lambda z, a: (z > 0).astype(z.dtype), kink=True),  # report eq. 9
    "arctan": Activation(jnp.arctan, lambda z, a: 1 / (1 + z * z), (-math.pi / 2, math.pi / 2)),
    "leaky_relu": Activation(
        lambda z: jax.nn.leaky_relu(z, LEAK), lambda z, a: jnp.where(z >= 0, 1, LEAK).astype(z.dtype), kink=True
    ),
    "elu": Activation(jax.nn.elu, lambda z, a: jnp.where(z > 0, 1, a + 1), kink=True),  # Clevert et al. 2016, alpha = 1
    "softplus": Activation(jax.nn.softplus, lambda z, a: jax.nn.sigmoid(z)),
    "silu": Activation(jax.nn.silu, _silu_derivative),
    "gelu": Activation(lambda z: jax.nn.gelu(z, approximate=False), _gelu_derivative),  # the exact one
}


def activation(name: str, field: str = "network.activation") -> Activation:
    """The activation called `name`; UsageError names `field` and lists the known ones."""
    if name == "step":
        raise UsageError(
            f"{field} 'step' cannot be trained: its derivative is 0 everywhere, so no gradient descent can move a weight;"
            f" use sigmoid, its smooth form (known: {', '.join(ACTIVATIONS)})"
        )
    return entry(field, name, ACTIVATIONS)
