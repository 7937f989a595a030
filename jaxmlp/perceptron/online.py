"""The single-sample perceptron: one layer that learns from random examples, until one has an error below the threshold.

One step: draw an example (x, d) with replacement; z = x @ w + b, y = f(z), eps = 1/2 sum (d - y)^2. Stop if eps < threshold;
else delta = (y - d) f'(z) = d eps/dz, and w -= learning_rate outer(x, delta), b -= learning_rate delta.
"""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from annotated_types import Ge, Gt
from jaxtyping import Array, Bool, Float, Int, Key

from jaxmlp.nn import losses, network
from jaxmlp.nn.activations import activation
from jaxmlp.nn.network import Layer
from jaxmlp.spec import Examples, Hyper, Network, Spec, Training

BLOCK = 32  # steps between two updates of w; 64 are as fast for one trial, and slower for many
WINDOWS = 1024  # of the curve, at most


class Online(NamedTuple):
    """The hyperparameters of a perceptron: traced, so that one compiled program serves all their values."""

    learning_rate: Annotated[float, Gt(0)] = 0.01
    """Step size."""
    threshold: Annotated[float, Ge(0)] = 3e-6
    """Learning ends with the first example whose error 1/2 sum (d - y)^2 is below this; 0: with none."""
    init_scale: Annotated[float, Ge(0)] = 0.03
    """Half width a of the initialiser uniform(-a, a)."""
    max_steps: Annotated[int, Ge(1)] = 1_000_000
    """Steps after which learning ends, if it was not stopped before."""


class OnlineState(NamedTuple):
    """Everything that learning changes. The example that ends it changes no weight, and is no step."""

    layer: Layer
    steps: Int[Array, ""]  # updates made
    error: Float[Array, ""]  # of the example drawn last
    stopped: Bool[Array, ""]  # that error was below the threshold, or not finite
    errors: Float[Array, " W"]  # sums over the windows of the curve


def one_layer(output_activation: str, init: str, inputs: int, classes: int) -> Spec:
    """The static description. Raises UsageError for an activation that is unknown, or that nothing can train (step)."""
    activation(output_activation, "network.output_activation")
    layer = Network(hidden=(), output_activation=output_activation, loss="squared_error", init=init)
    return Spec(layer, Training(), inputs, classes)


def begin(spec: Spec, online: Online, key: Key[Array, ""]) -> OnlineState:
    """The state before the first step: weights drawn from the key's stream "init"."""
    init_key, _ = jax.random.split(key)
    (layer,) = network.init(spec, Hyper(init_scale=online.init_scale), init_key)
    errors = jnp.zeros(WINDOWS, layer.w.dtype)
    return OnlineState(
        layer, jnp.asarray(0, jnp.int32), jnp.asarray(jnp.inf, layer.w.dtype), jnp.asarray(False), errors
    )


def advance(
    spec: Spec, online: Online, key: Key[Array, ""], examples: Examples, state: OnlineState, until: Int[Array, ""]
) -> OnlineState:
    """Learn, block by block, until the step `until` at least, or the end.

    Pure in all arguments: jit it with `spec` static; vmap it over `online`, `key` and `state`: finished trials do not
    change. `key` is the one `begin` was given; a block draws from its own fold, so that calls do not matter.
    """
    _, order_key = jax.random.split(key)

    def block(state: OnlineState) -> OnlineState:
        indices = draw(order_key, state.steps // BLOCK, len(examples.x))
        x, labels = (part.at[indices].get(mode="promise_in_bounds") for part in (examples.x, examples.targets))
        return learn(spec, online, x, labels, state)

    return jax.lax.while_loop(lambda state: running(online, state) & (state.steps < until), block, state)


def running(online: Online, state: OnlineState) -> Bool[Array, ""]:
    """Whether there is a next step: neither stopped nor at the last one."""
    return ~state.stopped & (state.steps < online.max_steps)


def draw(order_key: Key[Array, ""], block: Int[Array, ""], examples: int) -> Int[Array, " B"]:
    """The indices of the examples of a block; every index below `examples` is equally likely."""
    return jax.random.randint(jax.random.fold_in(order_key, block), (BLOCK,), 0, examples, jnp.int32)


def learn(
    spec: Spec, online: Online, x: Float[Array, "B D"], labels: Int[Array, " B"], state: OnlineState
) -> OnlineState:
    """One step with each of the examples in turn, up to the one that ends it: delta_t, from the weights after t - 1 steps.

    A step is w <- w - learning_rate outer(x_s, delta_s), b <- b - learning_rate delta_s, so for a later example
        z_t = x_t @ w_0 + b_0 - learning_rate sum_{s < t} (x_s . x_t + 1) delta_s.
    All the x_t @ w_0 and all the x_s . x_t are two matrix products, and w changes once, by the sum of its steps. What
    remains sequential is small. It is the same sum in another order: equal to rounding.
    """
    precision = spec.training.matmul_precision
    loss, f = losses.loss(spec.network.loss), activation(spec.network.output_activation, "network.output_activation")
    x = x.astype(state.layer.w.dtype)
    rate, threshold = (jnp.asarray(number, x.dtype) for number in (online.learning_rate, online.threshold))
    d = losses.output_targets(labels, spec.outputs, loss, f, Hyper(), x.dtype)  # [B, K]
    z = jnp.matmul(x, state.layer.w, precision=precision) + state.layer.b[None, :]  # [B, K]
    effect = jnp.triu(rate * (jnp.matmul(x, x.T, precision=precision) + 1), k=1)  # [B, B], of a step on later ones

    def step(s: Int[Array, ""], z: Float[Array, "B K"]) -> Float[Array, "B K"]:
        delta = loss.delta(z[s][None, :], d[s][None, :], f, Hyper())  # [1, K]
        return z - effect[s][:, None] * delta

    z = jax.lax.fori_loop(0, len(x), step, z)
    errors = loss.value(z, d, f, Hyper())  # [B]
    continues = jnp.isfinite(errors) & (errors >= threshold)
    within = state.steps + jnp.arange(len(x), dtype=jnp.int32) < online.max_steps
    learnt = jnp.cumprod(continues & within, dtype=jnp.int32)  # [B], 1 up to the end
    count = jnp.sum(learnt, dtype=jnp.int32)
    stopped = jnp.any(within & ~continues)
    last = jnp.where(stopped, count, count - 1)
    delta = jnp.where(learnt[:, None] > 0, rate * loss.delta(z, d, f, Hyper()), 0)  # [B, K]
    w = state.layer.w - jnp.matmul(x.T, delta, precision=precision)
    b = state.layer.b - jnp.sum(delta, axis=0)
    windows = state.errors.at[state.steps // window(online)].add(jnp.sum(jnp.where(learnt > 0, errors, 0)))
    return OnlineState(Layer(w, b), state.steps + count, errors[last], stopped, windows)


def window(online: Online) -> Int[Array, ""]:
    """Steps in a window of the curve: whole blocks, and so many that `max_steps` need no more than WINDOWS."""
    largest = jnp.asarray(online.max_steps, jnp.int32) - 1
    return BLOCK * (largest // (BLOCK * WINDOWS) + 1)
