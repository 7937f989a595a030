"""`--help`: one screen with what matters of a command. `--help-all`, with every key, is the parser's."""

import shutil
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import MISSING
from pathlib import Path

from jaxmlp.cli.flags import Flag
from jaxmlp.text import typed

WIDEST, LEFT = 100, 31  # columns: of the page, and of the names
METAVARS = {int: " N", float: " X", str: " NAME", Path: " PATH", bool: ""}


def page(name: str, summary: str, known: Mapping[str, Flag], shown: Iterable[str], examples: Iterable[str]) -> str:
    """The help of the command `name`: how it is called, the flags that are `shown`, and examples."""
    width = min(WIDEST, shutil.get_terminal_size().columns)
    positional = [flag for flag in known.values() if flag.positional]
    flags = [known[f"--{flag}"] for flag in shown]
    keys = [flag for flag in flags if "." in flag.name or flag.leaf == "seed"]
    usage = " ".join([typed(name), *(_usage(flag) for flag in positional), "[FLAG ...]"])
    lines = [f"usage: {usage}", "", *textwrap.wrap(summary, width), ""]
    for flag in [*positional, *(flag for flag in flags if flag not in keys)]:
        lines += _flag_lines(flag, width)
    if keys:
        lines += ["", "keys, as in a config file:"]
        for flag in keys:
            lines += _flag_lines(flag, width)
    lines += ["", f"--help-all shows all {len(known)} flags with their choices. Examples:"]
    return "\n".join([*lines, *(f"  {typed(name)} {example}".rstrip() for example in examples)])


def _usage(flag: Flag) -> str:
    return flag.name if flag.default is MISSING else f"[{flag.name}]"


def _flag_lines(flag: Flag, width: int) -> list[str]:
    """A flag with its value, and at its right what it means and its default."""
    left = f"  {flag.name}{'' if flag.positional else _metavar(flag)}"
    default = ", ".join(map(str, flag.default)) if isinstance(flag.default, tuple) else str(flag.default)
    shown = not (flag.kind is bool or flag.default in (None, MISSING, ""))
    named = flag.choices and not any(choice in left for choice in flag.choices)
    text = f"{flag.text.removesuffix('.')}: {', '.join(flag.choices)}." if named else flag.text
    right = textwrap.wrap(f"{text}{f' [{default}]' if shown and default else ''}", width - LEFT)
    if len(left) >= LEFT:
        return [left, *(" " * LEFT + line for line in right)]
    return [f"{left:{LEFT}}{right[0]}", *(" " * LEFT + line for line in right[1:])]


def _metavar(flag: Flag) -> str:
    if flag.metavar:
        return f" {flag.metavar}"
    if flag.choices:
        listed = "|".join(flag.choices)
        return f" {listed}" if len(listed) < 20 else " NAME"
    return f"{METAVARS[flag.item]} ..." if flag.kind is tuple else METAVARS[flag.kind]
