"""One process at a time writes into a directory: a lock that ends with its process, and a note of who holds it."""

import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from jaxmlp import files
from jaxmlp.errors import RunError

LOCK, HOLDER = ".lock", ".holder.json"
FILES = (LOCK, HOLDER)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the directory `path`, which is made where it is missing; if it is empty at the end, it is removed again.

    The operating system lets go of the lock when its process ends, however that ends. What a killed process left of
    files that it was writing is removed. Raises RunError, naming the process and its host, where another one holds it.
    """
    files.make_directory(path)
    lock = FileLock(path / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(
            f"{path} is in use by {holder(path) or 'another process'}: wait until that ends, or give another --out"
        ) from None
    except OSError as error:
        raise files.cannot("lock", path, error) from error
    try:
        files.remove_leftovers(path)
        files.write_atomically(path / HOLDER, json.dumps(_this_process()))
        yield
    finally:
        with contextlib.suppress(OSError):
            (path / HOLDER).unlink()
        with contextlib.suppress(OSError):
            if {item.name for item in path.iterdir()} == {LOCK}:
                (path / LOCK).unlink()
                path.rmdir()
        lock.release()


def _this_process() -> dict[str, str | int]:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return {"pid": os.getpid(), "host": platform.node(), "since": since, "command": Path(sys.argv[0]).parent.name}


def holder(path: Path) -> str | None:
    """The process that holds the directory `path`, by its note: number, host, and since when; None where none does."""
    try:
        content = json.loads(files.read_bytes(path / HOLDER)[:4096])
        if content["host"] == platform.node():
            os.kill(content["pid"], 0)  # of one that was killed, the note may still be there
        return f"process {content['pid']} on {content['host']} since {content['since']}"
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
