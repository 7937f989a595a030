"""Files arrive whole or not at all, whatever the disk says."""

import errno
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers import failing, files, refused

from jaxmlp.errors import RunError
from jaxmlp.files import (
    append_lines,
    make_directory,
    read_bytes,
    remove_leftovers,
    write_atomically,
    write_together,
)


@pytest.fixture
def small_files():
    """Files may grow to a limit: the kernel takes a part of a write and refuses the rest, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("data", ["text: α\n", b"\0bytes\xff", ""])
def test_what_is_written_is_read(tmp_path, data):
    path = tmp_path / "file"
    write_atomically(path, "the old one, which is longer")
    write_atomically(path, data)
    assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert sorted(files(tmp_path)) == ["file"]


def test_bytes_are_synced_before_the_rename_and_the_folder_after(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append(os.fstat(handle).st_ino), fsync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("rename"), replace(*names))[1])
    write_atomically(tmp_path / "file", b"x")
    assert calls == [(tmp_path / "file").stat().st_ino, "rename", tmp_path.stat().st_ino]


def test_files_that_are_written_together_are_all_synced_before_the_first_rename(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (fsync(handle), calls.append(os.fstat(handle).st_ino))[0])
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("rename"), replace(*names))[1])
    contents = {f"{i}": f"{i}" * 9000 for i in range(20)}
    with ThreadPoolExecutor(4) as threads:
        write_together(tmp_path, contents, threads)
    inodes = {(tmp_path / name).stat().st_ino for name in contents}
    assert set(calls[:20]) == inodes
    assert calls[20:] == ["rename"] * 20 + [tmp_path.stat().st_ino]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == contents


def test_one_file_that_cannot_be_written_keeps_the_others_of_its_group_as_they_were(tmp_path, small_files):
    write_atomically(tmp_path / "a", b"old")
    small_files(4096)
    contents = {"a": "new", "big": "x" * 10_000, "b": "new"}
    with ThreadPoolExecutor(4) as threads:
        line = refused([], write_together, tmp_path, contents, threads, error=RunError)
    assert f"cannot write {tmp_path / 'big'}: File too large" in line
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


def test_a_write_that_is_cut_short_leaves_the_old_file(tmp_path, small_files):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    small_files(4096)
    refused(
        [f"cannot write {path}: File too large; raise the limit"], write_atomically, path, b"x" * 10_000, error=RunError
    )
    assert path.read_bytes() == b"old"
    assert sorted(files(tmp_path)) == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("error", "line"),
    [
        (errno.ENOSPC, "No space left on device; free some space"),
        (errno.EROFS, "Read-only file system; write to another folder"),
        (errno.EIO, "Input/output error; check the disk"),
    ],
)
def test_a_failing_disk_is_one_line(tmp_path, monkeypatch, call, error, line):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, call, failing(error))
    refused([line, str(path)], write_atomically, path, b"new", error=RunError)
    assert path.read_bytes() == b"old"
    assert sorted(files(tmp_path)) == ["file"]


def test_a_file_system_that_cannot_sync_folders_is_accepted(tmp_path, monkeypatch):
    fsync, folder = os.fsync, tmp_path.stat().st_ino
    monkeypatch.setattr(os, "fsync", lambda h: failing(errno.EINVAL)() if os.fstat(h).st_ino == folder else fsync(h))
    write_atomically(tmp_path / "file", b"x")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_an_interrupted_write_leaves_no_temporary_file(tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"x")
    assert sorted(files(tmp_path)) == []


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(RunError, match=r"gone/file: No such file or directory; the folder does not exist: make it"):
        write_atomically(tmp_path / "gone" / "file", b"x")


def test_only_what_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / "below").mkdir()
    for name in (".config.toml.77.tmp", "below/.epoch-1.safetensors.77.tmp", ".mine.tmp", "epoch-1.77.tmp"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(files(tmp_path)) == [".mine.tmp", "below", "epoch-1.77.tmp"]


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_only_regular_files_are_read(tmp_path, make):
    make(tmp_path / "odd")
    with pytest.raises(OSError, match=r"regular file|directory"):
        read_bytes(tmp_path / "odd")


def test_lines_are_appended(tmp_path):
    path = tmp_path / "lines"
    for line in ("one", "", "drei: ü"):
        append_lines(path, [line])
    assert path.read_text(encoding="utf-8") == "one\n\ndrei: ü\n"
    with pytest.raises(ValueError, match="one line"):
        append_lines(path, ["two\nlines"])


def test_half_a_line_is_cut_off_again(tmp_path, small_files):
    path = tmp_path / "lines"
    append_lines(path, ["first"])
    small_files(4096)
    with pytest.raises(RunError, match=r"cannot append to .*lines: File too large"):
        append_lines(path, ["x" * 5000])
    assert path.read_text() == "first\n"
    append_lines(path, ["second"])
    assert path.read_text() == "first\nsecond\n"


def test_a_full_disk_after_a_part_of_a_line(tmp_path, monkeypatch):
    path = tmp_path / "lines"
    append_lines(path, ["first"])
    write, parts = os.write, []

    def fill_up(handle, data):
        if parts:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        parts.append(write(handle, data[:3]))
        return 3

    monkeypatch.setattr(os, "write", fill_up)
    with pytest.raises(RunError, match="No space left on device"):
        append_lines(path, ["second"])
    assert parts == [3]
    assert path.read_text() == "first\n"


def test_directories_are_made(tmp_path):
    for _ in range(2):
        make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("path", ["/proc/x", "/proc/x/y"])
def test_where_no_folder_can_be_made_another_is_asked_for(path):
    with pytest.raises(RunError) as refusal:
        make_directory(Path(path))
    assert str(refusal.value) == f"cannot make the folder {path}: nothing can be written there; give another --out"


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_the_place_of_a_directory(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot make the folder .*: .*; a file stands where a folder is wanted"):
        make_directory(tmp_path / name)
