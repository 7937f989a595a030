"""The outputs of a trained network for any number of examples, by programs of few sizes."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from jaxmlp.nn import network
from jaxmlp.nn.network import Params
from jaxmlp.spec import Spec, Training
from jaxmlp.training.precision import precision

BLOCKS = (32, 256, 2048)  # examples of one call: each is compiled once a network, and a rest is filled up with zeros


@partial(jax.jit, static_argnums=0)
def compiled(spec: Spec, params: Params, x: Float[Array, "N D"]) -> Float[Array, "N K"]:
    """What the network says."""
    return network.outputs(spec.network, network.forward(spec, params, x))


def outputs(spec: Spec, params: Params, x: Any) -> np.ndarray:
    """The outputs [N, K] for examples x [N, D], a NumPy array or a sparse matrix, in `training.dtype`."""
    spec = replace(spec, training=Training(dtype=spec.training.dtype))  # nothing else of the training enters
    x = x.tocsr() if hasattr(x, "tocsr") else x  # whose rows are taken quickly
    N, size = x.shape[0], next((size for size in BLOCKS if size >= x.shape[0]), BLOCKS[-1])
    result = np.empty((N, spec.outputs), spec.training.dtype)
    with precision(spec.training):
        params = jax.device_put(params)
        for first in range(0, N, size):
            rows = dense(x[first : first + size], spec.training.dtype)
            filled = rows if len(rows) == size else np.pad(rows, ((0, size - len(rows)), (0, 0)))
            result[first : first + size] = np.asarray(compiled(spec, params, filled))[: len(rows)]
    return result


def dense(x: Any, dtype: str) -> np.ndarray:
    """A NumPy array or a sparse matrix as an array of `dtype`."""
    return np.ascontiguousarray(x.toarray() if hasattr(x, "toarray") else x, dtype)
