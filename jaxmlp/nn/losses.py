"""Losses of an example: value and delta = dE/dz at the output side by side; and the penalties of the weights.

A new loss is an entry of LOSSES: training, help, messages and tests have it from there, and docs/config.md names it.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from jaxmlp.errors import entry
from jaxmlp.nn.activations import Activation

Logits = Float[Array, "N K"]


class Loss(NamedTuple):
    """A loss of each example as a function of (z, t, f), its derivative with respect to z, and what the outputs are.

    z [N, K] is the pre-activation of the output layer, t [N, K] the target, f the output activation.
    """

    value: Callable[[Logits, Logits, Activation], Float[Array, " N"]]
    delta: Callable[[Logits, Logits, Activation], Logits]
    outputs: Callable[[Logits, Activation], Logits]  # (z, f) -> what the network says of each class
    output_name: str  # of one of them: probability, output
    reads_output_activation: bool


def _cross_entropy(z: Logits, t: Logits, f: Activation) -> Float[Array, " N"]:
    """-sum_k t_k ln softmax(z)_k, for targets that add up to 1: ln sum exp z - t.z."""
    return jax.nn.logsumexp(z, axis=1) - jnp.sum(t * z, axis=1)


def _cross_entropy_delta(z: Logits, t: Logits, f: Activation) -> Logits:
    """Report eq. 4: forward was ln sum exp z - t.z, so backward is softmax(z) - t."""
    return jax.nn.softmax(z, axis=1) - t


def _squared_error(z: Logits, t: Logits, f: Activation) -> Float[Array, " N"]:
    """The thread's epsilon = 1/2 sum_k (t_k - f(z_k))^2."""
    return 0.5 * jnp.sum((t - f.value(z)) ** 2, axis=1)


def _squared_error_delta(z: Logits, t: Logits, f: Activation) -> Logits:
    """Forward was 1/2 sum (t - a)^2 with a = f(z), so backward is (a - t) f'(z), output by output."""
    a = f.value(z)
    return (a - t) * f.derivative(z, a)


L1_STEPS = ("subgradient", "proximal")  # of the optimizer, by `penalty_gradient`; or after it, by `soft_threshold`
LOSSES: dict[str, Loss] = {
    # Report eqs. 1 and 3. The report sums over the examples and then divides by the batch (its Algorithm 1): the mean.
    "softmax_cross_entropy": Loss(
        *(_cross_entropy, _cross_entropy_delta, lambda z, f: jax.nn.softmax(z, axis=1), "probability"),
        reads_output_activation=False,
    ),
    "squared_error": Loss(
        _squared_error, _squared_error_delta, lambda z, f: f.value(z), "output", reads_output_activation=True
    ),
}


def loss(name: str) -> Loss:
    """The loss called `name`; UsageError lists the known ones."""
    return entry("network.loss", name, LOSSES)


def targets(labels: Int[Array, " N"], classes: int, loss: Loss, f: Activation, dtype: DTypeLike) -> Logits:
    """The target of every output [N, K]: high for the class of the example, low for the others.

    1 and 0; of a loss that reads the output activation the two limits of its range (the thread's third answer), so that
    the error of an output is never more than the width of that range.
    """
    low, high = f.targets if loss.reads_output_activation else (0.0, 1.0)
    hot = labels[:, None] == jnp.arange(classes, dtype=labels.dtype)[None, :]  # [N, K]
    return jnp.where(hot, jnp.asarray(high, dtype), jnp.asarray(low, dtype))


def penalty(w: Float[Array, "I O"], l1: Float[Array, ""], l2: Float[Array, ""]) -> Float[Array, ""]:
    """l1 sum |w| + l2/2 sum w^2 of one weight matrix.

    |w| is written as w sign(w) with the sign held fixed: at 0 its derivative is then 0, where jax.grad(jnp.abs) says 1.
    """
    return l1 * jnp.sum(w * jax.lax.stop_gradient(jnp.sign(w))) + 0.5 * l2 * jnp.sum(w * w)


def soft_threshold(w: Float[Array, "I O"], threshold: Float[Array, ""]) -> Float[Array, "I O"]:
    """The proximal step of an L1 penalty: argmin_u 1/2 |u - w|^2 + threshold sum |u| = sign(w) max(|w| - threshold, 0).

    Daubechies et al. 2004; Beck and Teboulle 2009, eq. 1.5; Parikh and Boyd 2014, section 6.5.2. It moves a weight to
    exactly 0 where `penalty_gradient` steps across 0 and back, and it moves nothing where the threshold is 0.
    """
    return w - jnp.clip(w, -threshold, threshold)


def penalty_gradient(w: Float[Array, "I O"], l1: Float[Array, ""], l2: Float[Array, ""]) -> Float[Array, "I O"]:
    """Forward was l1 sum |w| + l2/2 sum w^2, so backward is l1 sign(w) + l2 w.

    Report eqs. 7 (without its factor 1/2, which its right-hand side lacks too) and 6.
    """
    return l1 * jnp.sign(w) + l2 * w
