"""Activations, losses and update rules of your own, in the registries that configs, commands, grids and estimators use.

A derivative is refused, with the numbers, unless automatic differentiation and central differences agree with it in
float64 at fixed points. A registration holds in its process: make it in each one that trains.
"""

import math
from collections.abc import Callable, Collection, MutableMapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmlp.errors import UsageError, unknown
from jaxmlp.nn.activations import ACTIVATIONS, Activation
from jaxmlp.nn.losses import CLASSES, LABELS, LOSSES, VALUES, Logits, Loss, output_targets
from jaxmlp.spec import Hyper
from jaxmlp.training import tried
from jaxmlp.training.optimizers import OPTIMIZERS, Optimizer, Transformation

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
    small = jnp.zeros((3, 2), jnp.float32)
    tried.check_types(f"the value of {what}", "value(z)", value, small, (3, 2))
    slope = "derivative(z, a)"
    tried.check_types(f"the derivative of {what}", slope, lambda z: derivative(z, value(z)), small, (3, 2))
    with jax.enable_x64(True):
        z = jnp.asarray(tried.POINTS)
        tried.check_derivative(what, slope, value, derivative(z, value(z)), z)
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
            which they do not; where one uses a field that `reads` does not name; for a name that is taken, and for unknown
            kinds and fields.

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
    small, identity = jnp.ones((2, 3), jnp.float32), ACTIVATIONS["identity"]
    tried.check_types(f"the outputs of {what}", "outputs(z, f)", lambda z: says(z, identity), small, (2, 3))
    for part, function, shape in (("value", value, (2,)), ("delta", delta, (2, 3))):
        tried.check_types(
            f"the {part} of {what}", f"{part}(z, t, f, hyper)",
            lambda z, function=function: function(z, z, identity, Hyper()), small, shape,
        )  # fmt: skip
    for f in (identity, *([ACTIVATIONS["tanh"]] if reads_output_activation else [])):
        for kind in learns:
            with jax.enable_x64(True):
                z, targets = jnp.asarray(tried.POINTS.reshape(-1, 4)), tried.targets_of(kind, least_target, rng)
                t = output_targets(targets, 4, entry, f, Hyper(), z.dtype)
                tried.check_derivative(
                    f"{what} of {kind}", "delta(z, t, f, hyper)", lambda z, t=t, f=f: value(z, t, f, Hyper()),
                    delta(z, t, f, Hyper()), z,
                )  # fmt: skip

                @jax.jit
                def both(hyper: Hyper, z: Array = z, t: Array = t, f: Activation = f) -> Array:
                    return jnp.column_stack([value(z, t, f, hyper), delta(z, t, f, hyper)])

                tried.check_reads(what, reads, both, "float64")
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
    steps = jax.jit(lambda hyper: tried.trajectory(what, build, hyper))
    moved = tried.computed(what, "build(hyper, rate)", lambda: steps(tried.hyper_of(Hyper())))
    if not np.isfinite(moved).all():
        raise UsageError(f"{what} makes steps that are not finite: nothing was registered; mend its build(hyper, rate)")
    tried.check_reads(what, reads, steps)
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


def _add(registry: MutableMapping[str, Any], name: str, entry: Any) -> None:
    if name in registry:  # programs know entries by their name
        replaced.append(name)
        jax.clear_caches()
    registry[name] = entry
