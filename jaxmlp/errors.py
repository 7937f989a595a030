"""Errors for users: one line each, naming what was found and what is accepted."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

LONGEST = 2000  # characters of a message
Entry = TypeVar("Entry")


def shortened(text: str, most: int = LONGEST) -> str:
    """A text of at most so many characters: the middle of a longer one is left out."""
    half = most // 2 - 2
    return text if len(text) <= most else f"{text[:half]}...{text[-half:]}"


def printable(text: str) -> str:
    """A text with escapes for line ends and other characters that a terminal would act on."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def line_of(error: BaseException, *, named: bool = False) -> str:
    """What an error of another package says, as one short line, with the name of its class in front or not."""
    text = f"{type(error).__name__}: {error}" if named else str(error)
    return shortened(" ".join(text.split()) or type(error).__name__, 300)


class JaxmlpError(Exception):
    """Something outside the program is wrong: a file, a disk, a device. Commands print its line and exit with 1.

    Its message is one line (or those that are given), and no longer than `LONGEST`, whatever names and values it quotes.
    """

    exit_code = 1

    def __init__(self, *lines: object) -> None:
        super().__init__(shortened("\n".join(printable(str(line)) for line in lines)))


class UsageError(JaxmlpError, ValueError):
    """An argument is wrong: a name, a value, a key. Commands print its line and exit with 2."""

    exit_code = 2


class DataError(JaxmlpError, ValueError):
    """The data cannot be read, or cannot be learnt from."""


class RunError(JaxmlpError, OSError):
    """A run directory cannot be read or written."""


@contextmanager
def named(file: str) -> Iterator[None]:
    """Put the name of a file, if there is one, in front of what is wrong in it."""
    try:
        yield
    except UsageError as error:
        raise (UsageError(f"{file}: {error}") if file else error) from None


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause naming the known name closest to `name` (lr: learning_rate), or all the known names where none is close."""
    known = list(known)
    if len(name) > 100:  # the comparison takes time that grows with its square, and none is close
        return f"known: {', '.join(known)}"
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6) or [
        other for other in known if len(name) > 1 and name == "".join(word[:1] for word in other.split("_"))
    ]
    close = [name if name == name.strip() else repr(name) for name in close]  # else a space before it is not seen
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"


def entry(what: str, name: str, registry: Mapping[str, Entry]) -> Entry:
    """The entry of a registry; the error of `unknown` if it has none of that name."""
    if name not in registry:
        raise unknown(what, name, registry)
    return registry[name]


def unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that is in no registry; it lists the names that are."""
    known = list(known)
    hint, everything = nearest(name, known), f"known: {', '.join(known)}"
    what = f"{what} {shortened(repr(name), 200)}"
    return UsageError(f"{what} is unknown; {hint}" + ("" if hint == everything else f" ({everything})"))
