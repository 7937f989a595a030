"""Update rules: optax transformations built from traced hyperparameters, so that one program serves every learning rate.

g is the gradient, alpha the learning rate of the step, gamma the momentum.

    momentum      v <- gamma v + (1 - gamma) alpha g,   w <- w - v          (report eq. 5)
    heavy_ball    u <- gamma u + g,                     w <- w - alpha u    (Polyak 1964; PyTorch's and Keras' SGD)

    velocity      v <- gamma v + alpha g,               w <- w - v          (Sutskever et al. 2013; scikit-learn's sgd)

With a constant rate the first two are one: v = (1 - gamma) alpha u, so `momentum` at the rate alpha equals `heavy_ball`
at the rate (1 - gamma) alpha. With a rate that changes they differ: in `momentum` every past gradient keeps the rate it came
in with, v_T = (1 - gamma) sum_t gamma^(T-t) alpha_t g_t, in `heavy_ball` all take the rate of today,
alpha_T u_T = sum_t gamma^(T-t) alpha_T g_t. So `momentum` follows a falling rate late, by about 1 / (1 - gamma) steps.

With `training.l1_step = "proximal"` a step is w <- soft_threshold(step of the rule, s l1), on weights only, where g leaves
the L1 penalty out and s is the effective rate: what a gradient that stays 1 moves a weight by, once averages have settled.

    sgd                      s = alpha
    momentum                 s = (1 - gamma) alpha (1 + gamma + gamma^2 + ...) = alpha
    heavy_ball, velocity, and their nesterov forms     s = alpha (1 + gamma + gamma^2 + ...) = alpha / (1 - gamma)

At rest the rule moves w by -s g, and w = soft_threshold(w - s g, s l1) holds where g = -l1 sign(w), or |g| <= l1 if w = 0:
the conditions of a minimum of E. Any other threshold rests at another penalty's minimum. Adaptive rules scale every weight
by its own history: no one threshold fits, and they are refused.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmlp.errors import UsageError, entry
from jaxmlp.nn import losses
from jaxmlp.nn.network import Layer, Params
from jaxmlp.spec import Hyper

OptState = Any  # an optax.OptState: a pytree of arrays
Transformation = Any  # an optax.GradientTransformation


class Optimizer(NamedTuple):
    """An update rule: how it is built from hyperparameters and the learning rate of a step, and the fields it reads."""

    build: Callable[[Hyper, Float[Array, ""]], Transformation]
    reads: frozenset[str] = frozenset()
    effective_rate: Callable[[Hyper, Float[Array, ""]], Float[Array, ""]] | None = None  # None: adaptive


def _optax() -> ModuleType:
    """The library, loaded with the first update rule: importing jaxmlp stays quick."""
    import optax

    return optax


def _momentum(hyper: Hyper, rate: Float[Array, ""]) -> Transformation:
    """Report eq. 5: the rate stands inside v, which matters once it changes."""
    return _optax().chain(_optax().scale_by_learning_rate(rate), _optax().ema(hyper.momentum, debias=False))


def _velocity(rate: Float[Array, ""], hyper: Hyper, *, nesterov: bool) -> Transformation:
    return _optax().chain(_optax().scale_by_learning_rate(rate), _optax().trace(hyper.momentum, nesterov))


def _weights_only(params: Params) -> Params:
    """True for weights, False for biases: decay, like the penalties, applies to weights."""
    return tuple(Layer(w=True, b=False) for _ in params)  # pyright: ignore[reportArgumentType]


def _constant(hyper: Hyper, rate: Float[Array, ""]) -> Float[Array, ""]:
    """s = alpha."""
    return rate


def _accumulated(hyper: Hyper, rate: Float[Array, ""]) -> Float[Array, ""]:
    """s = alpha / (1 - gamma)."""
    return rate / (1 - hyper.momentum)


OPTIMIZERS: dict[str, Optimizer] = {
    "momentum": Optimizer(_momentum, frozenset({"momentum"}), _constant),
    "heavy_ball": Optimizer(
        lambda hyper, rate: _optax().sgd(rate, hyper.momentum), frozenset({"momentum"}), _accumulated
    ),
    "nesterov": Optimizer(
        lambda hyper, rate: _optax().sgd(rate, hyper.momentum, nesterov=True), frozenset({"momentum"}), _accumulated
    ),
    "velocity": Optimizer(
        lambda hyper, rate: _velocity(rate, hyper, nesterov=False), frozenset({"momentum"}), _accumulated
    ),
    "nesterov_velocity": Optimizer(
        lambda hyper, rate: _velocity(rate, hyper, nesterov=True), frozenset({"momentum"}), _accumulated
    ),
    "sgd": Optimizer(lambda hyper, rate: _optax().sgd(rate), effective_rate=_constant),
    "adam": Optimizer(
        lambda hyper, rate: _optax().adam(rate, hyper.beta1, hyper.beta2, hyper.epsilon),
        frozenset({"beta1", "beta2", "epsilon"}),
    ),
    "adamw": Optimizer(
        lambda hyper, rate: _optax().adamw(
            rate, hyper.beta1, hyper.beta2, hyper.epsilon, weight_decay=hyper.weight_decay, mask=_weights_only
        ),
        frozenset({"beta1", "beta2", "epsilon", "weight_decay"}),
    ),
    "lion": Optimizer(  # Chen et al. 2023
        lambda hyper, rate: _optax().lion(
            rate, hyper.beta1, hyper.beta2, weight_decay=hyper.weight_decay, mask=_weights_only
        ),
        frozenset({"beta1", "beta2", "weight_decay"}),
    ),
    "rmsprop": Optimizer(
        lambda hyper, rate: _optax().rmsprop(rate, hyper.rms_decay, hyper.epsilon, eps_in_sqrt=False),
        frozenset({"rms_decay", "epsilon"}),
    ),
}


def optimizer(name: str) -> Optimizer:
    """The update rule called `name`; UsageError lists the known ones."""
    return entry("training.optimizer", name, OPTIMIZERS)


def start(name: str, hyper: Hyper, params: Params) -> OptState:
    """The state of the update rule before the first step."""
    return optimizer(name).build(hyper, jnp.asarray(hyper.learning_rate)).init(params)


def clipped(hyper: Hyper, grads: Params) -> Params:
    """The gradient, scaled down to the norm hyper.clip_norm where its own is above (Pascanu et al. 2013)."""
    norm = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(grads)))
    limit = jnp.asarray(hyper.clip_norm, norm.dtype)
    factor = jnp.where((limit > 0) & (norm > limit), limit / norm, 1)
    return jax.tree.map(lambda g: g * factor, grads)


def update(
    name: str, hyper: Hyper, rate: Float[Array, ""], grads: Params, opt_state: OptState, params: Params
) -> tuple[Params, OptState]:
    """One step of the update rule at the learning rate `rate`."""
    updates, opt_state = optimizer(name).build(hyper, rate).update(grads, opt_state, params)
    return jax.tree.map(lambda w, step: w + step, params, updates), opt_state


def effective_rate(name: str) -> Callable[[Hyper, Float[Array, ""]], Float[Array, ""]]:
    """The step of the rule called `name` under a constant gradient of 1, over the rate; UsageError for an adaptive rule."""
    effective = optimizer(name).effective_rate
    if effective is None:
        others = ", ".join(rule for rule in OPTIMIZERS if OPTIMIZERS[rule].effective_rate)
        raise UsageError(
            f"training.optimizer {name!r} scales every weight by itself, so training.l1_step 'proximal' has no one"
            f" threshold for it: take 'subgradient', or one of {others}"
        )
    return effective


def shrink(name: str, hyper: Hyper, rate: Float[Array, ""], params: Params) -> Params:
    """The proximal step of the L1 penalty, after a step of the rule at the learning rate `rate`: weights, not biases."""
    threshold = effective_rate(name)(hyper, rate) * hyper.l1
    return tuple(layer._replace(w=losses.soft_threshold(layer.w, threshold.astype(layer.w.dtype))) for layer in params)
