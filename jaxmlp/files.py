"""Writing files so that a kill, a power cut or a full disk never leaves half of one."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from jaxmlp.errors import RunError
from jaxmlp.reading import open_regular

_REMEDIES = {
    errno.ENOSPC: "free some space, or write to another disk",
    errno.EDQUOT: "free some of the quota, or write to another disk",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), or write to another disk",
    errno.EROFS: "write to another folder",
    errno.EACCES: "make the folder writable, or write to another one",
    errno.EPERM: "make the folder writable, or write to another one",
    errno.EEXIST: "a file stands where a folder is wanted: move it, or write to another folder",
    errno.ENOTDIR: "a file stands where a folder is wanted: move it, or write to another folder",
    errno.ENOENT: "the folder does not exist: make it, or write to another one",
    errno.EBUSY: "another program holds it: end that, or write to another folder",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.EINVAL: "remove it, or bring the file back from a copy",
    errno.EISDIR: "a folder stands where a file is wanted: move it, or write to another folder",
    errno.ENAMETOOLONG: "choose a shorter name",
}


_TEMPORARY = re.compile(r"\..+\.\d+\.tmp")


def write_atomically(path: Path, data: bytes | str) -> None:
    """Replace the file by one that holds `data` (text as UTF-8): readers see the old bytes or the new, never a mixture.

    The bytes and the rename are on the disk when it returns. RunError where they cannot be put there; the old
    file is then untouched.
    """
    write_together(path.parent, {path.name: data})


def write_together(
    folder: Path, contents: Mapping[str, bytes | str], threads: ThreadPoolExecutor | None = None
) -> None:
    """Replace files of a folder, by name, each as `write_atomically` does.

    With `threads` they are synced side by side, so that the file system commits them in few steps; the folder is synced
    once for all renames. RunError where a file cannot be put on the disk: none is replaced then, unless a rename fails.
    """
    temporaries = {name: folder / f".{name}.{os.getpid()}.tmp" for name in contents}

    def write(name: str) -> None:
        data = contents[name]
        with _writing(folder / name), temporaries[name].open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())

    try:
        if threads is None or len(contents) == 1:
            for name in contents:
                write(name)
        else:
            writes = [threads.submit(write, name) for name in contents]
            wait(writes)  # all of them, before a temporary file is removed
            for written in writes:
                written.result()
        for name, temporary in temporaries.items():
            with _writing(folder / name):
                temporary.replace(folder / name)
        with _writing(folder / next(iter(contents))):
            _sync_folder(folder)
    finally:  # after the renames there is none
        for temporary in temporaries.values():
            with contextlib.suppress(OSError):
                temporary.unlink()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot("write", path, error) from error


def read_bytes(path: Path) -> bytes:
    """The content of a regular file. Raises OSError for anything else, such as a pipe, which might never end."""
    with open_regular(path) as file:
        return file.read()


def remove(path: Path) -> None:
    """Delete a file, if it is there. RunError if that fails."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot("remove", path, error) from error


def is_temporary(path: Path) -> bool:
    """Whether a name is one that `write_atomically` gives a file until it is whole."""
    return _TEMPORARY.fullmatch(path.name) is not None


def remove_leftovers(directory: Path) -> None:
    """Delete the temporary files below a directory that a killed process left of `write_atomically`."""
    for path in directory.rglob(".*.tmp"):
        if is_temporary(path):
            with contextlib.suppress(OSError):
                path.unlink()


def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Add lines to a text file, all or none: a failed write is cut off again. RunError if it fails."""
    for line in lines:
        if "\n" in line:
            raise ValueError(f"one line is wanted, not {line!r}")
    try:
        with path.open("ab", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            try:
                unwritten = memoryview("".join(line + "\n" for line in lines).encode())
                while unwritten:  # a nearly full disk takes a part first, and refuses the next one
                    unwritten = unwritten[os.write(file.fileno(), unwritten) :]
            except BaseException:
                file.truncate(size)
                raise
    except OSError as error:
        raise cannot("append to", path, error) from error


def flush(path: Path) -> None:
    """Wait until the disk has what was written to a file, if it is there. RunError if it fails."""
    try:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    except FileNotFoundError:
        pass
    except OSError as error:
        raise cannot("write", path, error) from error


def make_directory(path: Path) -> None:
    """Make a folder and those above it, where they are missing, and put them on the disk. RunError if that fails."""
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        for folder in new:
            _sync_folder(folder.parent)
    except FileNotFoundError as error:  # it is no missing folder above, since those are made
        raise RunError(f"cannot make the folder {path}: nothing can be written there; give another --out") from error
    except OSError as error:
        raise cannot("make the folder", path, error) from error


def cannot(do: str, path: Path, error: OSError) -> RunError:
    """The one line for a failed operation: what, where, why, and what to do now."""
    remedy = _REMEDIES.get(error.errno or 0, "check the disk, or write to another folder")
    return RunError(f"cannot {do} {path}: {error.strerror or error}; {remedy}")


def _sync_folder(folder: Path) -> None:
    """Put a rename in the folder on the disk; on file systems that cannot sync folders there is nothing to do."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
