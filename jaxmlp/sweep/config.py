"""A sweep as a file: an experiment, the axes of its grid, how they are sampled and pruned, and the trials it has."""

import math
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints

import tomli_w
from annotated_types import Ge

from jaxmlp.errors import UsageError, named, nearest
from jaxmlp.grid.pruning import Prune, check_rungs
from jaxmlp.runs import config
from jaxmlp.runs.config import SECTIONS, Experiment, value_of
from jaxmlp.spec import Hyper
from jaxmlp.sweep import space
from jaxmlp.sweep.space import MOST, Axis, Sample
from jaxmlp.training.validation import check_range, check_ranges, reads

TABLES = ("grid", "sample", "prune")
HYPER = "hyper."


@dataclass(frozen=True)
class Sweep:
    """Everything that determines a sweep; `sweep_of` makes one that is checked."""

    experiment: Experiment
    axes: tuple[Axis, ...] = ()
    seeds: int = 1
    sample: Sample | None = None
    prune: Prune | None = None


class SweepTrial(NamedTuple):
    """One training of a sweep: its number from 0, the values of the axes that it reads, and its experiment."""

    number: int
    values: dict[str, Any]
    experiment: Experiment


class Tables(dict[str, Any]):
    """The tables grid, sample and prune of a file, raw."""

    file: str = ""  # its name, for errors


def read(path: Path) -> tuple[Experiment, frozenset[str], dict[str, Any]]:
    """The experiment a file describes, the names of the keys that it sets, and its tables grid, sample and prune, raw.

    Raises UsageError as `config.read` does.
    """
    tree, file = config.load(path)
    known = [*SECTIONS, "seed", *TABLES]
    for name in tree:
        if name not in known:
            raise UsageError(f"{file}: [{space.plain(name)}] is no section or key; {nearest(name, known)}")
    tables = Tables({name: tree.pop(name) for name in TABLES if name in tree})
    tables.file = file
    return *config.parse(tree, file), tables


def sweep_of(
    experiment: Experiment,
    given: Iterable[str],
    tables: Mapping[str, Any],
    lines: Sequence[str] = (),
    seeds: int | None = None,
) -> Sweep:
    """The sweep that the tables of `read`, over the experiment, make; checked as a whole, with each of its trials.

    `lines` (--grid) are TOML that replaces or adds axes of [grid]; `seeds` (--seeds) beats both. `given` are the full
    names of the keys that were set. Numbers that no trial reads are set to their defaults.
    Raises UsageError for what is unknown, of a wrong type, out of range, read by no trial, or too much.
    """
    file = tables.file if isinstance(tables, Tables) else ""
    with named(file):
        sample = space.sample_of(_table(tables, "sample")) if "sample" in tables else None
        prune = _prune(_table(tables, "prune")) if "prune" in tables else None
        entries = space.entries("grid.", [_table(tables, "grid")])
    entries |= space.entries("--grid ", map(_line, lines))
    if seeds is not None:
        entries["seeds"] = "--seeds", seeds
    count, axes = 1, []
    for key, (field, found) in entries.items():
        with named("" if field.startswith("--") else file):
            if key == "seeds":
                count = value_of(field, found, int)
                check_range(field, count, Annotated[int, Ge(1)])
            else:
                axes.append(space.axis_of(field, key, found, sample is not None))
    if not axes and (count == 1 or sample is not None):
        field, _ = entries["seeds"] if "seeds" in entries and sample is None else ("", 1)
        what, run = f"{field} is 1 and ", "one seed is a single run, for python -m jaxmlp.train; else "
        with named("" if field.startswith("--") else file):
            raise UsageError(
                f"{what if field else ''}[grid] has no axis: {run if field else ''}write one below it, or after --grid, as"
                " in learning_rate = [0.01, 0.1]"
            )
    space.check_values(experiment)
    return _checked(Sweep(experiment, tuple(axes), count, sample, prune), given, file)


def trials(sweep: Sweep) -> list[SweepTrial]:
    """The trainings: row-major over the axes (the last is the fastest) or in the order drawn, each with all its seeds.

    What a trial does not read is left out of its values, and trials that this makes equal are one.
    Raises UsageError for a trial that `config.check` refuses, or more than MOST of them.
    """
    seeds = range(sweep.experiment.seed, sweep.experiment.seed + sweep.seeds)
    pairs = product(_configurations(sweep).items(), seeds)
    return [SweepTrial(i, dict(values), replace(found, seed=seed)) for i, ((values, found), seed) in enumerate(pairs)]


def repeats(sweep: Sweep, found: Sequence[SweepTrial]) -> int:
    """How many of the points of the sweep, each with all its seeds, are no trial of their own: they equal another."""
    return _points(sweep) * sweep.seeds - len(found)


def configuration(trial: SweepTrial) -> tuple[tuple[str, Any], ...]:
    """What the seeds of one configuration have in common, and nothing else has: its values, to be hashed."""
    return tuple(trial.values.items())


def tree(sweep: Sweep) -> dict[str, Any]:
    """The sweep as nested dictionaries, its values as lists, or as ranges where they are drawn. Paths are absolute."""
    numbers = _read_by(_configurations(sweep).values())
    hyper = {key: value for key, value in sweep.experiment.hyper._asdict().items() if key in numbers}
    grid = {axis.key: _written(sweep.experiment, axis) for axis in sweep.axes} | {"seeds": sweep.seeds}
    found = config.tree(sweep.experiment) | {"hyper": hyper, "grid": grid}
    if sweep.sample is not None:
        found["sample"] = asdict(sweep.sample)
    if sweep.prune is not None:
        found["prune"] = asdict(sweep.prune) | {"rung_epochs": list(sweep.prune.rung_epochs)}
    return found


def _written(experiment: Experiment, axis: Axis) -> Any:
    if axis.space is not None:
        return axis.space._asdict()
    section, key = axis.key.split(".")
    if section == "data":  # may be a path
        each = (space.with_values(experiment, [(axis.key, value)]) for value in axis.values)
        return [config.tree(one)[section][key] for one in each]
    return [list(value) if isinstance(value, tuple) else value for value in axis.values]


def write(sweep: Sweep) -> str:
    """The TOML of `tree`: `read` and `sweep_of` make an equal sweep of it."""
    rest = tree(sweep)
    grid = rest.pop("grid")
    return tomli_w.dumps(rest) + "\n[grid]\n" + "".join(_assignment(key, value) for key, value in grid.items())


def _assignment(key: str, value: Any) -> str:
    if not isinstance(value, dict):
        return tomli_w.dumps({key: value})
    parts = (tomli_w.dumps({name: part}).strip() for name, part in value.items())
    return f'"{key}" = {{{", ".join(parts)}}}\n'  # in line: a table of its own would come after the lists


def _table(tables: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = tables.get(name, {})
    if not isinstance(found, dict):
        raise UsageError(f"{name} is a table: write [{name}] and its keys below")
    return found


def _prune(found: Mapping[str, Any]) -> Prune:
    kinds, rungs = get_type_hints(Prune), found.get("rung_epochs", [])
    if not isinstance(rungs, list):
        raise UsageError(f"prune.rung_epochs is {rungs!r}; accepted are one or more numbers that rise, as in [1, 3, 9]")
    prune = Prune(**space.parts("prune", found, kinds, kinds))
    check_ranges("prune", prune)
    return prune


def _line(line: str) -> dict[str, Any]:
    try:
        return tomllib.loads(line)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--grid {line!r} is not TOML: {error}; write it as in 'learning_rate = [0.1, 0.3]'") from None


def _configurations(sweep: Sweep) -> dict[tuple[tuple[str, Any], ...], Experiment]:
    """The trials without their seeds: the values that each reads, and its experiment, with defaults for the rest."""
    count = _points(sweep) * sweep.seeds
    if count > MOST:
        raise UsageError(
            f"the sweep has {count:,} trials; accepted are at most {MOST:,}: take fewer values or seeds, or draw some of"
            " them with [sample]"
        )
    for axis in sweep.axes:
        space.check_axis(axis)
    names = [axis.key for axis in sweep.axes]
    fixed = cache(partial(_fixed, sweep.experiment))
    found: dict[tuple[tuple[str, Any], ...], Experiment] = {}
    for point in space.points(sweep.axes, sweep.sample):
        pairs = tuple(zip(names, point, strict=True))
        base, read = fixed(tuple(pair for pair in pairs if not pair[0].startswith(HYPER)))
        values = tuple(pair for pair in pairs if not pair[0].startswith(HYPER) or pair[0] in read)
        if values not in found:
            numbers = {key.removeprefix(HYPER): value for key, value in values if key.startswith(HYPER)}
            found[values] = replace(base, hyper=base.hyper._replace(**numbers))
    return found


def _points(sweep: Sweep) -> int:
    return sweep.sample.count if sweep.sample else math.prod(len(axis.values) for axis in sweep.axes)


def _fixed(experiment: Experiment, pairs: tuple[tuple[str, Any], ...]) -> tuple[Experiment, frozenset[str]]:
    """The experiment with these values, its numbers but for those it reads at their defaults, and the names of these."""
    found = space.with_values(experiment, pairs)
    try:
        config.check(found, ())
    except UsageError as error:
        values = ", ".join(f"{key} {space.shown(value)}" for key, value in pairs)
        raise UsageError(f"{error} (in the trial with {values})" if pairs else str(error)) from None
    read = found.reads()
    return replace(found, hyper=_only(found.hyper, read)), frozenset(HYPER + number for number in read)


def _only(hyper: Hyper, numbers: Collection[str]) -> Hyper:
    return Hyper(**{key: value for key, value in hyper._asdict().items() if key in numbers})


def _read_by(experiments: Iterable[Experiment]) -> frozenset[str]:
    """The numbers that any of them reads."""
    return frozenset().union(*(reads(*each) for each in {(one.network, one.training) for one in experiments}))


def _checked(sweep: Sweep, given: Iterable[str], file: str) -> Sweep:
    """The sweep, without the numbers that no trial reads. Raises UsageError if one of those was set, and see `trials`."""
    experiments = list(_configurations(sweep).values())
    check_range("seed + seeds - 1", sweep.experiment.seed + sweep.seeds - 1, Annotated[int, Ge(0)])
    read = _read_by(experiments)
    wanted = [key.removeprefix(HYPER) for key in [*(axis.key for axis in sweep.axes), *sorted(given)] if HYPER in key]
    experiments[0].refuse_unread(number for number in wanted if number not in read)
    if sweep.prune:
        with named(file):
            check_rungs(
                "prune.rung_epochs", sweep.prune.rung_epochs, min(one.training.max_epochs for one in experiments)
            )
    return replace(sweep, experiment=replace(sweep.experiment, hyper=_only(sweep.experiment.hyper, read)))
