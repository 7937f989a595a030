"""A sweep as a file: an experiment, the axes of its grid, how they are sampled and pruned, and the trials it has."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from annotated_types import Ge

from jaxmlp.errors import UsageError, named, nearest, unknown
from jaxmlp.fields import annotations, changed, one_line, shown, table_of, value_of
from jaxmlp.grid.axes import SEED
from jaxmlp.grid.pruning import Prune, check_rungs
from jaxmlp.grid.trials import HYPER
from jaxmlp.reading import toml
from jaxmlp.run import config
from jaxmlp.run.config import SECTIONS, Experiment
from jaxmlp.sweep import space
from jaxmlp.sweep.options import MODES, OptionKeys, Options
from jaxmlp.sweep.space import Axis, Sample
from jaxmlp.sweep.trials import SweepTrials, count_of, only, trials_of
from jaxmlp.text import typed
from jaxmlp.training.validation import check_chunk, check_section

TABLES = ("grid", "sample", "prune", "options")


@dataclass(frozen=True)
class Sweep:
    """Everything that determines a sweep; `sweep_of` makes one that is checked."""

    experiment: Experiment
    axes: tuple[Axis, ...] = ()
    seeds: int = 1
    sample: Sample | None = None
    prune: Prune | None = None

    @cached_property
    def trials(self) -> SweepTrials:
        """The trainings: row-major over the axes (the last is the fastest) or in the order drawn, each with all its seeds.

        What a trial does not read is left out of its values, and trials that this makes equal are one.
        Raises UsageError for a trial that `config.check` refuses, or more than MOST of them.
        """
        return trials_of(self.experiment, self.axes, self.seeds, self.sample)

    @property
    def repeats(self) -> int:
        """How many trials are left out, because they equal others in all that they read."""
        return count_of(self.axes, self.seeds, self.sample) - len(self.trials)


class Tables(dict[str, Any]):
    """The tables grid, sample and prune of a file, raw."""

    file: str = ""  # its name, for errors


Described = tuple[Experiment, frozenset[str], dict[str, Any]]  # a file as `read` reads it


def read(path: Path) -> Described:
    """The experiment a file describes, the names of the keys that it sets, and its tables grid, sample and prune, raw.

    Raises UsageError as `config.read` does.
    """
    return parse(*config.load(path))


def parse(tree: dict[str, Any], file: str) -> tuple[Experiment, frozenset[str], dict[str, Any]]:
    """As `read`, of parsed TOML, such as `tree` makes of a sweep; `file` names it in errors."""
    known = [*SECTIONS, "seed", *TABLES]
    for name in tree:
        if name not in known:
            raise UsageError(f"{file}: [{one_line(name)}] is no section or key; {nearest(name, known)}")
    tables = Tables({name: tree.pop(name) for name in TABLES if name in tree})
    tables.file = file
    return *config.parse(tree, file), tables


def options_of(tables: Mapping[str, Any]) -> dict[str, Any]:
    """The [options] among the tables of `read`: how the trials are run, as --mode, --chunk, --resident and --test-all.

    Raises UsageError for an unknown key, or a value that it does not accept.
    """
    file = tables.file if isinstance(tables, Tables) else ""
    with named(file):
        options = table_of("options", _table(tables, "options"), annotations(OptionKeys))
        if "mode" in options and options["mode"] not in MODES:
            raise unknown("options.mode", options["mode"], MODES)
        check_chunk("options.chunk", options.get("chunk"))
    return options


def sweep_of(
    experiment: Experiment,
    given: Iterable[str],
    tables: Mapping[str, Any],
    lines: Sequence[str] = (),
    seeds: int | None = None,
) -> Sweep:
    """The sweep that the tables of `read`, over the experiment, make; checked as a whole, with each of its trials.

    `lines` (--grid) are TOML that replaces or adds axes of [grid]; `seeds` (--seeds) beats both. `given` are the full
    names of the keys that were set. Hyperparameters that no trial reads are set to their defaults.
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
    for key, (field, written) in entries.items():
        with named("" if field.startswith("--") else file):
            if key == "seeds":
                count = value_of(field, written, Annotated[int, Ge(1)])
            else:
                axes.append(space.axis_of(field, key, written, sample is not None))
                _check_paths(field, experiment, axes[-1])
    if not axes and (count == 1 or sample is not None):
        field, _ = entries["seeds"] if "seeds" in entries and sample is None else ("", 1)
        what, run = f"{field} is 1 and ", f"one seed is a single run, for {typed('train')}; else "
        with named("" if field.startswith("--") else file):
            raise UsageError(
                f"{what if field else ''}[grid] has no axis: {run if field else ''}write one below it, or after --grid, as"
                " in learning_rate = [0.01, 0.1]"
            )
    for name in SECTIONS:  # a value of it may be hidden by an axis
        check_section(name, getattr(experiment, name))
    return _checked(Sweep(experiment, tuple(axes), count, sample, prune), given, file)


def tree(sweep: Sweep) -> dict[str, Any]:
    """The sweep as nested dictionaries, its values as lists, or as ranges where they are drawn. Paths are absolute."""
    read = sweep.trials.grid.reads
    hyper = {key: value for key, value in sweep.experiment.hyper._asdict().items() if key in read}
    grid = {axis.key: _written(sweep.experiment, axis) for axis in sweep.axes} | {"seeds": sweep.seeds}
    nested = config.tree(sweep.experiment) | {"hyper": hyper, "grid": grid}
    if {"data.name", "data.dir"} & grid.keys():  # of each its own
        nested["data"]["normalise"] = sweep.experiment.data.normalise
    if sweep.sample is not None:
        nested["sample"] = asdict(sweep.sample)
    if sweep.prune is not None:
        nested["prune"] = asdict(sweep.prune) | {"rung_epochs": list(sweep.prune.rung_epochs)}
    return nested


def _written(experiment: Experiment, axis: Axis) -> Any:
    if axis.space is not None:
        return axis.space._asdict()
    section, key = axis.key.split(".")
    if section == "data" and key != "normalise":  # may be a path
        return [config.tree(changed(experiment, {axis.key: value}))[section].get(key, value) for value in axis.values]
    return [list(value) if isinstance(value, tuple) else value for value in axis.values]


def _check_paths(field: str, experiment: Experiment, axis: Axis) -> None:
    """Raise UsageError for two values of data.name or data.dir that are one path."""
    if axis.key in ("data.name", "data.dir"):
        seen: dict[str, str] = {}
        for value, path in zip(axis.values, _written(experiment, axis), strict=True):
            if path in seen:
                same = f"{shown(seen[path])} and {shown(value)}, which are the same path"
                raise UsageError(f"{field} has {same}; accepted is a list of different values")
            seen[path] = value


def write(sweep: Sweep) -> str:
    """The TOML of `tree`: `read` and `sweep_of` make an equal sweep of it."""
    tables = tree(sweep)
    grid = tables.pop("grid")
    return tomli_w.dumps(tables) + "\n[grid]\n" + "".join(_assignment(key, value) for key, value in grid.items())


def write_options(options: Options) -> str:
    """The TOML of the table [options]."""
    values = {"mode": options.mode or MODES[0], "test_all": options.test_all}
    values |= {name: value for name in ("chunk", "resident") if (value := getattr(options, name)) is not None}
    return "\n" + tomli_w.dumps({"options": values})


def _assignment(key: str, value: Any) -> str:
    if not isinstance(value, dict):
        return tomli_w.dumps({key: value})
    parts = (tomli_w.dumps({name: part}).strip() for name, part in value.items())
    return f'"{key}" = {{{", ".join(parts)}}}\n'  # in line: a table of its own would come after the lists


def _table(tables: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise UsageError(f"{name} is a table: write [{name}] and its keys below")
    return table


def _prune(table: Mapping[str, Any]) -> Prune:
    types, rungs = annotations(Prune), table.get("rung_epochs", [])
    if not isinstance(rungs, list):
        raise UsageError(
            f"prune.rung_epochs is {shown(rungs)}; accepted are one or more numbers that rise, as in [1, 3, 9]"
        )
    return Prune(**table_of("prune", table, types, types))


def _line(line: str) -> dict[str, Any]:
    try:
        return toml(line)
    except UsageError as error:
        raise UsageError(f"--grid {shown(line)} {error}; write it as in 'learning_rate = [0.1, 0.3]'") from None


def _checked(sweep: Sweep, given: Iterable[str], file: str) -> Sweep:
    """The sweep, without the hyperparameters that no trial reads.

    Raises UsageError if one of those was set, and as `Sweep.trials` does.
    """
    trials = sweep.trials.grid
    value_of("seed + seeds - 1", trials.seeds[-1], SEED)
    keys = [*(axis.key for axis in sweep.axes), *sorted(given)]
    names = [key.removeprefix(HYPER) for key in keys if key.startswith(HYPER)]
    trials.bases[0].described.refuse_unread(name for name in names if name not in trials.reads)
    if sweep.prune:
        fewest = min(base.described.training.max_epochs for base in trials.bases)
        with named(file):
            check_rungs("prune.rung_epochs", sweep.prune.rung_epochs, fewest)
    checked = replace(sweep, experiment=replace(sweep.experiment, hyper=only(sweep.experiment.hyper, trials.reads)))
    vars(checked)["trials"] = sweep.trials  # the same trials, so that they are made once
    return checked
