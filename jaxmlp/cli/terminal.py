"""What the commands share: parsing, errors as one line, exit codes, signals, devices, and progress."""

import contextlib
import difflib
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn, TypeVar

from jaxmlp.errors import JaxmlpError, UsageError, nearest

DEVICES = ("auto", "cpu", "gpu", "tpu")
Command = TypeVar("Command")


def _leave(number: int, _: object) -> NoReturn:
    """End the process at once: nothing is half written, since files are replaced whole.

    An exception would not do: JAX runs Python in callbacks of its own, where KeyboardInterrupt is swallowed.
    """
    cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # a bar may have hidden it
    os.write(2, f"{cursor}interrupted\n".encode())
    os._exit(128 + number)


def _open_streams() -> None:
    """Give the null device to each standard stream that was closed (`>&-`): else the next file opened takes its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            lowest = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(lowest, mode, closefd=False))


_started = sys.modules["__main__"].__spec__
if _started is not None and _started.name.startswith("jaxmlp."):  # a command, which is still importing the rest
    _open_streams()
    for _number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_number, _leave)


def main(command: Callable[[list[str]], int]) -> NoReturn:
    """Run a command with the arguments of the process and exit: 0 done, 1 failed, 2 wrong usage, 130/143 interrupted.

    What is wrong with the input, the disk or the device is one line on standard error.
    """
    try:
        try:
            code = command(sys.argv[1:])
        finally:  # also after --help, which exits by itself
            sys.stdout.flush()
    except JaxmlpError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # else the reader of our output is gone: nobody is left to tell
            print(f"error: {_reason(error)}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to flush may be what failed
        code = 1
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "out of memory" not in str(error).lower():  # XLA's is a RuntimeError
            raise
        print(f"error: {str(error).splitlines()[0]}; take a smaller network, batch or data set", file=sys.stderr)
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


def parse(
    kind: type[Command],
    arguments: Sequence[str],
    default: Command | None,
    prog: str,
    known: Sequence[str] | None = None,
) -> Command:
    """The command line as a `kind`, over `default`. Raises UsageError, in one line, for what it does not know.

    `known` are the names of its flags, as in a config file, where they are not those of an Experiment.
    """
    import tyro

    _refuse_unknown(arguments, _flags(kind) if known is None else ["--" + name.replace("_", "-") for name in known])
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            over: dict[str, Any] = {} if default is None else {"default": default}
            return tyro.cli(kind, args=list(arguments), prog=f"python -m jaxmlp.{prog}", **over)
    except SystemExit as end:
        if end.code == 0:
            raise
        raise UsageError(_first_sentence(complaint.getvalue())) from None


def _refuse_unknown(arguments: Sequence[str], known: list[str]) -> None:
    """Raise UsageError for the first flag that is not known, naming the nearest; the parser would blame its value."""
    for argument in arguments:
        flag = argument.split("=")[0].replace("_", "-")
        plain = re.sub(r"(^--|\.)no-", r"\1", flag)
        if re.match(r"--[a-zA-Z]|-[a-zA-Z]$", flag) and not {flag, plain} & {*known, "--help", "-h"}:
            close = difflib.get_close_matches(flag, set(known), cutoff=0.65)
            hint = f"did you mean {' or '.join(close)}? " if close else ""
            raise UsageError(f"{flag} is not known here; {hint}--help lists all flags")


def given(arguments: Sequence[str]) -> frozenset[str]:
    """The full names of the config keys that a command line sets: `--hyper.learning-rate=0.2` is hyper.learning_rate."""
    flags = [argument[2:].split("=")[0].replace("-", "_") for argument in arguments if argument.startswith("--")]
    return frozenset(flag.replace(".no_", ".") for flag in flags)


def experiment(command: Any) -> Any:
    """The Experiment within a parsed command."""
    from jaxmlp.runs.config import Experiment

    return Experiment(**{field.name: getattr(command, field.name) for field in fields(Experiment)})


def read(
    kind: type[Command], arguments: Sequence[str], prog: str, base: Callable[[Command], Any] | None = None
) -> tuple[Command, Any]:
    """The command and its Experiment: the command line, over the file that it names, over the defaults; checked.

    `base` looks at the command before there is a file: it may refuse it, and returns the Experiment to be used in place
    of the defaults where no file is named, or None.
    """
    from jaxmlp.runs import config

    command: Any = parse(kind, arguments, kind(), prog)
    keys = given(arguments)
    under = base(command) if base else None
    if command.config is not None:
        under, in_file = config.read(command.config)
        keys |= in_file
    if under is not None:
        default = kind(**{field.name: getattr(under, field.name) for field in fields(config.Experiment)})
        command = parse(kind, arguments, default, prog)
    found = experiment(command)
    config.check(found, keys)
    return command, found


def check_saving(command: Any, what: str) -> None:
    """Raise UsageError where the flags --out --resume --overwrite --checkpoint-seconds contradict each other."""
    if command.resume and command.out is None:
        raise UsageError(f"--resume goes on with the {what} in --out DIR: say which")
    if command.resume and command.overwrite:
        raise UsageError(f"--resume goes on with a {what}, --overwrite replaces it: take one of them")
    if not command.checkpoint_seconds > 0:
        raise UsageError(f"--checkpoint-seconds is {command.checkpoint_seconds}; accepted is a number above 0")


def _flags(kind: type) -> list[str]:
    """All the flags of a command class."""
    from jaxmlp.runs.config import SECTIONS, Experiment, keys

    own = [field.name for field in fields(kind) if field.name not in SECTIONS]
    return ["--" + name.replace("_", "-") for name in [*(keys() if issubclass(kind, Experiment) else []), *own]]


def _first_sentence(box: str) -> str:
    """The message within the box that the parser draws: its lines up to the rule, in one."""
    lines = [line.strip("│ ").strip() for line in box.splitlines()]
    inner = [line for line in lines if line and not line.startswith(("╭", "╰"))]
    rule = next((index for index, line in enumerate(inner) if set(line) == {"─"}), len(inner))
    sentence = " ".join(inner[:rule]).removeprefix("Error parsing ")
    number = re.fullmatch(r"(--\S+): .*(base 10|string to float): (.*)", sentence)
    if number:
        flag, wanted, found = number.groups()
        return f"{flag} is {found}; accepted is {'a whole number' if wanted == 'base 10' else 'a number'}"
    return f"{sentence}; --help lists what is accepted"


def choose_device(name: str) -> str:
    """Make JAX use the device that is asked for, and say what it is. Raises JaxmlpError if there is none."""
    if name not in DEVICES:
        raise UsageError(f"--device {name!r} is unknown; {nearest(name, DEVICES)}")
    import jax

    if name != "auto":
        jax.config.update("jax_platforms", "cuda" if name == "gpu" else name)
    try:
        devices = jax.devices()
    except (RuntimeError, AssertionError) as error:  # JAX asserts where a plugin is missing
        devices, cause = [], str(error).split("\n")[0]
    else:
        cause = f"it runs on {devices[0].platform}"
    if not devices or name not in ("auto", devices[0].platform):
        raise JaxmlpError(
            f"--device {name}: JAX finds none here{f' ({cause})' if cause else ''}; install jaxmlp[cuda12], jaxmlp[cuda13]"
            " or jaxmlp[tpu] on a machine that has one, or take --device cpu"
        )
    return f"{devices[0].platform} ({len(devices)} x {devices[0].device_kind})"


def use_all_cores(most: int) -> None:
    """Make as many CPU devices as there are cores, but at most so many, for trials to be shared out to."""
    import jax

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(RuntimeError):  # JAX has begun already
        jax.config.update("jax_num_cpu_devices", min(cores, most))


@dataclass
class Interruption:
    """Whether a signal asked to stop, and which."""

    number: int = 0

    def asked(self) -> bool:
        """True once a signal has come."""
        return self.number != 0


@contextlib.contextmanager
def interruptible(then: str = "stopping after this epoch") -> Iterator[Interruption]:
    """SIGINT and SIGTERM ask to stop after the epoch; a second one stops at once, at the last checkpoint."""
    interruption = Interruption()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, _: object) -> None:
        interruption.number = number
        for known, handler in before.items():
            signal.signal(known, handler)
        line = f"\n{signal.Signals(number).name}: {then} (again: at once)\n"
        with contextlib.suppress(OSError):  # not print: a signal may come in the middle of one
            os.write(2, line.encode())

    for number in before:
        signal.signal(number, ask)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
