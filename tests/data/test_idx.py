"""IDX files: what is written is read; what is damaged is named in one line."""

import contextlib
import gzip
import os
import struct
import tracemalloc

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from helpers import cases, refused
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmlp.data import idx
from jaxmlp.errors import DataError

CODES = {dtype: code for code, dtype in idx.TYPES.items()}


def as_idx(array) -> bytes:
    big_endian = np.dtype(array.dtype).newbyteorder(">") if array.dtype.itemsize > 1 else array.dtype
    code = CODES[big_endian.str.removeprefix("|")]
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.astype(big_endian).tobytes()


IMAGES = as_idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
ZIPPED = gzip.compress(IMAGES, mtime=0)


@settings(deadline=None)
@given(
    array=st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(max_dims=4, max_side=5, min_side=0))
    ),
    zipped=st.booleans(),
)
def test_round_trip(tmp_path_factory, array, zipped):
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(as_idx(array), 1, mtime=0) if zipped else as_idx(array))
    found = idx.read(path)
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("content", "message"),
    cases(
        {
            "empty": (b"", "starts with nothing"),
            "text": (b"<html>", "starts with 3c 68 74 6d"),
            "wrong magic": (b"\0\1" + IMAGES[2:], "00 00 TYPE AXES"),
            "wrong type": (IMAGES[:2] + b"\x0a" + IMAGES[3:], "0x0a is unknown"),
            "no axes": (b"\0\0\x08\0", "names 0 axes"),
            "too many axes": (b"\0\0\x08\xff" + bytes(4 * 255), "names 255 axes"),
            "header cut": (IMAGES[:9], "truncated in its IDX header"),
            "truncated": (IMAGES[:-1], "truncated: its header promises 24 bytes"),
            "oversized": (IMAGES + b"\0", "oversized: more than the 24 bytes"),
            "promises too much": (b"\0\0\x08\3" + b"\xff" * 12 + bytes(9), "truncated: its header promises"),
            "gzip truncated inside": (gzip.compress(IMAGES[:-1], mtime=0), "23 of the 24 bytes"),
            "gzip oversized inside": (gzip.compress(IMAGES + b"\0", mtime=0), "oversized"),
            "gzip of two trials": (ZIPPED + ZIPPED, "oversized"),
            "gzip cut": (ZIPPED[:-9], "gzip file is damaged"),
            "gzip lies about its size": (ZIPPED[:-4] + b"\1\0\0\0", "gzip file is damaged"),
            "gzip with another checksum": (ZIPPED[:-8] + b"\1\2\3\4" + ZIPPED[-4:], "gzip file is damaged"),
            "gzip with a broken stream": (ZIPPED[:10] + b"\xff" * 10 + ZIPPED[20:], "gzip file is damaged"),
            "gzip and trailing bytes": (ZIPPED + b"junk", "gzip file is damaged"),
        }
    ),
)
def test_damage_is_named(tmp_path, content, message):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    refused([str(path), message], idx.read, path, error=DataError)


@settings(deadline=None)
@given(position=st.integers(0, len(ZIPPED) - 1), byte=st.integers(0, 255))
def test_any_flipped_byte_of_a_gzip_file_is_an_error_or_harmless(tmp_path_factory, position, byte):
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(ZIPPED[:position] + bytes([byte]) + ZIPPED[position + 1 :])
    with contextlib.suppress(DataError):
        np.testing.assert_array_equal(idx.read(path).ravel(), np.arange(24))


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(IMAGES + bytes(50_000_000), mtime=0))
    tracemalloc.start()
    with pytest.raises(DataError, match="oversized"):
        idx.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_a_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(DataError, match="a folder, where an IDX file is meant"):
        idx.read(tmp_path)


def test_an_unreadable_file(tmp_path, monkeypatch):
    def refuse(self, *_):
        raise PermissionError(13, "Permission denied", str(self))

    path = tmp_path / "file"
    path.write_bytes(IMAGES)
    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(DataError, match=r"file: cannot be read \(Permission denied\)"):
        idx.read(path)


def write_four(folder, *, name="{stem}-idx{axes}-ubyte", train=4, labels=4):
    for stem in idx.STEMS:
        count = (labels if stem.endswith("labels") else train) if stem.startswith("train") else 2
        axes = 3 if stem.endswith("images") else 1
        array = np.arange(count * 6 ** (axes > 1)).astype(np.uint8).reshape((count, 2, 3)[:axes])
        content = as_idx(array)
        path = folder / name.format(stem=stem, axes=axes)
        path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("mark", ["-", "."])
def test_spellings_of_the_four_files(tmp_path, mark, end):
    write_four(tmp_path, name="{stem}" + mark + "idx{axes}-ubyte" + end)
    found = idx.find(tmp_path)
    assert found is not None
    assert [array.shape for array in idx.read_four(found)] == [(4, 2, 3), (4,), (2, 2, 3), (2,)]


def test_a_folder_without_them(tmp_path):
    assert idx.find(tmp_path) is None


def test_some_of_the_four_files_missing(tmp_path):
    write_four(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"3 of the four IDX files; t10k-labels-idx1-ubyte\[.gz\] missing"):
        idx.find(tmp_path)


def test_counts_that_differ(tmp_path):
    write_four(tmp_path, labels=3)
    with pytest.raises(DataError, match="4 images, but 3 labels in train-labels-idx1-ubyte"):
        idx.read_four(idx.find(tmp_path) or [])


@pytest.mark.parametrize(("source", "target"), [("images", "labels"), ("labels", "images")])
def test_images_and_labels_exchanged(tmp_path, source, target):
    write_four(tmp_path)
    axes = {"images": 3, "labels": 1}
    content = (tmp_path / f"train-{source}-idx{axes[source]}-ubyte").read_bytes()
    (tmp_path / f"train-{target}-idx{axes[target]}-ubyte").write_bytes(content)
    with pytest.raises(DataError, match=f"{target} have (one axis|two axes at least)"):
        idx.read_four(idx.find(tmp_path) or [])


@pytest.mark.parametrize("zipped", [False, True])
def test_sixteen_bytes_that_claim_more_than_an_array_can_count_are_refused(tmp_path, zipped):
    content = bytes([0, 0, 8, 3]) + bytes(4) + b"\xff" * 8
    (tmp_path / "file").write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(DataError, match="more than an array can count"):
        idx.read(tmp_path / "file")


def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="no regular file"):
        idx.read(tmp_path / "pipe")


def test_a_gzip_file_takes_no_more_memory_than_its_header_promises(tmp_path):
    content = bytes([0, 0, 8, 1]) + (40_000_000).to_bytes(4, "big") + bytes(40_000_000)
    (tmp_path / "file").write_bytes(gzip.compress(content, 1))
    tracemalloc.start()
    assert len(idx.read(tmp_path / "file")) == 40_000_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80_000_000
