"""Whether a network, its training, its hyperparameters and its examples make sense together, before compiling."""

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from jaxmlp.data.normalising import AUTO, NORMALISATIONS
from jaxmlp.data.targets import BALANCED, KINDS
from jaxmlp.errors import UsageError, unknown
from jaxmlp.fields import LARGEST, annotations, different, kind_of, shown, value_of
from jaxmlp.nn.activations import ACTIVATIONS, activation
from jaxmlp.nn.gradients import GRADIENTS
from jaxmlp.nn.losses import CLASSES, L1_STEPS, LABELS, LOSSES, VALUES, kind_of_targets
from jaxmlp.nn.network import INITS
from jaxmlp.nn.products import COMPUTE_DTYPES
from jaxmlp.spec import Examples, Hyper, Network, Spec, Splits, Training
from jaxmlp.training.optimizers import OPTIMIZERS, effective_rate, optimizer
from jaxmlp.training.schedules import SCHEDULES, schedule
from jaxmlp.training.stopping import MONITORS, STOP_RULES, stop_rule

ACCEPTED = {  # of the kinds of targets
    CLASSES: "a whole number for each of the {N} examples",
    LABELS: "0 or 1 for each label [{N}, {K}]",
    VALUES: "a number for each output [{N}, {K}]",
}
DTYPES = ("float32", "float64")
PENALTY_TO = ("mean", "sum")
PRECISIONS = ("default", "high", "highest")
TRAINING_GRADIENTS = (*GRADIENTS, "both")
NAMES: dict[str, Collection[str]] = {  # that a key accepts
    "network.activation": ACTIVATIONS,
    "network.output_activation": ACTIVATIONS,
    "network.loss": LOSSES,
    "network.init": INITS,
    "data.normalise": (AUTO, *NORMALISATIONS),
    "data.kind": (AUTO, *KINDS),
    "data.class_weight": ("none", BALANCED),
    "training.optimizer": OPTIMIZERS,
    "training.schedule": SCHEDULES,
    "training.stop_rule": STOP_RULES,
    "training.monitor": MONITORS,
    "training.gradient": TRAINING_GRADIENTS,
    "training.l1_step": L1_STEPS,
    "training.matmul_precision": PRECISIONS,
    "training.penalty_to": PENALTY_TO,
    "training.compute_dtype": COMPUTE_DTYPES,
    "training.dtype": DTYPES,
}


def check_name(key: str, field: str, name: Any) -> None:
    """Raise UsageError, which names the `field`, if the key accepts names, and not this one."""
    if NAMES.get(key) is ACTIVATIONS:
        activation(name, field)  # says of "step" why it cannot be trained
    elif key in NAMES and name not in NAMES[key]:
        raise unknown(field, name, NAMES[key])


def check_section(section: str, values: Any) -> None:
    """Raise UsageError for the first field of a dataclass or NamedTuple that is of another type, range or name.

    Without a section, fields are called by their name alone.
    """
    for name, annotation in annotations(type(values)).items():
        field, value = f"{section}.{name}" if section else name, getattr(values, name)
        if kind_of(annotation) is tuple and not isinstance(value, tuple):  # a list cannot say which program it is
            example = (value,) if type(value) is int else (128,)
            raise UsageError(f"{field} is {shown(value)}; accepted is a tuple, such as {example} or ()")
        value_of(field, value, annotation)
        check_name(field, field, value)


def axis_values(key: str, field: str, listed: Any, annotation: Any) -> tuple[Any, ...]:
    """The different values of a key as they are listed. Raises UsageError, which names the `field`."""
    values = different(field, listed, annotation)
    for value in values:
        check_name(key, field, value)
    return values


def check_together(network: Network, training: Training) -> None:
    """Raise UsageError for a field that the others make meaningless."""
    if training.l1_step == "proximal":
        effective_rate(training.optimizer)
    if training.compute_dtype == "bfloat16" and training.dtype != "float32":
        raise UsageError(
            f"training.compute_dtype is bfloat16, and training.dtype {training.dtype}: the sums of such products are"
            " float32; leave out the one or the other"
        )
    if not LOSSES[network.loss].reads_output_activation and network.output_activation != "identity":
        others = ", ".join(name for name, loss in LOSSES.items() if loss.reads_output_activation)
        raise UsageError(
            f"network.output_activation {network.output_activation!r} is not read by network.loss {network.loss!r}: leave"
            f" it out, or take a loss that reads it ({others})"
        )
    if network.dropout and not network.hidden:
        raise UsageError(
            "network.dropout drops hidden units, and network.hidden has none: give it some, or leave it out"
        )


def reads(network: Network, training: Training) -> frozenset[str]:
    """The fields of Hyper that this network and training read."""
    return (
        frozenset({"learning_rate", "l2", "warmup_epochs"})
        | (frozenset() if training.l1_step == "none" else frozenset({"l1"}))
        | optimizer(training.optimizer).reads
        | schedule(training.schedule).reads
        | stop_rule(training.stop_rule).reads
        | LOSSES[network.loss].reads
        | (frozenset({"clip_norm"}) if training.clip else frozenset())
        | (frozenset({"dropout_rate"}) if network.dropout else frozenset())
        | (frozenset({"init_scale"}) if network.init == "uniform" else frozenset())
    )


def readers(field: str) -> list[str]:
    """The losses, update rules, schedules and stopping rules that read a field of Hyper; none where all trainings do."""
    registries = (LOSSES, OPTIMIZERS, SCHEDULES, STOP_RULES)
    if any(all(field in entry.reads for entry in registry.values()) for registry in registries):
        return []
    return [name for registry in registries for name, entry in registry.items() if field in entry.reads]


def refuse_unread(network: Network, training: Training, fields: Iterable[str]) -> None:
    """Raise UsageError for the first of the `fields` of Hyper that were set, but that nothing here reads."""
    read = reads(network, training)
    for field in fields:
        if field in Hyper._fields and field not in read:
            raise UsageError(
                f"hyper.{field} is set, but {_unread(network, training, field)}, or leave hyper.{field} out"
            )


def _unread(network: Network, training: Training, field: str) -> str:
    """Why a field of Hyper is not read, and what would read it."""
    switches = {"clip_norm": "training.clip", "dropout_rate": "network.dropout"}
    if field in switches:
        return f"not read without {switches[field]}: set {switches[field]} = true"
    if field == "l1":
        return f"not read by training.l1_step 'none': take {' or '.join(L1_STEPS[:2])}"
    chosen = {
        "network.loss": network.loss,
        "network.init": network.init,
        "training.optimizer": training.optimizer,
        "training.schedule": training.schedule,
        "training.stop_rule": training.stop_rule,
    }
    names = ["uniform"] if field == "init_scale" else readers(field)
    key = next(key for key in chosen if names[0] in NAMES[key])
    return f"not read by {key} {chosen[key]!r}: take {' or '.join(names)}"


def check(spec: Spec, hyper: Hyper) -> None:
    """Raise UsageError if the types, names, ranges, or hyperparameters that are not at their default do not fit."""
    check_section("network", spec.network)
    check_section("training", spec.training)
    check_section("hyper", hyper)
    check_together(spec.network, spec.training)
    defaults = Hyper()
    set_here = [name for name in Hyper._fields if getattr(hyper, name) != getattr(defaults, name)]
    refuse_unread(spec.network, spec.training, set_here)


def check_data(spec: Spec, splits: Splits) -> None:
    """Raise UsageError if the examples do not fit the spec and one another, or there are none to learn from."""
    kinds = {name: kind_of_targets(LOSSES[spec.network.loss], part.targets) for name, part in splits._asdict().items()}
    if different_kind := next((name for name, kind in kinds.items() if kind != kinds["train"]), None):
        raise UsageError(
            f"splits.train.targets has the shape {list(np.shape(splits.train.targets))}, splits.{different_kind}.targets"
            f" {list(np.shape(splits._asdict()[different_kind].targets))}; accepted is one kind in all splits"
        )
    unread = () if MONITORS[spec.training.monitor].reads_validation else ("validation",)
    for name, part in splits._asdict().items():
        _check_inputs(spec, f"splits.{name}.x", part.x)
        counted = np.ones(len(part.x), bool)
        if part.weights is not None:
            if np.shape(part.weights) != counted.shape:
                raise UsageError(
                    f"splits.{name}.weights has the shape {list(np.shape(part.weights))}; accepted is a number for each of"
                    f" {len(counted)} examples"
                )
            _check_numbers(f"splits.{name}.weights", part.weights)
            counted = np.asarray(part.weights) > 0
        if not counted.any() and name not in ("test", *unread):
            way_out = ", as splits_from(X, y, validation=0.2) draws them" if name == "validation" else ""
            raise UsageError(f"splits.{name} has no examples of a weight above 0; accepted is at least one{way_out}")
        _check_targets(spec, f"splits.{name}.targets", np.asarray(part.targets), counted)


def _check_inputs(spec: Spec, field: str, x: Any) -> None:
    shape = np.shape(x)
    if len(shape) != 2:
        raise UsageError(f"{field} has the shape {list(shape)}; accepted is [examples, {spec.inputs}]: flatten it")
    if shape[1] != spec.inputs:
        raise UsageError(
            f"spec.inputs is {spec.inputs}, but {field} has {shape[1]} columns: make the Spec with inputs={shape[1]}"
        )
    _check_numbers(field, x)


def _check_targets(spec: Spec, field: str, targets: np.ndarray, counted: np.ndarray) -> None:
    """Raise UsageError for targets that are not of the shape, type and range that the loss learns."""
    name, K = spec.network.loss, spec.outputs
    loss, given = LOSSES[name], f"{field} has the shape {list(targets.shape)} and the type {targets.dtype}"
    accepted = [ACCEPTED[kind].format(N=len(counted), K=K) for kind in loss.learns]
    kind = kind_of_targets(loss, targets)
    kinds_of_dtype = "iu" if kind == CLASSES else "fiub"
    shape = counted.shape if kind == CLASSES else (len(counted), K)
    if kind not in loss.learns or targets.shape != shape or targets.dtype.kind not in kinds_of_dtype:
        raise UsageError(f"{given}; accepted by network.loss {name!r} is {' or '.join(accepted)}")
    targets = targets[counted]
    if not len(targets):
        return
    low, high = targets.min().item(), targets.max().item()
    if kind == CLASSES:
        if K == 1 and name != "sigmoid_cross_entropy":
            raise UsageError(
                f"spec.outputs is 1, and network.loss {name!r} needs an output for each class: make the Spec with"
                f" outputs={max(high + 1, 2)}, or take sigmoid_cross_entropy for two classes"
            )
        most = max(K, 2)
        if low < 0 or high >= most:
            hint = "number the classes from 0" if low < 0 else f"make the Spec with outputs={high + 1}"
            raise UsageError(
                f"spec.outputs is {K}, but {field} go from {low} to {high}; accepted is 0 to {most - 1}: {hint}"
            )
    elif kind == LABELS:
        if not np.isin(targets, (0, 1)).all():
            raise UsageError(
                f"{field} go from {low:g} to {high:g}; accepted is 1 for a label that an example has, else 0"
            )
    else:
        _check_numbers(field, targets)
        if not low >= loss.least_target:
            raise UsageError(
                f"{field} go from {low:g}; accepted by network.loss {name!r} is {loss.least_target:g} or more"
            )


def _check_numbers(field: str, numbers: Any) -> None:
    """Raise UsageError for an array of no numbers, or of finite ones that float32 holds as infinite."""
    array = np.asarray(numbers)
    if array.dtype.kind not in "biuf":
        array = np.asarray(numbers, np.float32) if "float" in str(array.dtype) else array  # JAX's own, such as bfloat16
    if array.dtype.kind not in "biuf":
        raise UsageError(f"{field} has the type {array.dtype}; accepted are numbers, such as float32")
    if array.dtype.kind == "f" and array.dtype.itemsize > 4 and array.size:
        largest = float(np.max(np.abs(array), where=np.isfinite(array), initial=0))
        if largest > LARGEST[float]:
            raise UsageError(f"{field} goes up to {largest:.3g}; accepted is at most {LARGEST[float]:.3g}: rescale it")


def counted(examples: Examples) -> int:
    """How many examples count: all but those of weight 0."""
    if examples.weights is None:
        return len(examples.x)
    return int(np.sum(np.asarray(examples.weights) > 0))


def check_chunk(field: str, chunk: int | None) -> None:
    """Raise UsageError if so many trials do not make a batch."""
    if chunk is not None and (chunk < 1 or chunk & (chunk - 1)):
        raise UsageError(f"{field} is {chunk}; accepted is a power of two, such as 8")
