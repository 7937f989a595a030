"""Fields of dataclasses and NamedTuples: values read in the annotated type and range, and refused in one line.

The annotations are the only place that says what a field accepts: `Annotated[float, Interval(ge=0, lt=1)]`.
"""

import operator
import reprlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from annotated_types import Ge, Gt, Interval, Le, Lt

from jaxmlp.errors import UsageError, nearest, shortened

TYPES = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}
LARGEST = {int: 2**31 - 1, float: float(np.finfo(np.float32).max)}  # numbers are traced as int32 and float32
SMALLEST = float(np.finfo(np.float32).tiny)  # XLA takes what is below it for 0
FLOAT64 = "float64"  # in an annotation: the number stays on the host, and is used as it is written

BOUNDS = {
    Gt: ("above", operator.gt),
    Ge: ("of at least", operator.ge),
    Lt: ("below", operator.lt),
    Le: ("of at most", operator.le),
}

Whole = TypeVar("Whole")


@cache
def annotations(kind: type) -> dict[str, Any]:
    """The annotations of a dataclass or NamedTuple by field, with their ranges."""
    return get_type_hints(kind, include_extras=True)


def kind_of(annotation: Any) -> Any:
    """The type that is annotated: int, float, str, bool or tuple."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else get_origin(annotation) or annotation


def plain(values: Any) -> dict[str, Any]:
    """The values of a dataclass or NamedTuple by field."""
    if hasattr(values, "_asdict"):
        return values._asdict()
    return {field.name: getattr(values, field.name) for field in fields(values)}


def flat(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The entries of nested tables by dotted key."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{name}", item) for name, item in value.items())
        else:
            yield key, value


def changed(whole: Whole, values: Mapping[str, Any]) -> Whole:
    """A dataclass of sections with other values for some keys, which are given as section.field."""
    for key, value in values.items():
        name, field = key.split(".")
        section = getattr(whole, name)
        new = section._replace(**{field: value}) if hasattr(section, "_replace") else replace(section, **{field: value})
        whole = replace(whole, **{name: new})  # pyright: ignore[reportArgumentType, reportCallIssue]
    return whole


def shown(value: Any) -> str:
    """Any value on one short line, tuples as lists."""
    try:
        text = reprlib.repr(list(value) if isinstance(value, tuple) else value)
    except ValueError:  # Python writes whole numbers of at most 4,300 digits
        text = f"a whole number of {value.bit_length():,} bits" if type(value) is int else f"a {type(value).__name__}"
    return shortened(" ".join(text.split()), 200)


def value_of(field: str, given: Any, annotation: Any) -> Any:
    """`given` as a plain value of the annotated type and range.

    Numbers of NumPy and JAX are accepted, and whole numbers for a float. Raises UsageError for anything else.
    """
    kind, value = kind_of(annotation), given.tolist() if hasattr(given, "tolist") else given
    if kind is tuple:
        if isinstance(value, str) or not isinstance(value, Sequence):
            example = [value] if type(value) is int else [256, 128]
            raise UsageError(f"{field} is {shown(value)}; accepted is a list, such as {example}")
        return tuple(value_of(field, item, get_args(annotation)[0]) for item in value)
    if kind is float and type(value) is int:
        value = float(value) if abs(value) <= LARGEST[float] else value
    elif type(value) is not kind:
        raise UsageError(f"{field} is {shown(value)}; accepted is {TYPES[kind]}")
    if get_origin(annotation) is Annotated:
        _check_range(field, value, kind, annotation)
    return value


def _check_range(field: str, value: Any, kind: type, annotation: Any) -> None:
    bounds, largest = _bounds(annotation), LARGEST[kind]
    large = abs(value) > largest
    used = value if large or kind is int or FLOAT64 in get_args(annotation) else as_float32(value)
    within = all(holds(value, limit) for _, holds, limit in bounds)  # NaN keeps to none
    if not abs(value) <= largest or not within or not all(holds(used, limit) for _, holds, limit in bounds):
        accepted = [f"{word} {limit}" for word, _, limit in bounds] + ([f"of at most {largest}"] if large else [])
        accepted += [f"of at least {SMALLEST:.8g}"] if value and not used else []
        noun = "a finite number" if kind is float else TYPES[kind]
        becomes = f", which is {used} in float32" if within and not large else ""
        raise UsageError(f"{field} is {shown(value)}{becomes}; accepted is {noun} {' and '.join(accepted)}")
    if value and not used:
        raise UsageError(f"{field} is {shown(value)}, which is 0 in float32; write 0, or at least {SMALLEST:.8g}")


def as_float32(value: float) -> float:
    """A number as a program uses it: rounded to float32, and 0 where XLA takes it for 0."""
    rounded = float(np.float32(value)) if abs(value) <= LARGEST[float] else value
    return rounded if not abs(rounded) < SMALLEST else 0.0


@cache
def _bounds(annotation: Any) -> list[tuple[str, Any, Any]]:
    """The bounds of an annotation: in words, as the operator that a number keeps to, and the limit."""
    parts = (part for data in get_args(annotation)[1:] for part in (data if isinstance(data, Interval) else [data]))
    return [(*BOUNDS[type(part)], getattr(part, type(part).__name__.lower())) for part in parts if type(part) in BOUNDS]


def different(field: str, given: Any, annotation: Any) -> tuple[Any, ...]:
    """The values of a list, tuple or array, each as `value_of` reads it. Raises UsageError for none, or one twice."""
    values = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(values, str) or not isinstance(values, Sequence):
        example = [values] if kind_of(annotation) is tuple and type(values) is int else values
        such = f", such as {shown([example])}" if type(values) in TYPES else ""
        raise UsageError(f"{field} is {shown(values)}; accepted is a list of values{such}")
    read: dict[Any, Any] = {}
    single = kind_of(annotation) is float and FLOAT64 not in get_args(annotation)
    for value in (value_of(field, item, annotation) for item in values):
        used = as_float32(value) if single else value
        if used in read:
            twice = f"{shown(value)} twice" if read[used] == value else f"{read[used]} and {value}, equal in float32"
            raise UsageError(f"{field} has {twice}; accepted is a list of different values")
        read[used] = value
    if not read:
        raise UsageError(f"{field} is []; accepted is a list of different values")
    return tuple(read.values())


def table_of(
    field: str,
    table: Mapping[str, Any],
    types: Mapping[str, Any],
    needed: Collection[str] = (),
    *,
    known: Collection[str] = (),
) -> dict[str, Any]:
    """The entries of a table, in the types of its keys; without a field, they are called by their names alone.

    Raises UsageError for an unknown key, hinting at the nearest of the full names `known`, or of the keys of the table;
    for one of the keys `needed` that is missing; and as `value_of` does.
    """
    for name in table:
        if name not in types:
            hint = nearest(f"{field}.{name}", known) if known else nearest(name, types)
            raise UsageError(f"{field}.{one_line(name)} is no key; {hint}")
    for name in needed:
        if name not in table:
            raise UsageError(f"{field}.{name} is missing (the keys of {field}: {', '.join(types)})")
    return {name: value_of(f"{field}.{name}" if field else name, value, types[name]) for name, value in table.items()}


def one_line(name: str) -> str:
    """A name as it was written, on one short line."""
    return shortened(repr(name)[1:-1], 200)
