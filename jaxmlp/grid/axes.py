"""The axes of a grid as Python gives them: lists of values by key, read and checked before anything is compiled."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from annotated_types import Ge

from jaxmlp.errors import UsageError, nearest
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.training.validation import check_range, hints_of, kind_of, shown, value_of

KINDS: dict[str, Any] = hints_of(Hyper) | hints_of(Network) | hints_of(Training)
SEED = Annotated[int, Ge(0)]


def axes_of(grid: Any) -> dict[str, list]:
    """The values of each key, as plain numbers, tuples and names. Raises UsageError for what no trial could have."""
    if not isinstance(grid, Mapping):
        raise UsageError(f"grid is {shown(grid)}; accepted is a dict of lists, such as {{'learning_rate': [0.1, 0.3]}}")
    return {key: _axis(key, found) for key, found in grid.items()}


def _axis(key: Any, found: Any) -> list:
    field = f"grid.{key}"
    if key in ("seed", "seeds"):
        raise UsageError(f"{field} is no axis: use seeds=, as in seeds=5 or seeds=[3, 7]")
    if key not in KINDS:
        raise UsageError(f"{field} is no key; {nearest(str(key), KINDS)}")
    if isinstance(found, Mapping):
        raise UsageError(
            f"{field} is {shown(found)}; ranges are for config files: give a list, such as numpy.geomspace(0.001, 1, 8)"
        )
    return different(field, values_of(field, found, KINDS[key]))


def values_of(field: str, found: Any, annotation: Any) -> list:
    """The values of a list, tuple or array, in the type that is annotated and in its range. Raises UsageError."""
    plain = found.tolist() if hasattr(found, "tolist") else found
    if isinstance(plain, str) or not isinstance(plain, Sequence):
        example = (plain,) if kind_of(annotation) is tuple and type(plain) is int else plain
        such = f", such as [{shown(example)}]" if type(plain) in (int, float, str, bool) else ""
        raise UsageError(f"{field} is {shown(plain)}; accepted is a list of values{such}")
    values = [value_of(field, item, annotation) for item in plain]
    for value in values:
        check_range(field, value, annotation)
    return values


def different(field: str, values: list) -> list:
    """The values. Raises UsageError if there are none, or one is there twice."""
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice or not values:
        wrong = f"has {shown(twice[0])} twice" if twice else "is []"
        raise UsageError(f"{field} {wrong}; accepted is a list of different values")
    return values


def seeds_of(found: Any) -> list[int]:
    """The seeds: so many from 0, or as they are listed. Raises UsageError."""
    if hasattr(found, "__len__") and not isinstance(found, str):
        return different("seeds", values_of("seeds", found, SEED))
    count = value_of("seeds", found, int)
    check_range("seeds", count, Annotated[int, Ge(1)])
    return list(range(count))


def changed(spec: Spec, hyper: Hyper, point: Mapping[str, Any]) -> tuple[Spec, Hyper]:
    """The spec and the numbers with the values of a point of the grid."""

    def of(section: type) -> dict[str, Any]:
        return {name: value for name, value in point.items() if name in hints_of(section)}

    network, training = replace(spec.network, **of(Network)), replace(spec.training, **of(Training))
    return replace(spec, network=network, training=training), hyper._replace(**of(Hyper))
