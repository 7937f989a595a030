"""How a command runs: its signals and streams, its errors as one line, its exit code."""

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

from jaxmlp.cli import signals
from jaxmlp.errors import JaxmlpError


def run(module: str, arguments: Sequence[str] | None = None) -> NoReturn:
    """Import a command and exit with what its `main(arguments)` returns; without arguments, those of the process.

    Signals are handled and streams are open before the import, which takes most of a second.
    """
    signals.install()
    open_streams()
    call(lambda typed: import_module(module).main(typed), arguments)


def call(command: Callable[[list[str]], int], arguments: Sequence[str] | None = None) -> NoReturn:
    """Call a command and exit: 0 done, 1 failed, 2 wrong usage.

    What is wrong with the input, the disk or the device is one line on standard error.
    """
    try:
        try:
            code = command(list(sys.argv[1:] if arguments is None else arguments))
        finally:  # also after --help, which exits by itself
            sys.stdout.flush()
    except JaxmlpError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # else no process reads standard output any more
            print(f"error: {_reason(error)}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to flush may be what failed
        code = 1
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "out of memory" not in str(error).lower():  # XLA's is a RuntimeError
            raise
        lines = str(error).splitlines() or ["out of memory"]
        print(f"error: {lines[0]}; take a smaller network, batch or data set", file=sys.stderr)
        code = 1
    sys.exit(code)


def _reason(error: OSError) -> str:
    """What could not be done. An error that names no file is of standard output, if that refuses an empty line too."""
    if error.filename is None:
        try:
            print(flush=True)
        except OSError:
            return f"cannot write to standard output: {error.strerror or error}"
    return str(error)


def open_streams() -> None:
    """Give the null device to each standard stream that was closed (`>&-`): else the next file opened takes its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            lowest = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(lowest, mode, closefd=False))
