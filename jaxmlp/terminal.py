"""What the commands share: parsing, errors as one line, exit codes, signals, devices, and progress."""

import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from jaxmlp.errors import JaxmlpError, UsageError, nearest

DEVICES = ("auto", "cpu", "gpu", "tpu")
Command = TypeVar("Command")


def main(command: Callable[[list[str]], int]) -> NoReturn:
    """Run a command with the arguments of the process and exit: 0 done, 1 failed, 2 wrong usage, 130/143 interrupted.

    What is wrong with the input, the disk or the device is one line on standard error.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # until a command knows better
    try:
        code = command(sys.argv[1:])
        sys.stdout.flush()
    except JaxmlpError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("interrupted before there was anything to save", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # the reader of our output is gone: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except MemoryError as error:
        print(f"error: out of memory: {error}; take a smaller network, batch or data set", file=sys.stderr)
        code = 1
    sys.exit(code)


def parse(kind: type[Command], arguments: Sequence[str], default: Command, prog: str) -> Command:
    """The command line as a `kind`, over its defaults. Raises UsageError, in one line, for what it does not know."""
    import tyro

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            parsed, unknown = tyro.cli(
                kind, args=list(arguments), default=default, prog=f"python -m jaxmlp.{prog}", return_unknown_args=True
            )
    except SystemExit as end:
        if end.code == 0:
            raise
        raise UsageError(_first_sentence(complaint.getvalue())) from None
    if unknown:
        flags = [argument for argument in unknown if argument.startswith("-")]
        found = (flags or unknown)[0].split("=")[0]
        known = _flags(kind)
        raise UsageError(f"{found} is not known here; {nearest(found.replace('_', '-'), known)}; --help lists all")
    return parsed


def given(arguments: Sequence[str]) -> frozenset[str]:
    """The full names of the config keys that a command line sets: `--hyper.learning-rate=0.2` is hyper.learning_rate."""
    flags = [argument[2:].split("=")[0].replace("-", "_") for argument in arguments if argument.startswith("--")]
    return frozenset(flag.replace(".no_", ".") for flag in flags)


def experiment(command: Any) -> Any:
    """The Experiment within a parsed command."""
    from jaxmlp.runs.config import Experiment

    return Experiment(**{field.name: getattr(command, field.name) for field in fields(Experiment)})


def _flags(kind: type) -> list[str]:
    """All the flags of a command class, for the nearest name."""
    from jaxmlp.runs.config import SECTIONS, keys

    own = [field.name for field in fields(kind) if field.name not in SECTIONS]
    return ["--" + name.replace("_", "-") for name in [*keys(), *own]]


def _first_sentence(box: str) -> str:
    """The message within the box that the parser draws: its lines up to the rule, in one."""
    lines = [line.strip("│ ").strip() for line in box.splitlines()]
    inner = [line for line in lines if line and not line.startswith(("╭", "╰"))]
    rule = next((index for index, line in enumerate(inner) if set(line) == {"─"}), len(inner))
    return " ".join(inner[:rule]) + "; --help lists what is accepted"


def choose_device(name: str) -> str:
    """Make JAX use the device that is asked for, and say what it is. Raises JaxmlpError if there is none."""
    if name not in DEVICES:
        raise UsageError(f"--device {name!r} is unknown; {nearest(name, DEVICES)}")
    import jax

    if name != "auto":
        jax.config.update("jax_platforms", "cuda" if name == "gpu" else name)
    try:
        devices = jax.devices()
    except RuntimeError as error:
        cause = str(error).splitlines()[0]
        raise JaxmlpError(
            f"--device {name}: JAX finds none here ({cause}); install jaxmlp[cuda12], jaxmlp[cuda13] or jaxmlp[tpu]"
            " on a machine that has one, or take --device cpu"
        ) from None
    return f"{devices[0].platform} ({len(devices)} x {devices[0].device_kind})"


@dataclass
class Interruption:
    """Whether a signal asked to stop, and which."""

    number: int = 0

    def asked(self) -> bool:
        """True once a signal has come."""
        return self.number != 0


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """SIGINT and SIGTERM ask to stop after the epoch; a second one stops at once, at the last checkpoint."""
    interruption = Interruption()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, _: object) -> None:
        interruption.number = number
        for known, handler in before.items():
            signal.signal(known, handler)
        print(f"\n{signal.Signals(number).name}: stopping after this epoch (again: at once)", file=sys.stderr)

    for number in before:
        signal.signal(number, ask)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Bar:
    """Progress on a terminal: a bar with epoch, losses, accuracy and examples a second. Elsewhere only the notes."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console

        self.console = Console(stderr=False, highlight=False, soft_wrap=True)
        self.quiet = quiet
        self.progress: Any = None
        self.examples = 0

    def note(self, line: str) -> None:
        """Print a line, above the bar if there is one."""
        if not self.quiet:
            self.console.print(line, markup=False)

    def training(self, done: int, max_epochs: int, examples: int) -> None:
        """Draw the bar."""
        self.examples = examples
        if self.quiet or not self.console.is_terminal:
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = ("epoch", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"), TimeRemainingColumn())
        self.progress = Progress(*columns, console=self.console, transient=True)
        self.progress.add_task("", total=max_epochs, completed=done, text="")
        self.progress.start()

    def epoch(self, row: Any) -> None:
        """Move the bar on."""
        if self.progress is not None:
            text = (
                f"loss {row.train.loss:.4f}, validation {row.validation.loss:.4f}"
                f" ({100 * row.validation.accuracy:.2f} %), {self.examples / row.seconds:,.0f} examples/s"
            )
            self.progress.update(self.progress.task_ids[0], completed=row.epoch, text=text)

    def finishing(self) -> None:
        """Take the bar away."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None


def shown(path: Path) -> str:
    """A path as a person would type it from here."""
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)
