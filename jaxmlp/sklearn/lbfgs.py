"""SciPy's L-BFGS-B over the compiled objective and its gradient, of all examples at once."""

import warnings
from functools import partial
from typing import NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, Float
from sklearn.exceptions import ConvergenceWarning

from jaxmlp.nn.gradients import gradient, penalty_term
from jaxmlp.nn.network import Params
from jaxmlp.spec import Examples, Hyper, Spec


class Minimum(NamedTuple):
    """Where L-BFGS-B has ended."""

    params: Params
    loss: float
    iterations: int


@partial(jax.jit, static_argnums=0)
def objective_and_gradient(
    spec: Spec, hyper: Hyper, params: Params, examples: Examples
) -> tuple[Float[Array, ""], Float[Array, " P"]]:
    """E = (sum v loss + l1 sum |w| + l2/2 sum w^2) / sum v, and its gradient, flat."""
    v = jnp.ones(len(examples.x), params[0].w.dtype) if examples.weights is None else examples.weights
    total = jnp.sum(v)
    shared = hyper._replace(l1=hyper.l1 / total, l2=hyper.l2 / total)
    grads, losses, _ = gradient(spec.training.gradient)(spec, shared, params, examples, None)
    value = jnp.sum(losses * v) / total + penalty_term(spec, shared, params)
    return value, jax.flatten_util.ravel_pytree(grads)[0]


def minimise(
    spec: Spec,
    hyper: Hyper,
    params: Params,
    examples: Examples,
    *,
    iterations: int,
    evaluations: int,
    tolerance: float,
    verbose: bool,
) -> Minimum:
    """Minimise the objective from `params` on. Warns with ConvergenceWarning where it ends before it has converged.

    Args:
        spec: The network, static.
        hyper: l1 and l2 are read, and what the loss reads.
        params: The first weights, in float64.
        examples: All that is trained on, on the device.
        iterations: At most so many.
        evaluations: Of the objective, at most so many.
        tolerance: The largest entry of the gradient at a minimum.
        verbose: Whether each iteration prints its objective.
    """
    flat, unflatten = jax.flatten_util.ravel_pytree(params)

    def value_and_gradient(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value, grads = objective_and_gradient(spec, hyper, unflatten(jnp.asarray(weights)), examples)
        return float(value), np.asarray(grads)

    def show(intermediate_result: scipy.optimize.OptimizeResult) -> None:
        print(f"objective = {intermediate_result.fun:.8f}")

    result = scipy.optimize.minimize(
        value_and_gradient,
        np.asarray(flat),
        method="L-BFGS-B",
        jac=True,
        callback=show if verbose else None,
        options={"maxiter": iterations, "maxfun": evaluations, "gtol": tolerance},
    )
    if result.status != 0:
        warnings.warn(
            f"lbfgs failed to converge after {result.nit} iteration(s) (status={result.status}): {result.message}."
            " You might also want to scale the data, or to increase max_iter or max_fun.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return Minimum(unflatten(jnp.asarray(result.x)), float(result.fun), min(int(result.nit), iterations))
