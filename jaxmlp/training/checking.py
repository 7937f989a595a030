"""Whether a description and its numbers make sense together, told before anything is compiled."""

from collections.abc import Iterable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
from annotated_types import Ge, Gt, Interval, Le, Lt

from jaxmlp.errors import UsageError, unknown
from jaxmlp.nn import losses
from jaxmlp.nn.activations import activation
from jaxmlp.nn.network import INITS
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.training import optimizers, schedules, stopping

MONITORS = ("loss", "objective")
PRECISIONS = ("default", "high", "highest")
TRAINING_GRADIENTS = ("autodiff", "delta_rule", "both")
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
        ("training.matmul_precision", training.matmul_precision, PRECISIONS),
    ):
        if name not in known:
            raise unknown(field, name, known)
    if not loss.reads_output_activation and network.output_activation != "identity":
        raise UsageError(
            f"network.output_activation {network.output_activation!r} is not read by network.loss {network.loss!r}, which"
            " takes the softmax of the net input: leave it out, or take squared_error"
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
    """Raise UsageError if the names, the ranges, or the numbers that differ from their default do not fit together."""
    check_names(spec.network, spec.training)
    check_ranges("network", spec.network)
    check_ranges("training", spec.training)
    check_ranges("hyper", hyper)
    defaults = Hyper()
    changed = [name for name in Hyper._fields if getattr(hyper, name) != getattr(defaults, name)]
    refuse_unread(spec.network, spec.training, changed)


def check_ranges(section: str, values: Any) -> None:
    """Raise UsageError for the first field of a dataclass or NamedTuple whose number is outside its annotated range."""
    for name, annotation in get_type_hints(type(values), include_extras=True).items():
        found = getattr(values, name)
        if get_origin(annotation) is tuple:
            for item in found:
                check_range(f"{section}.{name}", item, get_args(annotation)[0])
        else:
            check_range(f"{section}.{name}", found, annotation)


def check_range(field: str, found: Any, annotation: Any) -> None:
    """Raise UsageError if the number is outside its annotated range, or too large to be traced."""
    if get_origin(annotation) is not Annotated:
        return
    bounds = _bounds(annotation)
    whole = type(found) is int
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
