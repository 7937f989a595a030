"""Losses of an example: value and delta = dE/dz at the output side by side; and the penalties of the weights.

A new loss is an entry of LOSSES: training, help, messages and tests have it from there, and docs/config.md names it.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float, Int

from jaxmlp.errors import entry
from jaxmlp.nn.activations import Activation
from jaxmlp.spec import Hyper

Logits = Float[Array, "N K"]
Targets = Int[Array, " N"] | Float[Array, "N K"]

CLASSES = "classes"  # targets [N] int: the class of each example, 0 to K-1; 0 or 1 where there is one output
LABELS = "labels"  # targets [N, K] of 0 and 1: which labels each example has, any number of them
VALUES = "values"  # targets [N, K]: a number for each output


class Loss(NamedTuple):
    """A loss of each example as a function of (z, t, f, hyper), its derivative with respect to z, and what the outputs are.

    z [N, K] is the pre-activation of the output layer, t [N, K] the target, f the output activation.
    """

    value: Callable[[Logits, Logits, Activation, Hyper], Float[Array, " N"]]
    delta: Callable[[Logits, Logits, Activation, Hyper], Logits]
    outputs: Callable[[Logits, Activation], Logits]  # (z, f) -> what the network says
    output_name: str  # of one of them: probability, output
    learns: tuple[str, ...]  # kinds of targets: CLASSES, LABELS, VALUES
    reads_output_activation: bool = False
    reads: frozenset[str] = frozenset()  # fields of Hyper
    least_target: float = -math.inf


def _cross_entropy(z: Logits, t: Logits, f: Activation, hyper: Hyper) -> Float[Array, " N"]:
    """-sum_k t_k ln softmax(z)_k, for targets that add up to 1: ln sum exp z - t.z."""
    return jax.nn.logsumexp(z, axis=1) - jnp.sum(t * z, axis=1)


def _cross_entropy_delta(z: Logits, t: Logits, f: Activation, hyper: Hyper) -> Logits:
    """Report eq. 4: forward was ln sum exp z - t.z, so backward is softmax(z) - t."""
    return jax.nn.softmax(z, axis=1) - t


def _sigmoid_cross_entropy(z: Logits, t: Logits, f: Activation, hyper: Hyper) -> Float[Array, " N"]:
    """-sum_k t_k ln s(z_k) + (1 - t_k) ln(1 - s(z_k)), with the sigmoid s: sum_k ln(1 + exp z_k) - t_k z_k."""
    return jnp.sum(jax.nn.softplus(z) - t * z, axis=1)


def _sigmoid_cross_entropy_delta(z: Logits, t: Logits, f: Activation, hyper: Hyper) -> Logits:
    """Forward was ln(1 + exp z) - t z, so backward is s(z) - t, output by output."""
    return jax.nn.sigmoid(z) - t


def _squared_error(z: Logits, t: Logits, f: Activation, hyper: Hyper) -> Float[Array, " N"]:
    """The thread's epsilon = 1/2 sum_k (t_k - f(z_k))^2."""
    return 0.5 * jnp.sum((t - f.value(z)) ** 2, axis=1)


def _squared_error_delta(z: Logits, t: Logits, f: Activation, hyper: Hyper) -> Logits:
    """Forward was 1/2 sum (t - a)^2 with a = f(z), so backward is (a - t) f'(z), output by output."""
    a = f.value(z)
    return (a - t) * f.derivative(z, a)


def _huber(z: Logits, t: Logits, f: Activation, hyper: Hyper) -> Float[Array, " N"]:
    """Huber 1964: with r = f(z) - t and d = huber_delta, sum_k of r^2 / 2 where |r| <= d, else d (|r| - d/2)."""
    r, d = jnp.abs(f.value(z) - t), jnp.asarray(hyper.huber_delta, z.dtype)
    near = jnp.minimum(r, d)
    return jnp.sum(near * (r - 0.5 * near), axis=1)


def _huber_delta(z: Logits, t: Logits, f: Activation, hyper: Hyper) -> Logits:
    """Forward was r^2 / 2 up to |r| = d and d (|r| - d/2) beyond, so backward is r, cut off at -d and d, times f'(z)."""
    a, d = f.value(z), jnp.asarray(hyper.huber_delta, z.dtype)
    return jnp.clip(a - t, -d, d) * f.derivative(z, a)


def _quantile(z: Logits, t: Logits, f: Activation, hyper: Hyper) -> Float[Array, " N"]:
    """Koenker and Bassett 1978 (pinball): with r = t - f(z) and q = quantile, sum_k of q r where r > 0, else (q - 1) r."""
    r, q = t - f.value(z), jnp.asarray(hyper.quantile, z.dtype)
    return jnp.sum(jnp.where(r > 0, q, q - 1) * r, axis=1)


def _quantile_delta(z: Logits, t: Logits, f: Activation, hyper: Hyper) -> Logits:
    """Forward was q r where r = t - a > 0, else (q - 1) r, so backward is -q or 1 - q, times f'(z)."""
    a, q = f.value(z), jnp.asarray(hyper.quantile, z.dtype)
    return jnp.where(t > a, -q, 1 - q) * f.derivative(z, a)


def _poisson(z: Logits, t: Logits, f: Activation, hyper: Hyper) -> Float[Array, " N"]:
    """Half the Poisson deviance at the mean exp z (McCullagh and Nelder 1989): sum_k exp z - t z + t ln t - t."""
    return jnp.sum(jnp.exp(z) - t * z + (xlogy(t, t) - t), axis=1)


def _poisson_delta(z: Logits, t: Logits, f: Activation, hyper: Hyper) -> Logits:
    """Forward was exp z - t z, and a term of t alone, so backward is exp z - t, output by output."""
    return jnp.exp(z) - t


def _activated(z: Logits, f: Activation) -> Logits:
    return f.value(z)


_SOFTMAX = (_cross_entropy, _cross_entropy_delta, lambda z, f: jax.nn.softmax(z, axis=1), "probability", (CLASSES,))
L1_STEPS = ("subgradient", "proximal", "none")  # by `penalty_gradient`; by `soft_threshold`, after the step; no penalty
LOSSES: dict[str, Loss] = {
    # Report eqs. 1 and 3. The report sums over the examples and then divides by the batch (its Algorithm 1): the mean.
    "softmax_cross_entropy": Loss(*_SOFTMAX),
    "smoothed_cross_entropy": Loss(*_SOFTMAX, reads=frozenset({"label_smoothing"})),
    "sigmoid_cross_entropy": Loss(
        *(_sigmoid_cross_entropy, _sigmoid_cross_entropy_delta, lambda z, f: jax.nn.sigmoid(z), "probability"),
        learns=(CLASSES, LABELS),
    ),
    "squared_error": Loss(
        *(_squared_error, _squared_error_delta, _activated, "output", (CLASSES, VALUES)), reads_output_activation=True
    ),
    "huber": Loss(
        *(_huber, _huber_delta, _activated, "output", (VALUES,)),
        reads_output_activation=True,
        reads=frozenset({"huber_delta"}),
    ),
    "quantile": Loss(
        *(_quantile, _quantile_delta, _activated, "output", (VALUES,)),
        reads_output_activation=True,
        reads=frozenset({"quantile"}),
    ),
    "poisson": Loss(
        *(_poisson, _poisson_delta, lambda z, f: jnp.exp(z), "output", (VALUES,)), least_target=0.0
    ),  # with the log link
}


def loss(name: str) -> Loss:
    """The loss called `name`; UsageError lists the known ones."""
    return entry("network.loss", name, LOSSES)


def kind_of_targets(loss: Loss, targets: ArrayLike) -> str:
    """CLASSES where the targets are whole numbers [N]; of [N, K] LABELS if the loss learns those, else VALUES."""
    if jnp.ndim(targets) == 1:
        return CLASSES
    return LABELS if LABELS in loss.learns else VALUES


def output_targets(targets: Targets, outputs: int, loss: Loss, f: Activation, hyper: Hyper, dtype: DTypeLike) -> Logits:
    """The target of every output [N, K]; of classes high for the class of the example, low for the others.

    High and low are 1 and 0; of a loss that reads the output activation the two limits of its range (the thread's third
    answer), so that the error of an output is never more than the width of that range. Of a loss that reads
    label_smoothing s they are 1 - s + s/K and s/K (Szegedy et al. 2016, section 7). A single output is
    high for class 1.
    """
    if jnp.ndim(targets) == 2:
        return jnp.asarray(targets, dtype)
    low, high = f.targets if loss.reads_output_activation else (0.0, 1.0)
    low, high = jnp.asarray(low, dtype), jnp.asarray(high, dtype)
    if "label_smoothing" in loss.reads:
        smoothing = jnp.asarray(hyper.label_smoothing, dtype)
        low, high = smoothing / outputs, high - smoothing + smoothing / outputs
    first = 1 if outputs == 1 else 0
    classes = jnp.arange(first, first + outputs, dtype=targets.dtype)
    return jnp.where(targets[:, None] == classes[None, :], high, low)  # [N, K]


def penalty(w: Float[Array, "I O"], l1: Float[Array, ""] | None, l2: Float[Array, ""]) -> Float[Array, ""]:
    """l1 sum |w| + l2/2 sum w^2 of one weight matrix; without an l1, no pass over the weights is spent on its sum.

    |w| is written as w sign(w) with the sign held fixed: at 0 its derivative is then 0, where jax.grad(jnp.abs) says 1.
    """
    squares = 0.5 * l2 * jnp.vdot(w, w, precision="highest")
    return squares if l1 is None else l1 * jnp.sum(w * jax.lax.stop_gradient(jnp.sign(w))) + squares


def soft_threshold(w: Float[Array, "I O"], threshold: Float[Array, ""]) -> Float[Array, "I O"]:
    """The proximal step of an L1 penalty: argmin_u 1/2 |u - w|^2 + threshold sum |u| = sign(w) max(|w| - threshold, 0).

    Daubechies et al. 2004; Beck and Teboulle 2009, eq. 1.5; Parikh and Boyd 2014, section 6.5.2. It moves a weight to
    exactly 0 where `penalty_gradient` steps across 0 and back, and it moves nothing where the threshold is 0.
    """
    return w - jnp.clip(w, -threshold, threshold)


def penalty_gradient(w: Float[Array, "I O"], l1: Float[Array, ""] | None, l2: Float[Array, ""]) -> Float[Array, "I O"]:
    """Forward was l1 sum |w| + l2/2 sum w^2, so backward is l1 sign(w) + l2 w.

    Report eqs. 7 (without its factor 1/2, which its right-hand side lacks too) and 6.
    """
    return l2 * w if l1 is None else l1 * jnp.sign(w) + l2 * w
