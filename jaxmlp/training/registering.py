"""Activations, losses and update rules of your own, in the registries that configs, commands, grids and estimators use.

A derivative is refused, with the numbers, unless automatic differentiation and central differences agree with it in
float64 at fixed points. A registration holds in its process: make it in each one that trains.
"""

import math
from collections.abc import Callable, Collection, MutableMapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmlp.errors import UsageError, unknown
from jaxmlp.nn.activations import ACTIVATIONS, Activation
from jaxmlp.nn.losses import CLASSES, LABELS, LOSSES, VALUES, Logits, Loss, output_targets
from jaxmlp.nn.network import Layer
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.training.fitting import typed
from jaxmlp.training.optimizers import OPTIMIZERS, Optimizer, Transformation

POINTS = np.linspace(-3.1, 3.3, 28)  # where derivatives are compared: on both sides of 0, and not at it
EPS = 1e-5  # of the central differences
OF_AUTODIFF, OF_DIFFERENCES = 1e-9, 1e-6  # tolerances, relative where the derivative is above 1
STEPS = 3  # of an update rule that is tried

replaced: list[str] = []  # names whose entry was overwritten: what was compiled with the old one is not used again


def register_activation(
    name: str,
    value: Callable[[Array], Array],
    derivative: Callable[[Array, Array], Array],
    targets: tuple[float | int, float | int] = (0, 1),
    *,
    overwrite: bool = False,
) -> None:
    """Add an activation a = value(z), which `network.activation` and `network.output_activation` then accept.

    Args:
        name: What it is called; a new name, unless `overwrite`.
        value: z -> a, element by element, in JAX.
        derivative: (z, a) -> da/dz; at a kink it should be what `jax.grad` says.
        targets: (low, high) of an output unit that is to tell classes: the limits of its range, if it has any.
        overwrite: Whether an entry of this name is replaced.

    Raises:
        UsageError: where the derivative, automatic differentiation and central differences do not agree, with the first
            point at which they do not; and for a name that is taken.

    Example:
        jaxmlp.register_activation("square", lambda z: z * z, lambda z, a: 2 * z)
        spec = jaxmlp.Spec(jaxmlp.Network(activation="square"), jaxmlp.Training(), inputs=64, outputs=10)
    """
    what = f"activation {name!r}"
    _check_name(what, name, ACTIVATIONS, overwrite)
    if not len(targets) == 2 or not targets[0] < targets[1]:
        raise UsageError(f"targets of {what} are {targets}; accepted is (low, high) with low below high")
    _check_types(what, lambda z: derivative(z, value(z)), jnp.zeros((3, 2), jnp.float32), (3, 2))
    _check_types(f"the value of {what}", value, jnp.zeros((3, 2), jnp.float32), (3, 2))
    with jax.enable_x64(True):
        z = jnp.asarray(POINTS)
        _check_derivative(what, "derivative(z, a)", value, derivative(z, value(z)), z)
        first = jax.grad(lambda z: value(z).sum())
        kink = any(abs(float(f(1e-9) - f(-1e-9))) > 1e-3 for f in (first, jax.grad(first)))
    _add(ACTIVATIONS, name, Activation(value, derivative, (float(targets[0]), float(targets[1])), kink))


def register_loss(
    name: str,
    value: Callable[[Logits, Logits, Activation, Hyper], Float[Array, " N"]],
    delta: Callable[[Logits, Logits, Activation, Hyper], Logits],
    learns: Collection[str] = (VALUES,),
    *,
    outputs: Callable[[Logits, Activation], Logits] | None = None,
    reads_output_activation: bool = False,
    reads: Collection[str] = (),
    least_target: float = -math.inf,
    overwrite: bool = False,
) -> None:
    """Add a loss of each example, which `network.loss` then accepts.

    Args:
        name: What it is called; a new name, unless `overwrite`.
        value: (z [N, K], t [N, K], f, hyper) -> [N]; z is the pre-activation of the output layer, t the target, f the
            output activation.
        delta: The same -> dloss/dz [N, K]: what the delta rule begins with.
        learns: Kinds of targets: "classes" [N] (t is one-hot), "labels" [N, K] of 0 and 1, "values" [N, K].
        outputs: (z, f) -> what the network says; f.value(z) without it.
        reads_output_activation: Whether value and delta use f; else it stays the identity.
        reads: The fields of Hyper that value and delta use.
        least_target: The lowest value that can be learnt.
        overwrite: Whether an entry of this name is replaced.

    Raises:
        UsageError: where delta, automatic differentiation and central differences do not agree, with the first point at
            which they do not; for a name that is taken, and for unknown kinds and fields.

    Example:
        def value(z, t, f, hyper):
            return jnp.sum(jnp.log(jnp.cosh(z - t)), axis=1)

        jaxmlp.register_loss("log_cosh", value, lambda z, t, f, hyper: jnp.tanh(z - t))
    """
    what = f"loss {name!r}"
    _check_name(what, name, LOSSES, overwrite)
    kinds = (CLASSES, LABELS, VALUES)
    if not learns or not set(learns) <= set(kinds):
        raise UsageError(f"learns of {what} is {list(learns)}; accepted are some of {', '.join(kinds)}")
    _check_fields(what, reads)
    says = outputs or (lambda z, f: f.value(z))
    entry = Loss(
        *(value, delta, says, "output", tuple(learns), reads_output_activation),
        *(frozenset(reads), least_target),
    )
    rng = np.random.default_rng(0)
    small = jnp.ones((2, 3), jnp.float32)
    _check_types(f"the value of {what}", lambda z: value(z, z, ACTIVATIONS["identity"], Hyper()), small, (2,))
    _check_types(f"the delta of {what}", lambda z: delta(z, z, ACTIVATIONS["identity"], Hyper()), small, (2, 3))
    for f in (ACTIVATIONS["identity"], *([ACTIVATIONS["tanh"]] if reads_output_activation else [])):
        for kind in learns:
            with jax.enable_x64(True):
                z, targets = jnp.asarray(POINTS.reshape(-1, 4)), _targets(kind, least_target, rng)
                t = output_targets(targets, 4, entry, f, Hyper(), z.dtype)
                _check_derivative(
                    f"{what} of {kind}", "delta(z, t, f, hyper)", lambda z, t=t, f=f: value(z, t, f, Hyper()),
                    delta(z, t, f, Hyper()), z,
                )  # fmt: skip
    _add(LOSSES, name, entry)


def register_optimizer(
    name: str,
    build: Callable[[Hyper, Array], Transformation],
    reads: Collection[str] = (),
    *,
    effective_rate: Callable[[Hyper, Array], Array] | None = None,
    overwrite: bool = False,
) -> None:
    """Add an update rule, which `training.optimizer` then accepts.

    Args:
        name: What it is called; a new name, unless `overwrite`.
        build: (hyper, learning rate of the step) -> an optax.GradientTransformation. Both are traced: no `if` on them.
        reads: The fields of Hyper that it uses, such as "beta1".
        effective_rate: (hyper, rate) -> the step under a gradient that stays 1, which `training.l1_step = "proximal"` needs;
            None for a rule that scales every weight by itself.
        overwrite: Whether an entry of this name is replaced.

    Raises:
        UsageError: for a rule whose state or steps are of other shapes or types than the weights, or not finite; that uses a
            field which `reads` does not name; and for a name that is taken.

    Example:
        jaxmlp.register_optimizer("yogi", lambda hyper, rate: optax.yogi(rate, hyper.beta1), reads=["beta1"])
    """
    what = f"optimizer {name!r}"
    _check_name(what, name, OPTIMIZERS, overwrite)
    _check_fields(what, reads)
    steps = jax.jit(lambda hyper: _trajectory(what, build, hyper))
    spec, default = Spec(Network(), Training(), 1, 1), Hyper()
    moved = np.asarray(steps(typed(spec, default)))
    if not np.isfinite(moved).all():
        raise UsageError(f"{what} makes steps that are not finite: nothing was registered; mend its build(hyper, rate)")
    for field in Hyper._fields:
        other = typed(spec, default._replace(**{field: getattr(default, field) * 0.5 + 0.25}))
        if field not in reads and field != "learning_rate" and not np.array_equal(moved, steps(other)):
            raise UsageError(f"{what} uses hyper.{field}, which its reads {sorted(reads)} do not name: add it")
    _add(OPTIMIZERS, name, Optimizer(build, frozenset(reads), effective_rate))


def _check_name(what: str, name: str, registry: Collection[str], overwrite: bool) -> None:
    if not isinstance(name, str) or not name.isidentifier() or name == "step":
        raise UsageError(f"{what} cannot be called so; accepted is a name of letters, digits and _, but for step")
    if name in registry and not overwrite:
        raise UsageError(f"{what} exists; take another name, or overwrite=True to replace it")


def _check_fields(what: str, reads: Collection[str]) -> None:
    for field in reads:
        if field not in Hyper._fields:
            raise unknown(f"reads of {what}", field, Hyper._fields)


def _check_types(what: str, function: Callable[[Any], Array], argument: Any, shape: tuple[int, ...]) -> None:
    """Raise UsageError unless the result is float32 like the argument, and of this shape."""
    result = jax.eval_shape(function, argument)
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


def _check_derivative(what: str, formula: str, value: Callable[[Array], Array], given: Array, z: Array) -> None:
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


def _targets(kind: str, least: float, rng: np.random.Generator) -> Array:
    """Fixed targets of a kind for the points of a loss, [7] or [7, 4]."""
    shape = len(POINTS) // 4, 4
    if kind == CLASSES:
        return jnp.arange(shape[0], dtype=jnp.int32) % 4
    numbers = rng.integers(0, 2, shape) if kind == LABELS else rng.normal(size=shape)
    return jnp.asarray(numbers if kind == LABELS or least == -math.inf else least + np.abs(numbers), jnp.float64)


def _trajectory(what: str, build: Callable[[Hyper, Array], Transformation], hyper: Hyper) -> Float[Array, "S P"]:
    """Some steps of an update rule on one layer, flat; raises UsageError where a step changes shapes or types."""
    rng = np.random.default_rng(0)
    params = (Layer(jnp.asarray(rng.normal(size=(2, 3)), jnp.float32), jnp.zeros(3, jnp.float32)),)
    rate, state, path = jnp.asarray(0.1, jnp.float32), None, []
    for _ in range(STEPS):
        rule = build(hyper, rate)
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


def _add(registry: MutableMapping[str, Any], name: str, entry: Any) -> None:
    if name in registry:  # programs know entries by their name
        replaced.append(name)
        jax.clear_caches()
    registry[name] = entry
