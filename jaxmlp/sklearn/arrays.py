"""The arrays of an estimator as the training loop takes them, and the device that they go to."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.nn.network import Layer, Params
from jaxmlp.sklearn.outputs import dense
from jaxmlp.sklearn.parameters import Sizes
from jaxmlp.spec import Examples, Network, Spec, Splits, Training
from jaxmlp.training.loop import TrainState


class Prepared(NamedTuple):
    """The data of a fit, checked and encoded."""

    splits: Splits  # without test examples
    sizes: Sizes
    seed: int
    first: bool  # whether the network is new


def device_of(name: str | None) -> Any:
    """The device of a name such as "cpu" or "gpu:1"; None is JAX's default. Raises ValueError for one there is not."""
    if name is None:
        return None
    platform, _, number = name.partition(":")
    try:
        return jax.devices(platform)[int(number or 0)]
    except (RuntimeError, ValueError, IndexError):
        raise ValueError(
            f"device {name!r} is not here; accepted is a kind of device, or one by its number, such as 'cpu' or 'gpu:0':"
            f" JAX computes on {', '.join(f'{device.platform}:{device.id}' for device in jax.devices())}"
        ) from None


def at_the_start(spec: Spec) -> Spec:
    """A spec without what the first state does not depend on: batches, losses and early stopping compile no other one."""
    training = spec.training
    network = Network(spec.network.hidden, spec.network.activation, init=spec.network.init)
    rule = Training(training.optimizer, training.schedule, dtype=training.dtype)
    return replace(spec, network=network, training=rule)


def examples_of(X: Any, targets: np.ndarray, weights: Any, dtype: str) -> Examples:
    """Examples in `dtype`; class numbers stay whole."""
    numbers: Any = targets if targets.ndim == 1 else targets.astype(dtype)
    v: Any = None if weights is None else np.asarray(weights, dtype)
    x: Any = dense(X, dtype)
    return Examples(x, numbers, v)


def rows_of(examples: Examples, rows: np.ndarray) -> Examples:
    """Some of the examples."""
    return Examples._make(None if part is None else part[rows] for part in examples)


def none_of(examples: Examples) -> Examples:
    """No examples, of the same kind."""
    return rows_of(examples, np.arange(0))._replace(weights=None)


def layers_of(coefs: list[np.ndarray], intercepts: list[np.ndarray]) -> Params:
    """Weights and biases as a network has them."""
    layers: Any = (Layer._make(map(np.asarray, layer)) for layer in zip(coefs, intercepts, strict=True))
    return tuple(layers)


def with_params(state: TrainState, params: Params) -> TrainState:
    """A state with other weights, which are the best so far. Raises ValueError for those of other layers."""
    shapes, other = ([layer.w.shape for layer in layers] for layers in (params, state.params))
    if shapes != other:
        raise ValueError(
            f"hidden_layer_sizes asks for weights of the shapes {other}, and the network that is to be trained on has"
            f" {shapes}: leave it as it was, or begin anew, without warm_start"
        )
    params = jax.tree.map(lambda array, old: jnp.asarray(array, old.dtype), params, state.params)
    return state._replace(params=params, best_params=params)
