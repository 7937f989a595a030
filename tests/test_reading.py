"""Files from outside: what is no regular file, and TOML that would take too much memory."""

import os
import time
import tracemalloc

import numpy as np
import pytest
from helpers import cases, refused

from jaxmlp.reading import expanded, fill, open_regular, read_toml, toml


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        open_regular(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        open_regular(tmp_path.parent / "/dev/zero")
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "a\0b")


@pytest.mark.parametrize("path", ["~nobody_/a", "~a\0/"])
def test_a_home_that_is_none_is_refused(path):
    refused(["data.name is '~", "no such user"], expanded, "data.name", path)


@pytest.mark.parametrize(("written", "count"), [(b"", 0), (b"abc", 3), (b"abcdefgh", 8), (b"abcdefghi", 8)])
def test_an_array_is_filled_as_far_as_the_file_goes(tmp_path, written, count):
    (tmp_path / "file").write_bytes(written)
    array = np.zeros((2, 2), np.uint16)
    with open_regular(tmp_path / "file") as file:
        assert fill(array, file) == count
    assert array.tobytes() == written[:8].ljust(8, b"\0")


REFUSED = {
    "dotted key": ("a." * 50_000 + "a = 1", "nested more than 32 deep"),
    "dotted header": ("[" + " . ".join(["a"] * 50_000) + "]", "nested more than 32 deep"),
    "quoted dotted key": ('"a".' * 50_000 + "a = 1", "nested more than 32 deep"),
    "brackets": ("a = " + "[" * 100_000 + "]" * 100_000, "nested more than 32 deep"),
    "braces": ("a = " + "{a=" * 5_000 + "1" + "}" * 5_000, "nested more than 32 deep"),
    "keys": ("\n".join(f"a{n} = 1" for n in range(10_001)), "10,001 keys"),
    "tables": ("\n".join(f"[a{n}]" for n in range(10_001)), "10,001 keys"),
    "lists of tables": ("[[a]]\n" * 10_001, "10,001 keys"),
    "digits": ("seed = " + "9" * 5_000, "is not TOML"),
    "open text": ('a = "' + "[" * 200_000, "deep"),
    "open long text": ('a = """' + '"" \\' * 30_000, "is not TOML"),
    "slash": ('a = "\\' + "\\" * 200_001, "is not TOML"),
    "date": ("a = 2021-13-45", "is not TOML"),
    "quotes": ('a = """x""""""', "is not TOML"),
    "spaces": ("a" + " " * 200_000 + "b", "is not TOML"),
}


@pytest.mark.parametrize(("text", "words"), cases(REFUSED))
def test_toml_that_takes_too_much_is_refused_at_once(text, words):
    tracemalloc.start()
    start = time.process_time()
    line = refused([words], toml, text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(line) < 400
    assert time.process_time() - start < 5
    assert peak < 60 * len(text) + 10_000_000


@pytest.mark.parametrize(
    "text",
    [
        'a = "' + "[{=." * 20_000 + '"',
        "a = '" + "[{=." * 20_000 + "'",
        'a = """\n' + '[[b]]\nc.d = "\n' * 20_000 + '"""""',
        "a = '''\n" + "[[b]]\nc.d = '\n" * 20_000 + "'''''",
        "# " + "[{=." * 20_000,
        'a = "\\"#" # "\n' + "b = [" + "[1],\n[2.5],\n" * 20_000 + "]",
        "a = 1\r\nb = 2\r\n",
    ],
    ids=["text", "literal", "long text", "long literal", "comment", "lists", "line ends"],
)
def test_what_stands_in_quotes_and_comments_counts_for_nothing(text):
    assert toml(text) is not None


def test_a_large_file_is_not_read(tmp_path):
    path = tmp_path / "a.toml"
    with path.open("wb") as file:
        file.truncate(10**11)
    refused([str(path), "larger than 64,000,000 bytes"], read_toml, path)
