"""The matrix products of training: in full precision, or of operands rounded to bfloat16 with sums in float32.

bfloat16 has the range of float32, and 8 of its 24 significant bits. The product of two such numbers is exact in float32, so
what is lost is the rounding of the operands, a relative 2^-9 each. Weights, sums and all else stay float32 (Micikevicius et
al. 2018; the range is that of float32, so no loss has to be scaled).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmlp.spec import Training

COMPUTE_DTYPES = ("full", "bfloat16")


def product(training: Training, a: Float[Array, "M I"], b: Float[Array, "I O"]) -> Float[Array, "M O"]:
    """a @ b, as `training.compute_dtype` and `matmul_precision` say. Its derivatives are computed in the same way."""
    if training.compute_dtype == "bfloat16":
        return _rounded(a, b)
    return jnp.matmul(a, b, precision=training.matmul_precision)


def summed_products(
    training: Training, a: Float[Array, "N I"], delta: Float[Array, "N O"], *, hidden: bool
) -> Float[Array, "I O"]:
    """a.T @ delta, the sum over the examples of their outer products; `hidden`: a are activations of hidden units.

    In float64 the transposed operand is an array of its own, of hidden units the narrower one: XLA's products on CPUs take
    up to twice as long where they transpose it themselves.
    """
    if training.compute_dtype == "bfloat16":
        return _summed_rounded(a, delta)
    precision = training.matmul_precision
    if delta.dtype != np.float64:
        return jnp.matmul(a.T, delta, precision=precision)
    if hidden and delta.shape[1] < a.shape[1]:
        return jnp.matmul(jax.lax.optimization_barrier(delta.T), a, precision=precision).T
    return jnp.matmul(jax.lax.optimization_barrier(a.T), delta, precision=precision)


@jax.custom_vjp
def _rounded(a: Float[Array, "M I"], b: Float[Array, "I O"]) -> Float[Array, "M O"]:
    """a @ b of rounded operands.

    Forward was z = a @ b, so backward is dE/da = delta @ b.T and dE/db = a.T @ delta; delta is rounded, too.
    """
    return jax.lax.dot(a.astype(jnp.bfloat16), b.astype(jnp.bfloat16), preferred_element_type=jnp.float32)


def _forward(a: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    return _rounded(a, b), (a, b)


def _backward(operands: tuple[Array, Array], delta: Array) -> tuple[Array, Array]:
    a, b = operands
    return _rounded(delta, b.T), _summed_rounded(a, delta)


_rounded.defvjp(_forward, _backward)


def _summed_rounded(a: Float[Array, "N I"], delta: Float[Array, "N O"]) -> Float[Array, "I O"]:
    """a.T @ delta of rounded operands.

    The transposed operand is an array of its own: XLA's CPU programs (JAX 0.10 to 0.12) have no product of one that many
    trials share.
    """
    transposed = jax.lax.optimization_barrier(a.astype(jnp.bfloat16).T)
    return jax.lax.dot(transposed, delta.astype(jnp.bfloat16), preferred_element_type=jnp.float32)
