"""Files from outside: only regular ones are opened, and their sizes are checked before memory is taken."""

import errno
import os
import re
import stat
import tomllib
from io import BufferedReader
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from jaxmlp.errors import UsageError, line_of
from jaxmlp.fields import shown

PILLOW_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # what Pillow calls pixels of so many channels of 8 bits

BLOCK = 1 << 24  # bytes read at once
MOST_TOML = 64_000_000  # bytes; a million values of an axis take a quarter of it
MOST_KEYS = 10_000  # of a TOML file; tomllib takes up to 1 KB for each
MOST_DEPTH = 32  # tables and lists inside each other, and parts of a key; tomllib takes memory as the square of it

_QUOTED = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+"{3,5}'
    r"|'''(?:[^']++|'(?!''))*+'{3,5}"
    r'|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"'
    r"|'[^'\n]*+'"
    r"|#[^\n]*+",
    re.DOTALL,
)
_HEADER = re.compile(r"^[ \t]*+\[[^\],\n]*+\]\]?+[ \t\r]*+$", re.MULTILINE)


def open_regular(path: Path) -> BufferedReader:
    """A regular file, open for reading. Raises OSError for another kind: a pipe or a device could wait for ever."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except ValueError as error:  # a name with a null character
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is no regular file, but a pipe or a device", str(path))


def expanded(field: str, path: str) -> Path:
    """A path with `~` and `~user` spelt out. Raises UsageError, which names the field, for a user that is unknown."""
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError):  # ValueError: a name with a null character
        raise UsageError(f"{field} is {shown(path)}, and there is no such user; write the path out") from None


def exists(path: Path) -> bool:
    """Whether anything is at a path; a name that no file system takes is nowhere."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def fill(array: np.ndarray, file: Any) -> int:
    """Read into an array until it is full or the file ends; returns the bytes read. Only they take memory."""
    view, filled = memoryview(array.reshape(-1).view(np.uint8).data), 0
    while filled < len(view) and (count := file.readinto(view[filled : filled + BLOCK])):
        filled += count
    return filled


def toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises UsageError, in one clause, for what is none, or takes too much memory to read."""
    plain = _QUOTED.sub('""', text)
    keys = plain.count("=") + len(_HEADER.findall(plain))
    if keys > MOST_KEYS:
        raise UsageError(f"has {keys:,} keys; accepted are at most {MOST_KEYS:,}")
    dots = max(part.count(".") for part in re.split(r"[,=\[\]{}\n]", plain))
    nested = accumulate(1 if bracket in "[{" else -1 for bracket in re.findall(r"[\[\]{}]", plain))
    if max(dots + 1, max(nested, default=0)) > MOST_DEPTH:
        raise UsageError(f"is nested more than {MOST_DEPTH} deep; a config has at most three levels")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError also for a whole number of over 4,300 digits
        raise UsageError(f"is not TOML: {line_of(error)}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises UsageError, which names the file."""
    try:
        with open_regular(path) as file:
            content = file.read(MOST_TOML + 1)
        if len(content) > MOST_TOML:
            raise UsageError(f"{path}: is larger than {MOST_TOML:,} bytes, the most that is read as a config file")
        text = content.decode().replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as a config file: {line_of(error)}") from None
    try:
        return toml(text)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
