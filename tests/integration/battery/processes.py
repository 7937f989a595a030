"""Commands as processes that start in milliseconds: forked from one that has imported everything and computed nothing.

A process of its own takes 1.6 s of CPU time to import jax; a fork takes none of it and calls the command as `python -m`
does, so signals, exit codes, standard error and the files are those of the command. Where only those count, a server runs
one command after another, so that JAX starts once.
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
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, NamedTuple

from battery.layer import Layer

PRELOADED = (
    *(f"jaxmlp.{name}.command" for name in ("train", "sweep", "predict", "perceptron", "report")),
    *("jaxmlp.cli.main", "jaxmlp.run.runner", "jaxmlp.sweep.groups", "jaxmlp.sweep.runner", "jaxmlp.plots"),
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
            if not pictures:
                _draw_nothing()
            if layer is not None:
                layer.install()
            code = _run(name, arguments, self._out.fileno(), self._error.fileno())
        finally:
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
        texts = _read(self._out), _read(self._error)
        self._out.close()
        self._error.close()
        return texts


def call(*words: object, layer: Layer | None = None, pictures: bool = False) -> Ended:
    """Run a command to its end."""
    return Process(words, layer, pictures=pictures).end()


class Server:
    """A child of this process that runs one command after another, and draws no pictures."""

    def __init__(self) -> None:
        self._out, self._error = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        context = get_context("fork")
        self._pipe, other = context.Pipe()
        self._child = context.Process(target=self._serve, args=(other,), daemon=True)
        self._child.start()
        other.close()

    def _serve(self, pipe: Connection) -> None:
        _draw_nothing()
        parent = os.getppid()
        while os.getppid() == parent:  # it may have been killed
            if pipe.poll(HANG):
                name, *arguments = pipe.recv()
                pipe.send(_run(name, arguments, self._out.fileno(), self._error.fileno()))

    def call(self, words: Sequence[object]) -> Ended:
        """Run a command to its end; one that takes too long is killed, with the child."""
        for file in (self._out, self._error):
            file.seek(0)  # the child's position too
            file.truncate()
        self._pipe.send([str(word) for word in words])
        try:
            code = self._pipe.recv() if self._pipe.poll(HANG) else None
        except EOFError:
            self._child.join()
            return Ended(self._child.exitcode, _read(self._out), _read(self._error))
        if code is None:
            self.end()
        return Ended(code, _read(self._out), _read(self._error))

    @property
    def running(self) -> bool:
        """Whether it takes another command."""
        return self._child.is_alive()

    def end(self) -> None:
        """End it, whatever it does."""
        self._child.kill()
        self._child.join()


_servers: dict[tuple[int, bool], Server] = {}  # by the process, and whether it runs sweeps: those use more devices


def served(*words: object) -> Ended:
    """Run a command to its end in a server."""
    key = os.getpid(), words[0] == "sweep"
    if key not in _servers or not _servers[key].running:
        _servers[key] = Server()
    return _servers[key].call(words)


def _run(name: str, arguments: list[str], out: int, error: int) -> int:
    """Call a command in this process, with these files as standard output and standard error; returns its exit code."""
    with Path(os.devnull).open("rb") as nothing:
        for number, standard in ((nothing.fileno(), 0), (out, 1), (error, 2)):
            os.dup2(number, standard)
    code = 1
    try:
        from jaxmlp.cli import main

        main.run(f"jaxmlp.{name}.command", arguments)
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return code


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


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
