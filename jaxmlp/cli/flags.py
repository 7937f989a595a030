"""The flags of a command, from the types and docstrings of its class: help, completion and the check of slips use them."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from itertools import pairwise
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import tyro

from jaxmlp.fields import annotations
from jaxmlp.spec import Hyper
from jaxmlp.training.validation import NAMES, readers

CHOICES = {key.split(".")[1]: names for key, names in NAMES.items()}  # of the keys that hold a name out of a registry


class Flag(NamedTuple):
    """One flag, or one positional argument, of a command."""

    name: str  # --hyper.learning-rate, or CONFIG.toml
    kind: Any  # bool, int, float, str, Path, tuple (of `item`), or a Literal of its choices
    item: Any  # what one value is: the kind, or that of a tuple's values
    default: Any  # MISSING where there is none
    text: str  # its docstring
    positional: bool
    metavar: str | None  # what its value is called, where the type does not say it

    @property
    def choices(self) -> tuple[str, ...]:
        """The values it accepts, where they are few and known."""
        if self.kind is str:
            return tuple(CHOICES.get(self.leaf.replace("-", "_"), ()))
        return get_args(self.kind) if self.closed else ()

    @property
    def closed(self) -> bool:
        """Whether the type lists the values. Names out of a registry are checked with the whole experiment."""
        return get_origin(self.kind) is Literal

    @property
    def leaf(self) -> str:
        """Its name without the section: learning-rate."""
        return self.name.removeprefix("--").rsplit(".", 1)[-1]


@cache
def flags_of(command: type) -> dict[str, Flag]:
    """The flags and positional arguments of a command class, by their names, in the order of its fields."""
    return {flag.name: flag for flag in _flags(command, "")}


def _flags(command: type, prefix: str) -> Iterator[Flag]:
    texts, defaults = texts_of(command), defaults_of(command)
    for name, hint in annotations(command).items():
        bare, metadata = _bare(hint), getattr(hint, "__metadata__", ())
        if is_section(bare):
            yield from _flags(bare, f"{prefix}{name}.")
            continue
        positional = tyro.conf.Positional in metadata
        metavar = next((option.metavar for option in metadata if hasattr(option, "metavar")), None)
        shown = metavar or name.upper() if positional else "--" + f"{prefix}{name}".replace("_", "-")
        kind = item = bare
        if get_origin(kind) is tuple:
            kind, item = tuple, _bare(get_args(kind)[0])
        yield Flag(shown, kind, item, defaults[name], texts.get(name, ""), positional, metavar)


def is_section(kind: Any) -> bool:
    """Whether a field of this type holds keys of its own: a dataclass, or a NamedTuple."""
    return is_dataclass(kind) or hasattr(kind, "_fields")


def with_choices(name: str, kind: Any) -> Any:
    """The type of a field: where its values are the names of a registry, a Literal of them."""
    return Literal[tuple(CHOICES[name])] if kind is str and name in CHOICES else kind


def defaults_of(kind: Any) -> dict[str, Any]:
    """The defaults of the fields of a dataclass or NamedTuple; MISSING for those that have none."""
    if not is_dataclass(kind):
        return {name: kind._field_defaults.get(name, MISSING) for name in kind._fields}
    return {
        field.name: field.default_factory() if field.default_factory is not MISSING else field.default
        for field in fields(kind)
    }


def _bare(hint: Any) -> Any:
    """A type without its metadata, and without None."""
    hint = hint.__origin__ if hasattr(hint, "__metadata__") else hint
    if get_origin(hint) in (Union, UnionType):
        return _bare(next(part for part in get_args(hint) if part is not type(None)))
    return hint


@cache
def texts_of(kind: type) -> dict[str, str]:
    """The docstrings below the fields of a class and its bases; those of Hyper say which rules read them."""
    texts = {}
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith("jaxmlp."):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in pairwise(body.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                    texts[name] = " ".join(words.split())
    if kind is Hyper:
        texts = {name: f"{text.removesuffix('.')}{_read_by(name)}." for name, text in texts.items()}
    return texts


def _read_by(field: str) -> str:
    return f" ({', '.join(readers(field))})" if readers(field) else ""
