"""NPZ files of users, and the cache."""

import contextlib
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers import refused
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmlp.data import npz
from jaxmlp.errors import DataError

ARRAYS = {
    "x_train": np.arange(36, dtype=np.uint8).reshape(3, 3, 4),
    "y_train": np.array(["cat", "dog", "cat"]),
    "x_test": np.arange(12, dtype=np.uint8).reshape(1, 3, 4),
    "y_test": np.array(["dog"]),
}


def saved(folder, **changed) -> Path:
    np.savez(folder / "set.npz", **(ARRAYS | changed))
    return folder / "set.npz"


def check_error(path, message):
    refused([str(path), message], npz.read, path, error=DataError)


def test_read(tmp_path):
    for found, expected in zip(npz.read(saved(tmp_path)), ARRAYS.values(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_pickled_objects_are_refused(tmp_path):
    check_error(saved(tmp_path, y_train=np.array(["cat", None, 3], object)), "pickled objects, which are refused")


def test_missing_keys(tmp_path):
    np.savez(tmp_path / "set.npz", x_train=np.zeros(3), labels=np.zeros(3))
    check_error(
        tmp_path / "set.npz",
        "no y_train, x_test, y_test (found: x_train, labels; needed: x_train, y_train, x_test, y_test)",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "starts with nothing"), (pickle.dumps([1]), "no NPZ file"), (b"PK\3\4" + bytes(80), "is damaged")],
    ids=["empty", "pickle", "broken zip"],
)
def test_no_npz(tmp_path, content, message):
    (tmp_path / "set.npz").write_bytes(content)
    check_error(tmp_path / "set.npz", message)


def test_truncated(tmp_path):
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:-30])
    check_error(path, "is damaged")


def test_a_folder_or_nothing_in_its_place(tmp_path):
    check_error(tmp_path, "a folder, where an NPZ file is meant")
    check_error(tmp_path / "none.npz", "cannot be read (No such file or directory)")


@settings(deadline=None)
@given(data=st.data())
def test_any_flipped_byte_is_an_error_or_harmless(tmp_path_factory, data):
    path = saved(tmp_path_factory.mktemp("npz"))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        for found, expected in zip(npz.read(path), ARRAYS.values(), strict=True):
            np.testing.assert_array_equal(found, expected)


class Builder:
    """Counts how often the arrays are made."""

    calls = 0

    def __call__(self):
        self.calls += 1
        return tuple(ARRAYS.values())


def check_cached(build, calls):
    for found, expected in zip(npz.cached("set", build), ARRAYS.values(), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert build.calls == calls


def test_the_cache_saves_the_work(cache):
    build = Builder()
    check_cached(build, 1)
    check_cached(build, 1)
    assert [path.name for path in cache.iterdir()] == ["set.npz"]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "another"])
def test_a_damaged_cache_file_is_written_anew(cache, damage):
    build = Builder()
    check_cached(build, 1)
    path = cache / "set.npz"
    content = bytearray(path.read_bytes())
    flipped = content.copy()
    flipped[content.index(bytes(ARRAYS["x_train"])) + 5] ^= 1
    if damage == "another":
        np.savez(path, other=np.zeros(3))
    else:
        path.write_bytes({"truncated": content[:-9], "flipped": flipped, "empty": b""}[damage])
    check_cached(build, 2)
    check_cached(build, 2)


def test_a_cache_that_cannot_be_made_costs_only_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("JAXMLP_CACHE", str(tmp_path / "file" / "cache"))
    build = Builder()
    check_cached(build, 1)
    check_cached(build, 2)


def test_a_full_disk_leaves_nothing_behind(cache, monkeypatch):
    def fill(file, **_):
        file.write(b"PK half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fill)
    check_cached(Builder(), 1)
    assert list(cache.iterdir()) == []


def test_the_cache_is_replaced_in_one_step(cache, monkeypatch):
    seen = []
    replace = Path.replace

    def look(self, target):
        seen.append((self.parent == target.parent, target.exists(), self.stat().st_size > 100))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", look)
    npz.cached("set", Builder())
    assert seen == [(True, False, True)]


def test_the_cache_folder_of_the_system(monkeypatch, tmp_path):
    monkeypatch.delenv("JAXMLP_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if os.name == "posix":
        assert npz.cache_folder().name == "jaxmlp"


def rewritten(path, method=zipfile.ZIP_DEFLATED, **members):
    """The archive with other bytes for some of its members."""
    with zipfile.ZipFile(path) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in (old | {f"{key}.npy": value for key, value in members.items()}).items():
            archive.writestr(name, content)
    return path


def header(text, values=b""):
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + values


HUGE = b"{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999, 28, 28), }\n"


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (header(HUGE), "x_train is damaged: its header promises [9999999999, 28, 28] of 'uint8', and 0 bytes follow"),
        (header(HUGE.replace(b"|u1", b"<U0")), "x_train is damaged"),
        (header(HUGE.replace(b"9999999999", b"-1")), "x_train is damaged"),
        (header(b"'''"), "the NPZ file is damaged"),
        (header(b"[" * 5000), "the NPZ file is damaged"),
        (header(b"{'descr': [" + b"(" * 300 + b"}"), "the NPZ file is damaged"),
        (b"\x93NUMPY\7\0", "version (7, 0)"),
        (b"", "the NPZ file is damaged"),
    ],
    ids=["huge", "no size", "negative", "quotes", "brackets", "parentheses", "version", "empty"],
)
def test_a_header_that_lies_is_refused_before_memory_is_taken(tmp_path, member, message):
    check_error(rewritten(saved(tmp_path), x_train=member), message)


def test_what_no_reader_could_choose_or_unpack_is_refused(tmp_path):
    check_error(
        rewritten(saved(tmp_path), zipfile.ZIP_LZMA), "compressed by method 14; save it with np.savez_compressed"
    )
    path = saved(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_test", b"")
    check_error(path, "holds x_test twice")
    os.mkfifo(tmp_path / "pipe.npz")
    check_error(tmp_path / "pipe.npz", "no regular file")


def test_arrays_in_columns_and_of_another_byte_order_are_read_as_numpy_reads_them(tmp_path):
    x = np.arange(36, dtype=">f4").reshape(3, 3, 4)
    path = saved(tmp_path, x_train=np.asfortranarray(x), x_test=x[:1].astype(np.longdouble))
    with np.load(path) as wanted:
        for found, key in zip(npz.read(path), ARRAYS, strict=True):
            np.testing.assert_array_equal(found, wanted[key])
            assert (found.dtype, found.flags.f_contiguous) == (wanted[key].dtype, wanted[key].flags.f_contiguous)


EXTRAS = {
    "x_val": ARRAYS["x_train"][:2],
    "y_val": ARRAYS["y_train"][:2],
    "sample_weight_train": np.arange(3.0),
    "sample_weight_val": np.ones(2),
    "sample_weight_test": np.ones(1),
}


def test_validation_examples_and_weights_are_read(tmp_path):
    arrays = npz.read_all(saved(tmp_path, **EXTRAS, other=np.zeros(3)))
    assert arrays.keys() == {*ARRAYS, *EXTRAS}
    for key, array in EXTRAS.items():
        np.testing.assert_array_equal(arrays[key], array)
    assert npz.read_all(saved(tmp_path, sample_weight=np.ones(3))).keys() == {*ARRAYS, "sample_weight"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["x_val"], "x_val without y_val"),
        (["y_val"], "y_val without x_val"),
        (["sample_weight_val"], "sample_weight_val without x_val"),
        (["sample_weight", "sample_weight_train"], "are both of x_train"),
    ],
)
def test_extras_that_do_not_fit_together_are_refused(tmp_path, keys, message):
    path = saved(tmp_path, **{key: EXTRAS.get(key, np.ones(3)) for key in keys})
    refused([str(path), message], npz.read_all, path, error=DataError)


def test_damaged_extras_are_refused_and_the_four_are_read_without_them(tmp_path):
    path = rewritten(saved(tmp_path, **EXTRAS), sample_weight_val=b"")
    refused([str(path), "damaged"], npz.read_all, path, error=DataError)
    npz.read(path)


def test_the_shape_is_read_without_the_array(tmp_path):
    path = saved(tmp_path)
    assert npz.shape_of(path) == (3, 3, 4)
    assert npz.shape_of(rewritten(path, x_train=b"")) is None
    assert npz.shape_of(tmp_path / "nowhere.npz") is None
