"""An experiment as a file: its TOML, the keys a command line sets, and what is refused."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tomli_w
from annotated_types import Ge

from jaxmlp.data.config import OPTIONAL, Data
from jaxmlp.data.sources import is_known, resolved
from jaxmlp.data.tables import is_table
from jaxmlp.errors import UsageError, named, nearest
from jaxmlp.fields import annotations, flat, one_line, plain, table_of, value_of
from jaxmlp.reading import exists, expanded, read_toml
from jaxmlp.spec import Hyper, Network, Training
from jaxmlp.text import typed
from jaxmlp.training.validation import check_name, check_section, check_together, reads, refuse_unread


@dataclass(frozen=True)
class AnyExperiment(ABC):
    """Everything that determines a run: a file in configs/, and the flags of a command.

    A kind of experiment adds its sections: dataclasses, and a NamedTuple of hyperparameters.
    """

    data: Data = Data()
    seed: Annotated[int, Ge(0)] = field(default=0, kw_only=True)
    """Of the first weights, the orders and the dropout; data.split_seed is apart."""

    def check_together(self) -> None:  # noqa: B027
        """Raise UsageError for a combination of names that makes no sense."""

    @abstractmethod
    def reads(self) -> frozenset[str]:
        """The hyperparameters that this experiment reads."""

    @abstractmethod
    def refuse_unread(self, names: Iterable[str]) -> None:
        """Raise UsageError for the first of the hyperparameters `names`, which were set, that nothing here reads."""


@dataclass(frozen=True)
class Experiment(AnyExperiment):
    """The training of a multi-layer perceptron."""

    network: Network = Network()
    training: Training = Training()
    hyper: Hyper = Hyper()

    def check_together(self) -> None:
        check_together(self.network, self.training)

    def reads(self) -> frozenset[str]:
        return reads(self.network, self.training)

    def refuse_unread(self, names: Iterable[str]) -> None:
        refuse_unread(self.network, self.training, names)


Kind = TypeVar("Kind", bound=AnyExperiment)


def sections(kind: type[AnyExperiment] = Experiment) -> dict[str, Any]:
    """The sections of a kind of experiment, and their types."""
    return {
        name: section
        for name, section in annotations(kind).items()
        if is_dataclass(section) or hasattr(section, "_asdict")
    }


SECTIONS = sections()


def keys(kind: type[AnyExperiment] = Experiment) -> list[str]:
    """The full names of all keys, as they stand in a file and (with dashes) on a command line."""
    return [f"{name}.{key}" for name, section in sections(kind).items() for key in annotations(section)] + ["seed"]


def read(path: Path, kind: type[Kind] = Experiment) -> tuple[Kind, frozenset[str]]:
    """The experiment a file describes, and the names of the keys that it sets.

    Raises UsageError for a file that is missing or is no TOML, an unknown key, or a value that its key does not accept.
    """
    tree, file = load(path)
    return parse(tree, file, kind)


def load(path: Path) -> tuple[dict[str, Any], str]:
    """The parsed TOML of a file, and its name for errors. Raises UsageError for one that is missing or is no TOML."""
    file = locate(path)
    return read_toml(file), str(file)


def locate(path: Path) -> Path:
    """The config file at `path`, or the one of that name that the package ships. Raises UsageError if there is neither."""
    if exists(path) and path.is_file():
        return path
    root = Path(str(files("jaxmlp")))
    shipped = [root / "configs", root.parent / "configs"]
    for folder in shipped:
        inside = folder / Path(*path.parts[1:]) if path.parts[:1] == ("configs",) else folder / path
        if exists(inside) and inside.is_file():
            return inside
    known = sorted(
        f"configs/{file.relative_to(folder).as_posix()}" for folder in shipped for file in folder.rglob("*.toml")
    )
    what = "does not exist"
    if exists(path):
        what = "is a directory" if path.is_dir() else "is no regular file"
    likest = difflib.get_close_matches(path.as_posix()[-100:], known, n=3, cutoff=0)
    raise UsageError(
        f"config file {path} {what}; of the {len(known)} that are shipped the nearest are {', '.join(likest)}"
    )


def parse(tree: Mapping[str, Any], file: str, kind: type[Kind] = Experiment) -> tuple[Kind, frozenset[str]]:
    """As `read`, from the parsed TOML; `file` names it in errors."""
    known, default = sections(kind), kind()
    values: dict[str, Any] = {}
    given: set[str] = set()
    with named(file):
        for name, content in tree.items():
            if name == "seed":
                values[name] = value_of(name, content, annotations(kind)[name])
                given.add(name)
                continue
            if name in ("grid", "sample", "prune", "options"):
                raise UsageError(f"[{name}] belongs to a sweep; run it with {typed('sweep')}")
            if name not in known:
                raise UsageError(f"[{one_line(name)}] is no section or key; {nearest(name, [*known, 'seed'])}")
            if not isinstance(content, dict):
                raise UsageError(f"{name} is a section: write [{name}] and its keys below")
            entries = table_of(name, content, annotations(known[name]), known=keys(kind))
            for key, value in entries.items():
                check_name(f"{name}.{key}", f"{name}.{key}", value)
            values[name] = known[name](**plain(getattr(default, name)) | entries)
            given |= {f"{name}.{key}" for key in entries}
    return kind(**values), frozenset(given)


def check(experiment: AnyExperiment, given: Iterable[str]) -> None:
    """Raise UsageError for a name, a range or a combination that makes no sense.

    `given` are the full names of the keys that were set: a hyperparameter that is set, but never read, is refused.
    """
    for section in sections(type(experiment)):
        check_section(section, getattr(experiment, section))
    value_of("seed", experiment.seed, annotations(type(experiment))["seed"])
    experiment.check_together()
    experiment.refuse_unread(key.split(".")[1] for key in sorted(given) if _is_traced(experiment, key.split(".")[0]))


def tree(experiment: AnyExperiment) -> dict[str, Any]:
    """The experiment as nested dictionaries, without the hyperparameters that nothing reads.

    Keys of tables are left out where there is none. Paths are made absolute, and data.normalise is what it comes to.
    """
    nested = {section: _fields(experiment, section) for section in sections(type(experiment))}
    data = nested["data"]
    data["normalise"] = resolved(experiment.data).normalise
    for key in ("dir", "validation_file", "test_file"):
        data[key] = str(expanded(f"data.{key}", data[key]).absolute()) if data[key] else ""
    if not is_known(experiment.data):
        data["name"] = str(expanded("data.name", data["name"]).absolute())
    if not is_table(experiment.data.name):
        nested["data"] = {key: value for key, value in data.items() if OPTIONAL.get(key) != value}
    return {"seed": experiment.seed} | nested


def _fields(experiment: AnyExperiment, section: str) -> dict[str, Any]:
    read = experiment.reads() if _is_traced(experiment, section) else None
    values = plain(getattr(experiment, section)).items()
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in values if read is None or key in read
    }


def _is_traced(experiment: AnyExperiment, section: str) -> bool:
    """Whether a section holds hyperparameters."""
    return isinstance(getattr(experiment, section, None), tuple)


def write(experiment: AnyExperiment) -> str:
    """The TOML of `tree`: reading it gives the same run."""
    return tomli_w.dumps(tree(experiment))


def changes(saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The keys in which two trees differ: name to (saved, wanted); None stands for a key that is not there."""
    before, after = dict(flat(saved)), dict(flat(wanted))
    return {key: (before.get(key), after.get(key)) for key in before | after if before.get(key) != after.get(key)}
