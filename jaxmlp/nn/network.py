"""The network: its layers, their initial weights, and the forward pass."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxmlp import display
from jaxmlp.errors import UsageError, entry
from jaxmlp.nn.activations import activation
from jaxmlp.nn.losses import CLASSES, loss
from jaxmlp.nn.products import product
from jaxmlp.spec import Hyper, Network, Spec


class Layer(NamedTuple):
    """z = a @ w + b. The bias equals a weight from an input that is always 1 (the report's augmented input)."""

    w: Float[Array, "I O"]
    b: Float[Array, " O"]

    def __repr__(self) -> str:
        return display.fields(self)


Params = tuple[Layer, ...]
Activations = Float[Array, "N _"]


class Uniform(NamedTuple):
    """An initialiser uniform(-a, a) of weights and biases alike."""

    half_width: Callable[[Spec, Hyper, int, int], float | Float[Array, ""]]  # a, of (spec, hyper, inputs, outputs)


def _glorot_width(spec: Spec, hyper: Hyper, inputs: int, outputs: int) -> float:
    """sqrt(6 / (inputs + outputs)), of sigmoid units sqrt(2 / (inputs + outputs)): as scikit-learn's networks begin."""
    return math.sqrt((2 if spec.network.activation == "sigmoid" else 6) / (inputs + outputs))


INITS = {
    # Variance scaling: LeCun et al. 1998 (1/fan_in), Glorot and Bengio 2010 (2/(fan_in + fan_out)), He et al. 2015
    # (2/fan_in). "zeros" is the report's Algorithm 1, "uniform" the thread's, of half width hyper.init_scale.
    # Where it is not said otherwise biases begin at 0.
    "zeros": jax.nn.initializers.zeros,
    "uniform": Uniform(lambda spec, hyper, inputs, outputs: hyper.init_scale),
    "lecun_normal": jax.nn.initializers.lecun_normal(),
    "lecun_uniform": jax.nn.initializers.lecun_uniform(),
    "glorot_normal": jax.nn.initializers.glorot_normal(),
    "glorot_uniform_all": Uniform(_glorot_width),
    "glorot_uniform": jax.nn.initializers.glorot_uniform(),
    "he_normal": jax.nn.initializers.he_normal(),
    "he_uniform": jax.nn.initializers.he_uniform(),
}


def init(spec: Spec, hyper: Hyper, key: Key[Array, ""]) -> Params:
    """The initial weights and biases of every layer, of the shapes that `spec.sizes` gives.

    Raises UsageError where `network.init` names no initialiser.
    """
    initializer = entry("network.init", spec.network.init, INITS)
    layers, dtype = [], spec.training.dtype
    for index, (inputs, outputs) in enumerate(zip(spec.sizes, spec.sizes[1:], strict=False)):
        layer_key = jax.random.fold_in(key, index)
        if isinstance(initializer, Uniform):
            w_key, b_key = jax.random.split(layer_key)
            bound = jnp.asarray(initializer.half_width(spec, hyper, inputs, outputs), dtype)
            w = bound * jax.random.uniform(w_key, (inputs, outputs), dtype, minval=-1.0)
            b = bound * jax.random.uniform(b_key, (outputs,), dtype, minval=-1.0)
        else:
            w = initializer(layer_key, (inputs, outputs), dtype)
            b = jnp.zeros(outputs, dtype)
        layers.append(Layer(w, b))
    return tuple(layers)


class Tape(NamedTuple):
    """What the forward pass keeps for the backward pass: arrays [N, H], one a hidden layer."""

    inputs: tuple[Activations, ...]  # of every layer, the output layer too: x, then activations after dropout
    pre_activations: tuple[Activations, ...]  # z of the hidden layers
    activations: tuple[Activations, ...]  # a = f(z) of the hidden layers, before dropout
    masks: tuple[Activations | None, ...]  # 0 or 1/(1 - rate), where there is dropout


def record(
    spec: Spec, hyper: Hyper, params: Params, x: Float[Array, "N D"], key: Key[Array, ""] | None
) -> tuple[Float[Array, "N K"], Tape]:
    """The forward pass: logits [N, K], and what the backward pass needs.

    z_l = a_{l-1} @ w_l + b_l and a_l = f(z_l) * mask_l, with a_0 = x; the logits are z of the last layer. Dropout masks are
    drawn from `key`; without a key there are none.
    """
    f = activation(spec.network.activation)
    a, inputs, pre_activations, activations, masks = x, [], [], [], []
    *hidden, output = params
    for index, layer in enumerate(hidden):
        inputs.append(a)
        z = _affine(spec, a, layer)  # [N, H]
        a = f.value(z)
        pre_activations.append(z)
        activations.append(a)
        if spec.network.dropout and key is not None:
            mask = dropout_mask(jax.random.fold_in(key, index), hyper, a)
            a = a * mask
            masks.append(mask)
        else:
            masks.append(None)
    inputs.append(a)
    return _affine(spec, a, output), Tape(*map(tuple, (inputs, pre_activations, activations, masks)))


def forward(spec: Spec, params: Params, x: Float[Array, "N D"]) -> Float[Array, "N K"]:
    """The logits: pre-activations z of the output layer, as the network is used: without dropout, in full precision.

    Raises UsageError for weights or examples of other shapes than the spec says.
    """
    check_shapes(spec, params)
    if len(x.shape) != 2 or x.shape[1] != spec.inputs:
        raise UsageError(f"x has the shape {list(x.shape)}; accepted is [examples, {spec.inputs}], as spec.inputs says")
    in_full = replace(spec, training=replace(spec.training, compute_dtype="full"))
    return record(in_full, Hyper(), params, x, None)[0]


def check_shapes(spec: Spec, params: Params) -> None:
    """Raise UsageError for weights of other shapes than the spec says."""
    sizes = spec.sizes
    if len(params) != len(sizes) - 1:
        raise UsageError(f"params has {len(params)} layers; accepted is {len(sizes) - 1}, as the spec has ({sizes})")
    for number, (layer, inputs, outputs) in enumerate(zip(params, sizes, sizes[1:], strict=False)):
        if layer.w.shape != (inputs, outputs) or layer.b.shape != (outputs,):
            raise UsageError(
                f"params[{number}] has w {list(layer.w.shape)} and b {list(layer.b.shape)}; accepted is"
                f" [{inputs}, {outputs}] and [{outputs}], as the spec has ({sizes})"
            )


def predictions(logits: Float[Array, "N K"], kind: str = CLASSES) -> Int[Array, "N *K"]:
    """What is predicted of targets of a `kind`: the class with the largest logit, the first of equals, or labels [N, K].

    A label holds, and of a single output the class is 1, where the logit is above 0: the sigmoid is above one half.

    An increasing f(z) would choose the same one, but saturates. (silu and gelu increase above their minimum only; outputs
    that mean anything lie there.)
    """
    if kind == CLASSES and logits.shape[1] > 1:
        return jnp.argmax(logits, axis=1).astype(jnp.int32)
    held = (logits > 0).astype(jnp.int32)
    return held[:, 0] if kind == CLASSES else held


def outputs(network: Network, logits: Float[Array, "N K"]) -> Float[Array, "N K"]:
    """The outputs of the network, as its loss has them: probabilities softmax(z) or sigmoid(z), exp(z), or f(z)."""
    f = activation(network.output_activation, "network.output_activation")
    return loss(network.loss).outputs(logits, f)


def dropout_mask(key: Key[Array, ""], hyper: Hyper, a: Activations) -> Activations:
    """0 for a unit that is dropped, 1/(1 - rate) for one that is kept, so that the expected activation stays.

    Srivastava et al. 2014, in the inverted form: nothing is rescaled when the network is used.
    """
    keep = jnp.asarray(1, a.dtype) - jnp.asarray(hyper.dropout_rate, a.dtype)
    return jax.random.bernoulli(key, keep, a.shape).astype(a.dtype) / keep


def _affine(spec: Spec, a: Activations, layer: Layer) -> Activations:
    return product(spec.training, a, layer.w) + layer.b[None, :]
