"""A layer between a process and its files: it counts operations below a folder, refuses one, or ends the process at one.

It replaces functions of `os` and `io` in a forked child, so it sees what Python does, which is all that is written here.
Where it ends the process it can leave the folder as a power cut may: what was not synced is lost.

The power cut follows what journaling file systems promise. The bytes of a file are there up to its last fsync; what was
written later is lost, cut, or there. Renames and deletions are there once their folder is synced; of later ones, the
first few are there, any number of them. New folders are there. So the layer is harsher than one ext4 image, and runs
where nothing can be mounted; powercut.py mounts real images too, where that is allowed.
"""

import builtins
import contextlib
import io
import mmap
import os
import signal
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

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


class Disk:
    """What of a folder would survive a power cut now."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.synced: dict[int, bytes] = {}  # by file
        self.names: dict[str, int] = {}  # the file at each path
        self.listings: dict[str, list[dict[str, int]]] = {}  # of each folder: what is synced, then after each change
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118
                if os.path.isfile(path):  # noqa: PTH113
                    self.synced[self._new(path)] = Path(path).read_bytes()
            self.listings[folder] = [self._listing(folder)]

    def _new(self, path: str) -> int:
        self.names[path] = number = len(self.synced) + 1
        self.synced[number] = b""
        return number

    def _listing(self, folder: str) -> dict[str, int]:
        return {path: number for path, number in self.names.items() if os.path.dirname(path) == folder}  # noqa: PTH120

    def _changed(self, *paths: str) -> None:
        for folder in dict.fromkeys(os.path.dirname(path) for path in paths):  # noqa: PTH120
            self.listings.setdefault(folder, [{}]).append(self._listing(folder))

    def opened(self, path: str) -> None:
        """A file may be new."""
        if path not in self.names:
            self._new(path)
            self._changed(path)

    def synced_file(self, path: str) -> None:
        """What a file holds, or which files a folder holds, is on the disk."""
        if path in self.listings:
            self.listings[path] = [self._listing(path)]
        elif path in self.names:
            self.synced[self.names[path]] = Path(path).read_bytes()

    def replaced(self, source: str, target: str) -> None:
        """A file has another name."""
        if source in self.names:
            self.names[target] = self.names.pop(source)
            self._changed(source, target)

    def unlinked(self, path: str) -> None:
        """A file is gone."""
        if self.names.pop(path, None) is not None:
            self._changed(path)

    def after_power_cut(self, random: Random) -> dict[str, bytes]:
        """The files that are there when the machine is up again, by path."""
        kept: dict[str, bytes] = {}
        written = {number: path for path, number in self.names.items()}
        for listings in self.listings.values():
            listing = listings[0] if random.random() < 0.5 else random.choice(listings)
            for path, number in listing.items():
                synced = self.synced[number]
                now = Path(written[number]).read_bytes() if number in written else synced
                grown = now[len(synced) :] if now.startswith(synced) else b""
                kept[path] = synced + grown[: random.choice([0, 0, random.randint(0, len(grown)), len(grown)])]
        return kept


class Layer:
    """What a child does at each operation below `root`."""

    def __init__(
        self, root: Path, counts: Counts, refusal: Refusal | None = None, ending: Ending | None = None
    ) -> None:
        self.root, self.counts, self.refusal, self.ending = str(root), counts, refusal, ending
        self.disk = Disk(root) if ending is not None and ending.power_cut is not None else None
        self.inside = False

    def below(self, path: Any, folder: int | None = None) -> str | None:
        """The absolute path, if it is below the root."""
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
        count, ending, refusal = self.counts.add(kind), self.ending, self.refusal
        last = ending is not None and self.counts.total == ending.at
        if last and ending is not None and ending.before:
            self.end()
        if refusal is not None and kind == refusal.kind:
            if count == refusal.at and half is not None:
                half()
            if count == refusal.at or (refusal.lasts and count > refusal.at):
                raise OSError(refusal.error, os.strerror(refusal.error))
        done = operation()
        if last:
            self.end()
        return done

    def end(self) -> None:
        """End this process, and leave the folder as the power cut leaves it."""
        disk, ending = self.disk, self.ending
        if disk is not None and ending is not None:
            self.root = "\0"  # what follows is not the command's
            kept = disk.after_power_cut(Random(ending.power_cut))
            for folder, _, names in os.walk(disk.root):
                for name in names:
                    (Path(folder) / name).unlink()
            for path, content in kept.items():
                Path(path).write_bytes(content)
        os.kill(os.getpid(), signal.SIGKILL)

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
            handle = layer.do("open", operation)
            if disk is not None and os.path.isfile(path):  # noqa: PTH113
                disk.opened(path)
            return handle

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

                done = layer.do(kind, lambda: originals[name](handle, *more), half if kind == "write" else None)
                if kind == "fsync" and disk is not None:
                    disk.synced_file(path)
                return done

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
