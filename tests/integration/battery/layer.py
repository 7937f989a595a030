"""A layer between a process and its files: it counts operations below a folder, refuses one, or ends the process at one.

It replaces functions of `os` and `io` in a forked child, so it sees what Python does, which is all that is written here.
Where it ends the process it can leave the folder as a power cut may (disk.py): what was not synced is lost.
"""

import builtins
import contextlib
import io
import mmap
import os
import signal
import struct
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from battery.disk import Disk, cut

KINDS = ("open", "write", "fsync", "replace", "unlink", "mkdir")


class Counts:
    """How often each kind of operation was done, in memory that a child shares with its parent."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 8 * len(KINDS))

    def __getitem__(self, kind: str) -> int:
        return struct.unpack_from("q", self._shared, 8 * KINDS.index(kind))[0]

    def add(self, kind: str) -> int:
        """Count one more; returns how many there are."""
        count = self[kind] + 1
        struct.pack_into("q", self._shared, 8 * KINDS.index(kind), count)
        return count

    @property
    def total(self) -> int:
        """Operations of all kinds."""
        return sum(self[kind] for kind in KINDS)


@dataclass(frozen=True)
class Refusal:
    """The operation of a kind that fails: the `at`-th, and where it lasts all that follow."""

    kind: str
    at: int
    error: int
    lasts: bool = False


@dataclass(frozen=True)
class Ending:
    """The operation that ends the process by SIGKILL, by its number among all; before or after it is done."""

    at: int
    before: bool
    power_cut: int | None = None  # the seed of what is lost


class Layer:
    """What a child does at each operation below `root`; one at a time, whatever thread does it."""

    def __init__(
        self, root: Path, counts: Counts, refusal: Refusal | None = None, ending: Ending | None = None
    ) -> None:
        self.root, self.counts, self.refusal, self.ending = str(root), counts, refusal, ending
        self.disk = Disk(root) if ending is not None and ending.power_cut is not None else None
        self.lock = threading.RLock()
        self.ended_by: int | None = None  # the thread that ends this process: what it does now is not the command's

    def below(self, path: Any, folder: int | None = None) -> str | None:
        """The absolute path, if it is below the root."""
        if self.ended_by == threading.get_ident():
            return None
        if isinstance(path, int):
            with contextlib.suppress(OSError):
                path = os.readlink(f"/proc/self/fd/{path}")  # noqa: PTH115
        if not isinstance(path, str | os.PathLike):
            return None
        if folder is not None:
            path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)  # noqa: PTH115, PTH118
        path = os.path.abspath(path)  # noqa: PTH100
        return path if path == self.root or path.startswith(self.root + os.sep) else None

    def do(self, kind: str, operation: Callable[[], Any], half: Callable[[], Any] | None = None) -> Any:
        """Count the operation and do it, unless it is the one that fails or ends the process."""
        with self.lock:
            count, ending, refusal = self.counts.add(kind), self.ending, self.refusal
            last = ending is not None and self.counts.total == ending.at
            if last and ending is not None and ending.before:
                self.end()
            if refusal is not None and kind == refusal.kind:
                if count == refusal.at and half is not None:
                    half()
                if count == refusal.at or (refusal.lasts and count > refusal.at):
                    raise OSError(refusal.error, os.strerror(refusal.error))
            try:
                return operation()
            finally:  # also where it fails, as to delete what is not there
                if last:
                    self.end()

    def end(self) -> None:
        """End this process, and leave the folder as the power cut leaves it; no other thread writes then."""
        try:
            if self.disk is not None and self.ending is not None:
                self.ended_by = threading.get_ident()
                cut(self.disk, Random(self.ending.power_cut))
            os.kill(os.getpid(), signal.SIGKILL)
        finally:  # an error here is no error of the command, which might catch it
            os.write(2, traceback.format_exc().encode())
            os._exit(70)

    def install(self) -> None:
        """Put the layer into this process, for as long as it lives."""
        layer, disk, originals = self, self.disk, {name: getattr(os, name) for name in dir(os)}
        original_open = io.open

        class Raw(io.FileIO):
            def write(self, data: Any, /) -> int:
                if layer.below(self.fileno()) is None:
                    return super().write(data)
                write = super().write
                return layer.do("write", lambda: write(data), lambda: write(memoryview(data)[: len(data) // 2]))

        def opened(path: str, operation: Callable[[], Any]) -> Any:
            def call() -> Any:
                handle = operation()
                if disk is not None and os.path.isfile(path):  # noqa: PTH113
                    disk.opened(path)
                return handle

            return layer.do("open", call)

        def open_file(file: Any, mode: str = "r", buffering: int = -1, *more: Any, **named: Any) -> Any:
            path = layer.below(file)
            if path is None:
                return original_open(file, mode, buffering, *more, **named)
            if not set(mode) & set("wax+"):
                return opened(path, lambda: original_open(file, mode, buffering, *more, **named))
            raw = opened(path, lambda: Raw(file, mode.replace("b", "").replace("t", ""), named.get("closefd", True)))
            if buffering == 0:
                return raw
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            if "b" in mode:
                return buffered
            encoding, errors, newline = (*more, None, None, None)[:3]
            return io.TextIOWrapper(
                buffered, named.get("encoding", encoding), named.get("errors", errors), named.get("newline", newline)
            )

        def low_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            name = layer.below(path, dir_fd)

            def call() -> int:
                return originals["open"](path, flags, mode, dir_fd=dir_fd)

            return call() if name is None else opened(name, call)

        def on_handle(kind: str, name: str) -> Callable[..., Any]:
            def call(handle: Any, *more: Any) -> Any:
                number = handle if isinstance(handle, int) else handle.fileno()
                path = layer.below(number)
                if path is None:
                    return originals[name](handle, *more)

                def half() -> None:
                    originals[name](number, memoryview(more[0])[: len(more[0]) // 2])

                def operation() -> Any:
                    done = originals[name](handle, *more)
                    if disk is not None and kind == "fsync":
                        disk.synced_file(path)
                    return done

                return layer.do(kind, operation, half if kind == "write" else None)

            return call

        def on_path(kind: str, name: str) -> Callable[..., Any]:
            def call(path: Any, *more: Any, **named: Any) -> Any:
                source = layer.below(path, named.get("dir_fd"))
                if source is None:
                    return originals[name](path, *more, **named)

                def operation() -> Any:
                    done = originals[name](path, *more, **named)
                    if disk is not None and kind == "replace":
                        disk.replaced(source, os.path.abspath(more[0]))  # noqa: PTH100
                    if disk is not None and kind == "unlink":
                        disk.unlinked(source)
                    if disk is not None and kind == "mkdir":
                        disk.made(source)
                    return done

                return layer.do(kind, operation)

            return call

        builtins.open = io.open = open_file
        os.open = low_open
        for kind, name in (("write", "write"), ("fsync", "fsync"), ("fsync", "fdatasync")):
            setattr(os, name, on_handle(kind, name))
        for kind, name in (
            *(("replace", "replace"), ("replace", "rename"), ("unlink", "unlink"), ("unlink", "remove")),
            *(("unlink", "rmdir"), ("mkdir", "mkdir")),
        ):
            setattr(os, name, on_path(kind, name))
