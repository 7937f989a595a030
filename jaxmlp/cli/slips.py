"""Checks a command line for slips before the parser sees it: an error of one line says what to write instead."""

import difflib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING
from typing import Any, NamedTuple, NoReturn

from jaxmlp.cli.flags import Flag
from jaxmlp.errors import UsageError, unknown

OTHER_NAMES = {  # the last part of the name of a flag, and what other programs call it
    "learning-rate": "lr eta step-size",
    "max-epochs": "epochs n-epochs num-epochs",
    "max-steps": "steps",
    "batch-size": "bs batch",
    "hidden": "layers units hidden-sizes hidden-layers hidden-layer-sizes hidden-units",
    "momentum": "gamma",
    "weight-decay": "wd",
    "optimizer": "opt",
    "schedule": "scheduler lr-schedule",
    "activation": "activation-function nonlinearity",
    "l2": "lambda",
    "patience": "early-stopping",
    "seed": "random-seed random-state",
    "name": "data dataset",
    "out": "output output-dir outdir o",
    "overwrite": "force",
    "resume": "continue",
    "seeds": "n-seeds",
    "quiet": "silent q",
}
SYNONYMS = {other: name for name, others in OTHER_NAMES.items() for other in others.split()}
KINDS = {int: "a whole number", float: "a number"}
BOOLEANS = ("true", "false", "yes", "no", "on", "off", "0", "1")


class Typed(NamedTuple):
    """A flag as it was typed, and the words after it that may be its values."""

    flag: str  # with dashes, without a value
    attached: bool  # the first value came with an equals sign
    values: list[str]


def is_flag(word: str) -> bool:
    """Whether a word of a command line is a flag: it begins with a dash, and is no number (-1e-3, -inf)."""
    return word.startswith("-") and len(word) > 1 and not _reads(float, word)


def check(arguments: Sequence[str], known: Mapping[str, Flag]) -> None:
    """Raise UsageError for the first argument that the flags of a command do not know, or whose value they do not read."""
    positional = [flag for flag in known.values() if flag.positional]
    words, lists = [], dict[str, list[str]]()
    for typed in _typed(arguments):
        if not typed.flag:
            words += typed.values
            continue
        flag = known.get(typed.flag) or known.get(_affirmative(typed.flag))
        if flag is None or (typed.flag != flag.name and flag.kind is not bool):
            _refuse(typed, known)
        taken = _taken(flag, typed)
        for value in typed.values[:taken]:
            check_value(flag, value)
        words += typed.values[taken:]
        if flag.kind is tuple and "." not in flag.name:  # a key may be overridden: its last values count
            values = lists.setdefault(flag.name, [])
            if values:
                whole = shlex.join([flag.name, *values, *typed.values[:taken]])
                raise UsageError(f"{flag.name} is given twice, and takes all of its values together: write {whole}")
            values += typed.values[:taken]
    for flag in positional[len(words) :]:
        if flag.default is MISSING and flag.kind is not tuple:
            raise UsageError(f"{flag.name} is missing: {flag.text}")
    room = len(words) if any(flag.kind is tuple for flag in positional) else len(positional)
    if len(words) > room:
        usage = " and ".join(flag.name for flag in positional) or "no argument"
        raise UsageError(f"{words[room]!r} is one argument too many: accepted is {usage}, and flags; see --help")


def _typed(arguments: Sequence[str]) -> Iterator[Typed]:
    """The command line as flags and what follows each; first, under no flag, what comes before them."""
    flag, attached, values = "", False, list[str]()
    for word in arguments:
        if is_flag(word):
            yield Typed(flag, attached, values)
            name, equals, value = word.partition("=")
            flag, attached, values = name.replace("_", "-"), bool(equals), [value] if equals else []
        else:
            values.append(word)
    yield Typed(flag, attached, values)


def _affirmative(flag: str) -> str:
    """`--network.no-dropout` as `--network.dropout`."""
    section, dot, leaf = flag.removeprefix("--").rpartition(".")
    return f"--{section}{dot}{leaf.removeprefix('no-')}"


def _taken(flag: Flag, typed: Typed) -> int:
    """How many of the words after a flag are its values. Raises UsageError where there are too few, or needless ones."""
    if flag.kind is bool:
        if typed.values and (typed.attached or typed.values[0].lower() in BOOLEANS):
            raise UsageError(
                f"{typed.flag} takes no value, but {typed.values[0]!r} follows: write {flag.name} for yes,"
                f" {_negative(flag)} for no"
            )
        return 0
    if flag.kind is tuple and not typed.attached:
        return len(typed.values)
    if not typed.values:
        wanted = " or ".join(flag.choices) or KINDS.get(flag.item, "a value")
        raise UsageError(f"{flag.name} is followed by nothing; accepted is {wanted}")
    return 1


def _negative(flag: Flag) -> str:
    return flag.name.removesuffix(flag.leaf) + f"no-{flag.leaf}"


def check_value(flag: Flag, value: str) -> None:
    """Raise UsageError for a value that the flag does not read."""
    if flag.closed and value not in flag.choices:
        raise unknown(flag.name, value, flag.choices)
    if flag.item not in KINDS or _reads(flag.item, value):
        return
    if flag.kind is tuple and all(_reads(flag.item, part) for part in _apart(value)):
        raise UsageError(f"{flag.name} is {value!r}: write its values apart, {flag.name} {' '.join(_apart(value))}")
    raise UsageError(f"{flag.name} is {value!r}; accepted is {KINDS[flag.item]}")


def _apart(value: str) -> list[str]:
    return value.strip("[]()").replace(",", " ").split()


def _reads(kind: Any, value: str) -> bool:
    try:
        kind(value)
    except ValueError:
        return False
    return True


def _refuse(typed: Typed, known: Mapping[str, Flag]) -> NoReturn:
    """Raise UsageError for a flag that is not known, with the line to write where it is plain which one was meant."""
    leaf = _affirmative(typed.flag).rsplit(".", 1)[-1].lstrip("-")
    flags = [flag for flag in known.values() if not flag.positional]
    lines = [_line(flag, typed) for flag in flags if flag.leaf in (leaf, SYNONYMS.get(leaf))]
    lines = lines or [f"{flag.name} {leaf}" for flag in flags if leaf in flag.choices]  # --adam
    if lines:
        raise UsageError(f"{typed.flag} is not known here: write {' or '.join(lines)}")
    close = difflib.get_close_matches(typed.flag, [flag.name for flag in flags], cutoff=0.65)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise UsageError(f"{typed.flag} is not known here; {hint}--help-all lists all flags")


def _line(flag: Flag, typed: Typed) -> str:
    """What to write for a flag that was typed under another name."""
    if flag.kind is bool:
        return flag.name
    values = typed.values[: None if flag.kind is tuple else 1]
    if flag.kind is tuple:
        values = [part for value in values for part in _apart(value)]
    return shlex.join([flag.name, *values])
