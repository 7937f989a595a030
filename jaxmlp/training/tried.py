"""What activations, losses and update rules of one's own are tried by before they are registered."""

import math
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmlp.errors import UsageError
from jaxmlp.nn.losses import CLASSES, LABELS
from jaxmlp.nn.network import Layer
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.training.fitting import typed
from jaxmlp.training.optimizers import Transformation

POINTS = np.linspace(-3.1, 3.3, 28)  # where derivatives are compared: on both sides of 0, and not at it
EPS = 1e-5  # of the central differences
OF_AUTODIFF, OF_DIFFERENCES = 1e-9, 1e-6  # tolerances, relative where the derivative is above 1
STEPS = 3  # of an update rule that is tried


def computed(what: str, formula: str, compute: Callable[[], Any]) -> Any:
    """The result; UsageError, with what Python or JAX says in one line, where there is none."""
    try:
        return compute()
    except UsageError:
        raise
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")
        raise UsageError(
            f"{what} cannot be computed: {type(error).__name__}: {reason}; accepted is {formula}, in jax.numpy, with"
            " jnp.where in place of an if"
        ) from error


def check_reads(what: str, reads: Collection[str], result: Callable[[Hyper], Any], dtype: str = "float32") -> None:
    """Raise UsageError where another value of a hyperparameter that `reads` does not name changes the result."""
    default = result(hyper_of(Hyper(), dtype))
    for field in Hyper._fields:
        if field not in reads and field != "learning_rate":  # which every training reads
            other = Hyper()._replace(**{field: getattr(Hyper(), field) * 0.5 + 0.2})  # no default is 0.4
            if not np.array_equal(default, result(hyper_of(other, dtype))):
                raise UsageError(f"{what} uses hyper.{field}, which its reads {sorted(reads)} do not name: add it")


def hyper_of(hyper: Hyper, dtype: str = "float32") -> Hyper:
    """The hyperparameters as a training has them."""
    return typed(Spec(Network(), Training(dtype=dtype), 1, 1), hyper)


def check_types(
    what: str, formula: str, function: Callable[[Any], Array], argument: Any, shape: tuple[int, ...]
) -> None:
    """Raise UsageError unless the result is float32 like the argument, and of this shape."""
    result = computed(what, formula, lambda: jax.eval_shape(lambda x: jnp.asarray(function(x)), argument))
    if result.shape != shape or result.dtype != jnp.float32:
        raise UsageError(
            f"{what} has the shape {list(result.shape)} and the type {result.dtype} for float32 [{shape[0]}, ...];"
            f" accepted is float32 {list(shape)}"
        )


class _Difference(NamedTuple):
    """Three derivatives at a point that should be one."""

    z: float
    given: float
    autodiff: float
    differences: float


def check_derivative(what: str, formula: str, value: Callable[[Array], Array], given: Array, z: Array) -> None:
    """Raise UsageError, with the numbers, at the first point where the three routes do not agree. Needs float64."""
    autodiff = jax.grad(lambda z: value(z).sum())(z)
    steps = [jnp.ones_like(z)] if z.ndim == 1 else [jnp.zeros_like(z).at[:, k].set(1.0) for k in range(z.shape[1])]
    quotients = [np.asarray(value(z + EPS * step) - value(z - EPS * step)) / (2 * EPS) for step in steps]
    differences = np.stack(quotients, axis=-1)
    for numbers in zip(*(np.ravel(array).tolist() for array in (z, given, autodiff, differences)), strict=True):
        point = _Difference(*numbers)
        scale = max(1.0, abs(point.given))
        near = abs(point.given - point.autodiff) <= OF_AUTODIFF * scale
        if not (near and abs(point.given - point.differences) <= OF_DIFFERENCES * scale):
            raise UsageError(
                f"{what} is not registered: at z = {point.z:.6g} its {formula} is {point.given:.9g}, automatic"
                f" differentiation says {point.autodiff:.9g}, central differences {point.differences:.9g}; make them one"
            )


def targets_of(kind: str, least: float, rng: np.random.Generator) -> Array:
    """Fixed targets of a kind for the points of a loss, [7] or [7, 4]."""
    shape = len(POINTS) // 4, 4
    if kind == CLASSES:
        return jnp.arange(shape[0], dtype=jnp.int32) % 4
    numbers = rng.integers(0, 2, shape) if kind == LABELS else rng.normal(size=shape)
    return jnp.asarray(numbers if kind == LABELS or least == -math.inf else least + np.abs(numbers), jnp.float64)


def trajectory(what: str, build: Callable[[Hyper, Array], Transformation], hyper: Hyper) -> Float[Array, "S P"]:
    """Some steps of an update rule on one layer, flat; raises UsageError where a step changes shapes or types."""
    rng = np.random.default_rng(0)
    params = (Layer(jnp.asarray(rng.normal(size=(2, 3)), jnp.float32), jnp.zeros(3, jnp.float32)),)
    rate, state, path = jnp.asarray(0.1, jnp.float32), None, []
    for _ in range(STEPS):
        rule = build(hyper, rate)
        if not (hasattr(rule, "init") and hasattr(rule, "update")):
            raise UsageError(
                f"build of {what} returns {type(rule).__name__}; accepted is an optax.GradientTransformation, or another"
                " with init and update"
            )
        state = rule.init(params) if state is None else state
        grads = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype), params)
        updates, after = rule.update(grads, state, params)
        for before, now in ((state, after), (params, updates)):
            if _types(before) != _types(now):
                raise UsageError(
                    f"{what} changes shapes or types: {_types(before)} before a step, {_types(now)} after it"
                )
        state, params = after, jax.tree.map(jnp.add, params, updates)
        path.append(jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(params)]))
    return jnp.stack(path)


def _types(tree: Any) -> list[str]:
    return [f"{jnp.result_type(leaf)}{list(jnp.shape(leaf))}" for leaf in jax.tree.leaves(tree)]
