"""Commands as processes that start in milliseconds: forked from one that has imported everything and computed nothing.

A process of its own takes 1.6 s of CPU time to import jax; a fork takes none of it and calls the command as `python -m`
does, so signals, exit codes, standard error and the files are those of the command.
"""

import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from battery.layer import Layer

PRELOADED = (
    *(f"jaxmlp.{name}.command" for name in ("train", "sweep", "predict", "perceptron", "report")),
    *("jaxmlp.cli.main", "jaxmlp.runs.runner", "jaxmlp.sweep.groups", "jaxmlp.sweep.runner", "jaxmlp.plots"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg"),
)
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cf500f0003860180be9d2f"
    "7b0000000049454e44ae426082"
)
HANG = 30


class Ended(NamedTuple):
    """How a process ended."""

    code: int | None  # None: it did not end by itself within the time it is given
    out: str
    error: str


def preload(programs: Path) -> None:
    """Import what commands import, and let them share compiled programs in a folder."""
    import jax

    warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)  # no backend is up in the parent
    jax.config.update("jax_compilation_cache_dir", os.environ.get("JAX_COMPILATION_CACHE_DIR", str(programs)))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    for name in PRELOADED:
        import_module(name)


def keep_programs() -> None:
    """Write no more compiled programs: a killed process may leave half of one."""
    import jax

    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1e9)


class Process:
    """A command in a child of this process."""

    def __init__(self, words: Sequence[object], layer: Layer | None = None, *, pictures: bool = False) -> None:
        self._out, self._error = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        self.code: int | None = None
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._become(str(words[0]), [str(word) for word in words[1:]], layer, pictures)

    def _become(self, name: str, arguments: list[str], layer: Layer | None, pictures: bool) -> None:
        """In the child: call the command, and never return."""
        code = 70
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(self._out.fileno(), 1)
            os.dup2(self._error.fileno(), 2)
            if not pictures:
                _draw_nothing()
            if layer is not None:
                layer.install()
            from jaxmlp.cli import main

            main.run(f"jaxmlp.{name}.command", arguments)
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else 1
        except BaseException:
            traceback.print_exc()
            code = 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def running(self) -> bool:
        """Whether it has not ended yet."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def send(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.running():
            os.kill(self.pid, number)

    def end(self, seconds: float = HANG) -> Ended:
        """Wait for its end; one that takes too long is killed."""
        until = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                return Ended(None, *self._said())
            time.sleep(0.002)
        return Ended(self.code, *self._said())

    def _said(self) -> tuple[str, str]:
        texts = []
        for file in (self._out, self._error):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
            file.close()
        return texts[0], texts[1]


def call(*words: object, layer: Layer | None = None, pictures: bool = False) -> Ended:
    """Run a command to its end."""
    return Process(words, layer, pictures=pictures).end()


def _draw_nothing() -> None:
    """Every picture is one pixel: to draw takes most of the time of a small run, and tells nothing about its folder."""
    from matplotlib.figure import Figure

    def save(_: Figure, file: object, **__: object) -> None:
        if isinstance(file, str | os.PathLike):
            Path(file).write_bytes(PICTURE)
        else:
            file.write(PICTURE)  # pyright: ignore[reportAttributeAccessIssue]

    Figure.savefig = save
    Figure.draw_without_rendering = lambda _: None
