"""Whether a description and its numbers make sense together, told before anything is compiled."""

import reprlib
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
from annotated_types import Ge, Gt, Interval, Le, Lt

from jaxmlp.errors import UsageError, unknown
from jaxmlp.nn import losses
from jaxmlp.nn.activations import activation
from jaxmlp.nn.network import INITS
from jaxmlp.spec import Examples, Hyper, Network, Spec, Splits, Training
from jaxmlp.training import optimizers, schedules, stopping

MONITORS = ("loss", "objective")
PRECISIONS = ("default", "high", "highest")
TRAINING_GRADIENTS = ("autodiff", "delta_rule", "both")
KINDS = {int: "a whole number", float: "a number", str: "text in quotes", bool: "True or False"}
LARGEST_INT, LARGEST_FLOAT = 2**31 - 1, float(np.finfo(np.float32).max)  # numbers are traced as int32 and float32


def check_names(network: Network, training: Training) -> None:
    """Raise UsageError for a name that no registry has, or that the rest of the description makes meaningless."""
    activation(network.activation)
    activation(network.output_activation, "network.output_activation")
    loss = losses.loss(network.loss)
    optimizers.optimizer(training.optimizer)
    schedules.schedule(training.schedule)
    stopping.stop_rule(training.stop_rule)
    for field, name, known in (
        ("network.init", network.init, INITS),
        ("training.monitor", training.monitor, MONITORS),
        ("training.gradient", training.gradient, TRAINING_GRADIENTS),
        ("training.l1_step", training.l1_step, losses.L1_STEPS),
        ("training.matmul_precision", training.matmul_precision, PRECISIONS),
    ):
        if name not in known:
            raise unknown(field, name, known)
    if training.l1_step == "proximal":
        optimizers.effective_rate(training.optimizer)
    if not loss.reads_output_activation and network.output_activation != "identity":
        raise UsageError(
            f"network.output_activation {network.output_activation!r} is not read by network.loss {network.loss!r}, which"
            " takes the softmax of the pre-activation: leave it out, or take squared_error"
        )
    if network.dropout and not network.hidden:
        raise UsageError(
            "network.dropout drops hidden units, and network.hidden has none: give it some, or leave it out"
        )


def reads(network: Network, training: Training) -> frozenset[str]:
    """The fields of Hyper that this network and training read."""
    return (
        frozenset({"learning_rate", "l1", "l2", "warmup_epochs"})
        | optimizers.optimizer(training.optimizer).reads
        | schedules.schedule(training.schedule).reads
        | stopping.stop_rule(training.stop_rule).reads
        | (frozenset({"dropout_rate"}) if network.dropout else frozenset())
        | (frozenset({"init_scale"}) if network.init == "uniform" else frozenset())
    )


def refuse_unread(network: Network, training: Training, fields: Iterable[str]) -> None:
    """Raise UsageError for the first of the `fields` of Hyper that were set, but that nothing here reads."""
    read = reads(network, training)
    for field in fields:
        if field in Hyper._fields and field not in read:
            raise UsageError(
                f"hyper.{field} is set, but not read by optimizer {training.optimizer!r}, schedule"
                f" {training.schedule!r}, stop_rule {training.stop_rule!r}, init {network.init!r}"
                f"{'' if network.dropout else ' without dropout'}: leave it out (read here: {', '.join(sorted(read))})"
            )


def check(spec: Spec, hyper: Hyper) -> None:
    """Raise UsageError if the types, names, ranges, or numbers that differ from their default do not fit together."""
    check_types(spec, hyper)
    check_names(spec.network, spec.training)
    check_ranges("network", spec.network)
    check_ranges("training", spec.training)
    check_ranges("hyper", hyper)
    defaults = Hyper()
    changed = [name for name in Hyper._fields if getattr(hyper, name) != getattr(defaults, name)]
    refuse_unread(spec.network, spec.training, changed)


def check_data(spec: Spec, splits: Splits) -> None:
    """Raise UsageError if the examples are not of the inputs and classes of the spec, or there are none to learn from."""
    for name, part in splits._asdict().items():
        shape = np.shape(part.x)
        if len(shape) != 2:
            raise UsageError(
                f"splits.{name}.x has the shape {list(shape)}; accepted is [rows, {spec.inputs}]: flatten it"
            )
        if shape[1] != spec.inputs:
            raise UsageError(
                f"spec.inputs is {spec.inputs}, but splits.{name}.x has {shape[1]} columns: make the Spec with"
                f" inputs={shape[1]}"
            )
        labels = np.asarray(part.labels)
        if labels.shape != shape[:1] or labels.dtype.kind not in "iu":
            raise UsageError(
                f"splits.{name}.labels has the shape {list(labels.shape)} and the type {labels.dtype}; accepted is a whole"
                f" number for each of the {shape[0]} rows"
            )
        if part.weights is not None:
            if np.shape(part.weights) != shape[:1]:
                found = list(np.shape(part.weights))
                raise UsageError(
                    f"splits.{name}.weights has the shape {found}; accepted is a number for each of {shape[0]} rows"
                )
            labels = labels[np.asarray(part.weights) > 0]
        if not len(labels) and name != "test":
            raise UsageError(f"splits.{name} has no rows that count; accepted is at least one")
        low, high = (int(labels.min()), int(labels.max())) if len(labels) else (0, 0)
        if low < 0 or high >= spec.classes:
            hint = "number the classes from 0" if low < 0 else f"make the Spec with classes={high + 1}"
            raise UsageError(
                f"spec.classes is {spec.classes}, but splits.{name}.labels go from {low} to {high}; accepted is 0 to"
                f" {spec.classes - 1}: {hint}"
            )


def counted(examples: Examples) -> int:
    """How many examples count: all but those of weight 0."""
    if examples.weights is None:
        return len(examples.x)
    return int(np.sum(np.asarray(examples.weights) > 0))


def check_chunk(field: str, chunk: int | None) -> None:
    """Raise UsageError if so many trials cannot sit side by side."""
    if chunk is not None and (chunk < 1 or chunk & (chunk - 1)):
        raise UsageError(f"{field} is {chunk}; accepted is a power of two, such as 8")


def check_types(spec: Spec, hyper: Hyper) -> None:
    """Raise UsageError for the first value that is not of the type of its field; see `value_of`."""
    for section, values in (("network", spec.network), ("training", spec.training), ("hyper", hyper)):
        for name, annotation in hints_of(type(values)).items():
            field, found = f"{section}.{name}", getattr(values, name)
            value_of(field, found, annotation)
            if kind_of(annotation) is tuple and not isinstance(found, tuple):  # a list cannot say which program it is
                raise UsageError(f"{field} is {shown(found)}; accepted is a tuple, such as (128,) or ()")


def value_of(field: str, found: Any, annotation: Any) -> Any:
    """`found` as a plain value of this type: NumPy's and JAX's numbers will do, and a whole number for a float.

    Raises UsageError for anything else.
    """
    kind, plain = kind_of(annotation), found.tolist() if hasattr(found, "tolist") else found
    if kind is tuple:
        if not isinstance(plain, list | tuple):
            example = f"({plain},)" if type(plain) is int else "(8,)"
            raise UsageError(f"{field} is {shown(plain)}; accepted is a list or tuple, such as {example}")
        return tuple(value_of(field, item, get_args(annotation)[0]) for item in plain)
    if kind is float and type(plain) is int and abs(plain) <= LARGEST_FLOAT:
        return float(plain)
    if type(plain) is not kind:
        raise UsageError(f"{field} is {shown(plain)}; accepted is {KINDS[kind]}")
    return plain


def kind_of(annotation: Any) -> Any:
    """The type that is annotated: int, float, str, bool or tuple."""
    if get_origin(annotation) is Annotated:
        return get_args(annotation)[0]
    return get_origin(annotation) or annotation


def shown(found: Any) -> str:
    """Any value on one short line."""
    return " ".join(reprlib.repr(found).split())


@cache
def hints_of(kind: type) -> dict[str, Any]:
    """The annotations of a dataclass or NamedTuple, with their ranges."""
    return get_type_hints(kind, include_extras=True)


def check_ranges(section: str, values: Any) -> None:
    """Raise UsageError for the first field of a dataclass or NamedTuple whose number is outside its annotated range.

    Without a section, fields are called by their name alone.
    """
    for name, annotation in hints_of(type(values)).items():
        check_range(f"{section}.{name}" if section else name, getattr(values, name), annotation)


def check_range(field: str, found: Any, annotation: Any) -> None:
    """Raise UsageError if the number, or one of a tuple, is outside its annotated range or too large to be traced."""
    if get_origin(annotation) is tuple:
        for item in found:
            check_range(field, item, get_args(annotation)[0])
    if get_origin(annotation) is not Annotated:
        return
    bounds = _bounds(annotation)
    whole = kind_of(annotation) is int
    largest = LARGEST_INT if whole else LARGEST_FLOAT
    if not abs(found) <= largest or not all(holds(found) for _, holds in bounds):  # NaN is not below anything
        kind = "a whole number" if whole else "a finite number"
        limits = [text for text, _ in bounds] + ([f"of at most {largest}"] if abs(found) > largest else [])
        raise UsageError(f"{field} is {found}; accepted is {kind} {' and '.join(limits)}")


def _bounds(annotation: Any) -> list[tuple[str, Any]]:
    found = []
    for metadata in get_args(annotation)[1:]:
        for bound in metadata if isinstance(metadata, Interval) else [metadata]:
            match bound:
                case Gt(gt=limit):
                    found.append((f"above {limit}", lambda number, limit=limit: number > limit))
                case Ge(ge=limit):
                    found.append((f"of at least {limit}", lambda number, limit=limit: number >= limit))
                case Lt(lt=limit):
                    found.append((f"below {limit}", lambda number, limit=limit: number < limit))
                case Le(le=limit):
                    found.append((f"of at most {limit}", lambda number, limit=limit: number <= limit))
    return found
