"""The arrays of an estimator as the training loop takes them, and the device that they go to."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.nn.network import Layer, Params
from jaxmlp.sklearn.outputs import dense
from jaxmlp.spec import Examples
from jaxmlp.training.loop import TrainState


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
    """A state with other weights, which are the best so far."""
    params = jax.tree.map(lambda array, old: jnp.asarray(array, old.dtype), params, state.params)
    return state._replace(params=params, best_params=params)
