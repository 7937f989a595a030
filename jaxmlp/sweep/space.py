"""The space of a sweep: its axes as they are written, the values they have, and how configurations are drawn from it.

Types, ranges and duplicates are read and refused by `fields`, names by `training.validation.check_name`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
import tomli_w
from annotated_types import Ge

from jaxmlp.errors import UsageError, nearest, shortened, unknown
from jaxmlp.fields import annotations, kind_of, one_line, shown, table_of
from jaxmlp.run.config import SECTIONS
from jaxmlp.training.validation import axis_values

METHODS = ("sobol", "latin_hypercube", "halton", "random")
SCALES = ("linear", "log")
MOST = 1_000_000  # trials of a sweep, and values of an axis
KINDS: dict[str, Any] = {
    f"{name}.{key}": annotation for name, kind in SECTIONS.items() for key, annotation in annotations(kind).items()
}


@dataclass(frozen=True)
class Sample:
    """So many configurations of the space that the axes span, instead of their product."""

    count: Annotated[int, Ge(1)]
    """Configurations; those that come out equal count once."""
    method: str = "sobol"
    """sobol, latin_hypercube, halton, random."""
    seed: Annotated[int, Ge(0)] = 0
    """Of the draw; apart from the seeds of training."""


class Range(NamedTuple):
    """The numbers from low to high, evenly spread on a scale."""

    low: float | int
    high: float | int
    scale: str = "linear"


class Axis(NamedTuple):
    """A key of the config and its values, in order; or, where it is sampled, the range they are drawn from."""

    key: str  # the full name, such as hyper.learning_rate
    values: tuple[Any, ...] = ()
    space: Range | None = None


def sample_of(table: Mapping[str, Any]) -> Sample:
    """The sample that the table [sample] describes. Raises UsageError."""
    sample = Sample(**table_of("sample", table, annotations(Sample), ["count"]))
    if sample.method not in METHODS:
        raise unknown("sample.method", sample.method, METHODS)
    return sample


def entries(where: str, tables: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, Any]]:
    """The keys of [grid] by full name (or seeds), each with its name in errors and its value. Raises UsageError."""
    known: dict[str, tuple[str, Any]] = {}
    for written, value in (pair for table in tables for pair in _by_key(table)):
        field = where + one_line(written)
        key = _full_name(field, written)
        if key in known:
            raise UsageError(f"{field} and {known[key][0]} are the same key: leave one of them out")
        known[key] = field, value
    return known


def _by_key(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if name in SECTIONS and isinstance(value, dict):
            yield from ((f"{name}.{key}", item) for key, item in value.items())
        else:
            yield name, value


def _full_name(field: str, written: str) -> str:
    if written == "seeds":
        return written
    if written == "seed":
        raise UsageError(f"{field} is no axis: write seeds = 5 for the seeds seed, seed + 1, ... of each configuration")
    if written in SECTIONS:
        raise UsageError(f"{field} is a section, and no axis: write one of its keys, as in {written}.KEY = [...]")
    short = {key: key.split(".")[1] for key in KINDS}
    matches = [key for key in KINDS if written in (key, short[key])]
    if not matches:
        known = KINDS if "." in written else [*short.values(), "seeds"]
        raise UsageError(f"{field} is no key; {nearest(written, known)}")
    if len(matches) > 1:
        raise UsageError(f"{field} may be {' or '.join(matches)}: write one of them")
    return matches[0]


def axis_of(field: str, key: str, written: Any, drawn: bool) -> Axis:
    """The axis of a key that is written so, as a list or a range; `drawn`: by [sample].

    Raises UsageError, which names the `field`, for anything else, and for a value that no trial could have.
    """
    if isinstance(written, dict):
        return _range_axis(field, key, written, drawn)
    if not isinstance(written, list):
        section, value = key.split(".")[0], _as_toml(written)
        raise UsageError(f"{field} is {value}; accepted is a list, [{value}], or a range; or put it under [{section}]")
    if kind_of(KINDS[key]) is tuple and not all(isinstance(item, list) for item in written):
        raise UsageError(f"{field} is {shown(written)}; accepted is a list of lists, such as [[256, 128], [64], []]")
    return Axis(key, axis_values(key, field, written, KINDS[key]))


def _as_toml(value: Any) -> str:
    try:
        return shortened(tomli_w.dumps({"": value}).split("=", 1)[1].strip(), 200)
    except ValueError:  # a whole number of more than 4,300 digits
        return shown(value)


def _range_axis(field: str, key: str, table: dict[str, Any], drawn: bool) -> Axis:
    annotation, kind = KINDS[key], kind_of(KINDS[key])
    if kind not in (int, float):
        raise UsageError(f"{field} is a range, but {key} is no number; accepted is a list of values")
    types = {"low": annotation, "high": annotation, "scale": str, "count": int}
    given = table_of(field, table, types, ["low", "high"])
    count = given.pop("count", None)
    space = Range(**given)
    if space.scale not in SCALES:
        raise unknown(f"{field}.scale", space.scale, SCALES)
    if space.low > space.high or (space.scale == "log" and not space.low > 0):
        wanted = "at most high" if space.low > space.high else "above 0 on a scale of log"
        raise UsageError(f"{field}.low is {space.low} and high {space.high}; accepted is a low {wanted}")
    if drawn:
        if count is not None:
            raise UsageError(f"{field}.count is set, but [sample] says how many: leave it out, or write a list")
        return Axis(key, space=space)
    if count is None:
        raise UsageError(f"{field}.count is missing: how many values, with both ends? (Or draw them, with [sample])")
    if space.low == space.high and count != 1:
        raise UsageError(
            f"{field}.count is {count}, but low equals high ({space.low}), which is one value: raise high, or write the list"
            f" [{space.low}]"
        )
    if space.low < space.high and not 2 <= count <= MOST:
        raise UsageError(f"{field}.count is {count}; accepted is a number from 2 to {MOST:,}, as both ends count")
    return Axis(key, _spread(space, kind, count))


def check_axis(axis: Axis) -> None:
    """Raise UsageError for a value of the axis that no trial could have, drawn or not."""
    axis_values(
        axis.key, axis.key, tuple(dict.fromkeys(axis.space[:2])) if axis.space else axis.values, KINDS[axis.key]
    )


def _spread(space: Range, kind: type, count: int) -> tuple[Any, ...]:
    """So many numbers from low to high, both included; equal ones count once."""
    numbers = (np.geomspace if space.scale == "log" else np.linspace)(space.low, space.high, count).tolist()
    return tuple(dict.fromkeys(map(round, numbers) if kind is int else _rounded(space, numbers)))


def _rounded(space: Range, numbers: Iterable[float]) -> list[float]:
    """The numbers to 6 significant digits, or more where the range is narrow; its ends as they are."""
    low, high, _ = space
    digits = 6 + (int(math.log10(max(abs(low), abs(high)) / (high - low))) if low < high else 0)
    return [x if x in (low, high) else min(max(float(f"{x:.{digits}g}"), low), high) for x in numbers]


def drawn(axes: Sequence[Axis], sample: Sample) -> dict[str, list[Any]]:
    """The values of each key, one a configuration, as they are drawn."""
    shares = _shares(sample, len(axes)).T
    return {axis.key: _drawn(axis, column) for axis, column in zip(axes, shares, strict=True)}


def _shares(sample: Sample, axes: int) -> np.ndarray:  # [count, axes] in [0, 1)
    if sample.method == "random":
        return np.random.default_rng(sample.seed).random((sample.count, axes))
    from scipy.stats import qmc

    if sample.method == "sobol":  # balanced in powers of two
        return qmc.Sobol(axes, rng=sample.seed).random_base2((sample.count - 1).bit_length())[: sample.count]
    engine = qmc.Halton if sample.method == "halton" else qmc.LatinHypercube
    return engine(axes, rng=sample.seed).random(sample.count)


def _drawn(axis: Axis, shares: np.ndarray) -> list[Any]:
    """The value of the axis at each share of its way."""
    if axis.space is None:
        last = len(axis.values) - 1
        return [axis.values[min(int(share * (last + 1)), last)] for share in shares]
    low, high, scale = axis.space
    step = (
        0.5 if kind_of(KINDS[axis.key]) is int else 0
    )  # more at both ends of whole numbers, so that all are as likely
    ends = np.array([low - step, high + step])
    numbers = np.exp(np.interp(shares, [0, 1], np.log(ends))) if scale == "log" else np.interp(shares, [0, 1], ends)
    if kind_of(KINDS[axis.key]) is int:
        return [int(number) for number in np.clip(np.floor(numbers + 0.5), low, high)]
    return _rounded(axis.space, numbers.tolist())
