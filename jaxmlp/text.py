"""Text for messages: plurals, durations, paths, and lines to paste."""

import contextlib
import shlex
import sys
from pathlib import Path


def count(number: int, noun: str) -> str:
    """1 trial, 2 trials, 1,000 trials; 2 classes."""
    plural = "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{plural * (number != 1)}"


def duration(seconds: float) -> str:
    """8 s, 3 min, 2.5 h, 4 days."""
    for limit, unit, name in ((90, 1, "s"), (90 * 60, 60, "min"), (36 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.{0 if seconds >= 10 * unit or unit == 60 else 1}f} {name}"
    return f"{seconds / 86400:,.0f} days"


def short_path(path: Path) -> str:
    """A path as a person would type it from here."""
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)


def typed(command: str = "", *arguments: object) -> str:
    """A line to paste that runs a command, in the way this process was started: `jaxmlp train ...` or `python -m ...`."""
    start = "jaxmlp" if Path(sys.argv[0]).stem == "jaxmlp" else "python -m jaxmlp"
    if command:
        start += f" {command}" if start == "jaxmlp" else f".{command}"
    return " ".join([start, *(shlex.quote(str(argument)) for argument in arguments)])
