"""An experiment as a file: its TOML, the keys a command line sets, and what is refused."""

import tomllib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import tomli_w
from annotated_types import Ge

from jaxmlp.data.sources import BUNDLED, IDX_SETS, Data
from jaxmlp.errors import UsageError, nearest
from jaxmlp.spec import Hyper, Network, Training
from jaxmlp.training.validation import check_names, check_range, check_ranges, reads, refuse_unread


@dataclass(frozen=True)
class AnyExperiment(ABC):
    """Everything that determines a run: a file in configs/, and the flags of a command.

    A kind of experiment adds its sections: dataclasses, and a NamedTuple of numbers.
    """

    data: Data = Data()
    seed: Annotated[int, Ge(0)] = field(default=0, kw_only=True)
    """Of the first weights, the orders and the dropout; data.split_seed is apart."""

    @abstractmethod
    def check_names(self) -> None:
        """Raise UsageError for a name that is unknown, or a combination that makes no sense."""

    @abstractmethod
    def reads(self) -> frozenset[str]:
        """The numbers that this experiment reads."""

    @abstractmethod
    def refuse_unread(self, numbers: Iterable[str]) -> None:
        """Raise UsageError for the first of the `numbers`, which were set, that nothing here reads."""


@dataclass(frozen=True)
class Experiment(AnyExperiment):
    """The training of a multi-layer perceptron."""

    network: Network = Network()
    training: Training = Training()
    hyper: Hyper = Hyper()

    def check_names(self) -> None:
        check_names(self.network, self.training)

    def reads(self) -> frozenset[str]:
        return reads(self.network, self.training)

    def refuse_unread(self, numbers: Iterable[str]) -> None:
        refuse_unread(self.network, self.training, numbers)


Kind = TypeVar("Kind", bound=AnyExperiment)


def sections(kind: type[AnyExperiment] = Experiment) -> dict[str, type]:
    """The sections of a kind of experiment, and their types."""
    return {name: found for name, found in get_type_hints(kind).items() if _is_section(found)}


def _is_section(found: Any) -> bool:
    return is_dataclass(found) or _is_numbers(found)


def _is_numbers(found: Any) -> bool:
    return hasattr(found, "_asdict")


SECTIONS = sections()


def keys(kind: type[AnyExperiment] = Experiment) -> list[str]:
    """The full names of all keys, as they stand in a file and (with dashes) on a command line."""
    return [f"{section}.{key}" for section, found in sections(kind).items() for key in get_type_hints(found)] + ["seed"]


def read(path: Path, kind: type[Kind] = Experiment) -> tuple[Kind, frozenset[str]]:
    """The experiment a file describes, and the names of the keys that it sets.

    Raises UsageError for a file that is missing or is no TOML, a key that is unknown, or a value of the wrong type.
    """
    tree, file = load(path)
    return parse(tree, file, kind)


def load(path: Path) -> tuple[dict[str, Any], str]:
    """The parsed TOML of a file, and its name for errors. Raises UsageError for one that is missing or is no TOML."""
    found = locate(path)
    try:
        return tomllib.loads(found.read_text(encoding="utf-8")), str(found)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{found}: cannot be read as a config file: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{found}: is not TOML: {error}") from None


def locate(path: Path) -> Path:
    """The config file at `path`, or the one of that name that the package ships. Raises UsageError if there is neither."""
    if path.is_file():
        return path
    root = Path(str(files("jaxmlp")))
    shipped = [root / "configs", root.parent / "configs"]
    for folder in shipped:
        inside = folder / Path(*path.parts[1:]) if path.parts[:1] == ("configs",) else folder / path
        if inside.is_file():
            return inside
    known = sorted(
        f"configs/{file.relative_to(folder).as_posix()}" for folder in shipped for file in folder.rglob("*.toml")
    )
    what = "is a directory" if path.is_dir() else "does not exist"
    raise UsageError(f"config file {path} {what}; {nearest(path.as_posix(), known)}")


def parse(tree: Mapping[str, Any], file: str, kind: type[Kind] = Experiment) -> tuple[Kind, frozenset[str]]:
    """As `read`, from the parsed TOML; `file` names it in errors."""
    known, default = sections(kind), kind()
    values_of: dict[str, Any] = {}
    given: set[str] = set()
    for section, values in tree.items():
        if section == "seed":
            values_of["seed"] = value_of(f"{file}: seed", values, int)
            given.add("seed")
            continue
        if section in ("grid", "sample", "prune"):
            raise UsageError(f"{file}: [{section}] belongs to a sweep; run it with python -m jaxmlp.sweep")
        if section not in known:
            raise UsageError(f"{file}: [{section}] is no section or key; {nearest(section, [*known, 'seed'])}")
        if not isinstance(values, dict):
            raise UsageError(f"{file}: {section} is a section: write [{section}] and its keys below")
        types = get_type_hints(known[section])
        for key in values:
            if key not in types:
                raise UsageError(f"{file}: {section}.{key} is no key; {nearest(f'{section}.{key}', keys(kind))}")
        read_values = {key: value_of(f"{file}: {section}.{key}", value, types[key]) for key, value in values.items()}
        values_of[section] = known[section](**_plain(getattr(default, section)) | read_values)
        given |= {f"{section}.{key}" for key in values}
    return kind(**values_of), frozenset(given)


def value_of(field: str, found: Any, kind: Any) -> Any:
    """`found` in the type of the field; a whole number will do for a float, and nothing else is converted."""
    if get_origin(kind) is tuple:
        if not isinstance(found, list):
            raise UsageError(f"{field} is {found!r}; accepted is a list, such as [256, 128]")
        return tuple(value_of(field, item, get_args(kind)[0]) for item in found)
    if kind is float and type(found) is int:
        return float(found)
    if type(found) is not kind:
        names = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}
        raise UsageError(f"{field} is {found!r}; accepted is {names[kind]}")
    return found


def check(experiment: AnyExperiment, given: Iterable[str]) -> None:
    """Raise UsageError for a name, a range or a combination that makes no sense.

    `given` are the full names of the keys that were set: a number that is set, but never read, is refused.
    """
    experiment.check_names()
    numbers = []
    for section in sections(type(experiment)):
        check_ranges(section, getattr(experiment, section))
        if _is_numbers(getattr(experiment, section)):
            numbers += [key.removeprefix(f"{section}.") for key in sorted(given) if key.startswith(f"{section}.")]
    check_range("seed", experiment.seed, get_type_hints(AnyExperiment, include_extras=True)["seed"])
    experiment.refuse_unread(numbers)


def tree(experiment: AnyExperiment) -> dict[str, Any]:
    """The experiment as nested dictionaries, without the numbers that nothing reads. Paths are made absolute."""
    found = {section: _fields(experiment, section) for section in sections(type(experiment))}
    data = found["data"]
    data["dir"] = str(Path(data["dir"]).expanduser().absolute()) if data["dir"] else ""
    if data["name"] not in (*IDX_SETS, *BUNDLED) and not data["name"].startswith("tfds:"):
        data["name"] = str(Path(data["name"]).expanduser().absolute())
    return {"seed": experiment.seed} | found


def _fields(experiment: AnyExperiment, section: str) -> dict[str, Any]:
    values = getattr(experiment, section)
    unread = set(values._fields) - experiment.reads() if _is_numbers(values) else set()
    found = {key: value for key, value in _plain(values).items() if key not in unread}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}


def _plain(section: Any) -> dict[str, Any]:
    return (
        section._asdict()
        if _is_numbers(section)
        else {field.name: getattr(section, field.name) for field in fields(section)}
    )


def write(experiment: AnyExperiment) -> str:
    """The TOML of `tree`: reading it gives the same run."""
    return tomli_w.dumps(tree(experiment))


def changes(saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The keys in which two trees differ: name to (saved, wanted); None stands for a key that is not there."""
    one, other = _flat(saved), _flat(wanted)
    return {key: (one.get(key), other.get(key)) for key in [*one, *other] if one.get(key) != other.get(key)}


def _flat(nested: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= {f"{key}.{name}": item for name, item in value.items()} if isinstance(value, Mapping) else {key: value}
    return flat
