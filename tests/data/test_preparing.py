"""Splitting, numbering, normalising: numbers, leakage, and everything that is refused."""

import time

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from helpers import cases, refused
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmlp.data.config import Data
from jaxmlp.data.normalising import NORMALISATIONS
from jaxmlp.data.preparing import Preparation, prepare
from jaxmlp.data.sources import Dataset
from jaxmlp.errors import DataError, UsageError

STATISTICAL = ("per_feature", "global", "unit")


def dataset(rows=50, classes=5, seed=0, dtype=np.uint8, labels=None, **changed) -> Dataset:
    rng = np.random.default_rng(seed)
    names = np.arange(classes) if labels is None else np.asarray(labels)
    fields = {
        "train_images": rng.integers(0, 256, (rows, 3, 4)).astype(dtype),
        "train_labels": names[np.arange(rows) % len(names)],
        "test_images": rng.integers(0, 256, (10, 3, 4)).astype(dtype),
        "test_labels": names[np.arange(10) % len(names)],
        "origin": "a test",
    }
    return Dataset(**(fields | changed))


def changed_at(array, where, value):
    array = array.copy()
    array[where] = value
    return array


@pytest.mark.parametrize("normalise", NORMALISATIONS)
def test_types_and_shapes(normalise):
    splits, preparation = prepare(dataset(), Data(normalise=normalise))
    for examples, rows in zip(splits, (40, 10, 10), strict=True):
        assert isinstance(examples.x, np.ndarray)
        assert (examples.x.shape, examples.x.dtype) == ((rows, 12), np.float32)
        assert (examples.targets.shape, examples.targets.dtype) == ((rows,), np.int32)
        assert examples.weights is None
    assert preparation.normalise == normalise
    assert preparation.input_shape == (3, 4)
    assert preparation.mean.dtype == preparation.std.dtype == np.float32


def numbered(rows=60):
    """Every row carries its own number, so that it can be followed through the split."""
    images = np.repeat(np.arange(rows, dtype=np.float32)[:, None], 2, 1)
    return dataset(
        train_images=images, train_labels=np.arange(rows) // 20, test_images=images, test_labels=np.arange(rows) // 20
    )


@pytest.mark.parametrize("stratified", [True, False])
def test_the_split_is_a_shuffled_partition(stratified):
    splits, _ = prepare(numbered(), Data(normalise="none", stratified=stratified))
    train, validation = splits.train.x[:, 0], splits.validation.x[:, 0]
    assert sorted([*train, *validation]) == list(range(60))
    assert list(train) != sorted(train)
    assert list(validation) != sorted(validation)
    np.testing.assert_array_equal(splits.train.targets, train // 20)  # images keep their labels
    np.testing.assert_array_equal(splits.test.x[:, 0], np.arange(60))  # test examples keep their order


def test_the_split_depends_on_its_seed_alone():
    first, again, other = (
        prepare(numbered(), Data(normalise="none", split_seed=seed))[0].validation.x for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_report_s_split_has_48_000_and_12_000_rows():
    images = np.zeros((60_000, 1), np.uint8)
    big = dataset(
        train_images=images, train_labels=np.arange(60_000) % 10, test_images=images[:10], test_labels=np.arange(10)
    )
    splits, _ = prepare(big, Data(normalise="none"))
    assert (len(splits.train.x), len(splits.validation.x)) == (48_000, 12_000)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [([7, -2, 30], (-2, 7, 30)), (["dog", "ant", "cow"], ("ant", "cow", "dog")), ([b"x", b"a"], ("a", "x"))],
)
def test_labels_are_numbered_in_order(labels, classes):
    raw = dataset(labels=labels)
    splits, preparation = prepare(raw, Data())
    assert preparation.classes == classes
    assert {type(label) for label in preparation.classes} <= {int, str}
    named = [label.decode() if isinstance(label, bytes) else label for label in raw.test_labels.tolist()]
    assert [preparation.classes[number] for number in splits.test.targets] == named


@settings(deadline=None)
@given(
    images=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 6), st.integers(2, 9)), elements=st.floats(-1e6, 1e6, width=32)
    )
)
def test_per_image_has_mean_0_and_deviation_1(images):
    rows = only("per_image", images.shape[1:]).apply(images)
    exact = images.astype(float)
    for row, image in zip(rows.astype(float), exact, strict=True):
        if image.min() == image.max():
            assert not row.any()
        elif image.std() > 1e-150:
            assert abs(row.mean()) < 1e-6
            assert abs(row.std() - 1) < 1e-6


def only(normalise, input_shape, mean=(), deviation=()):
    return Preparation(normalise, np.float32(mean), np.float32(deviation), (0, 1), input_shape)


@pytest.mark.parametrize("value", [0, 0.1, 1e30, -3.3])
@pytest.mark.parametrize("normalise", ["per_image", "per_feature", "global"])
def test_constant_pixels_are_no_nan(normalise, value):
    images = np.full((50, 3, 4), value, np.float64)
    splits, preparation = prepare(dataset(train_images=images, test_images=images[:10]), Data(normalise=normalise))
    np.testing.assert_allclose(splits.train.x, 0, atol=abs(value) * 1e-7)
    np.testing.assert_allclose(splits.test.x, 0, atol=abs(value) * 1e-7)
    assert (preparation.std == 1).all()  # not what rounding leaves of 0


@pytest.mark.parametrize("rows", [1, 511, 512, 513, 1500])
def test_chunks_leave_no_row_out(rows):
    images = np.random.default_rng(0).integers(0, 256, (rows, 5), dtype=np.uint8)
    expected = (images - images.mean(1, keepdims=True)) / images.std(1, keepdims=True)
    np.testing.assert_allclose(only("per_image", (5,)).apply(images), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rows", [20, 700])
def test_per_feature_and_global_are_those_of_the_training_rows(rows):
    raw = dataset(rows=rows, dtype=np.float64)
    plain = prepare(raw, Data(normalise="none"))[0].train.x.astype(float)
    splits, preparation = prepare(raw, Data(normalise="per_feature"))
    np.testing.assert_allclose(preparation.mean, plain.mean(0), rtol=1e-6)
    np.testing.assert_allclose(preparation.std, plain.std(0), rtol=1e-6)
    np.testing.assert_allclose(splits.train.x, (plain - plain.mean(0)) / plain.std(0), atol=1e-5)
    splits, preparation = prepare(raw, Data(normalise="global"))
    np.testing.assert_allclose(preparation.mean, [plain.mean()], rtol=1e-6)
    np.testing.assert_allclose(preparation.std, [plain.std()], rtol=1e-6)
    np.testing.assert_allclose(splits.train.x, (plain - plain.mean()) / plain.std(), atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "scale"), [(np.uint8, 255), (np.uint16, 200), (np.int64, 200), (np.float32, 200), (bool, 1)]
)
def test_unit_divides_by_255_or_the_largest_magnitude(dtype, scale):
    raw = dataset(
        train_images=np.tile(np.array([0, 50, 200]), (50, 1)).astype(dtype), test_images=np.zeros((10, 3), dtype)
    )
    splits, preparation = prepare(raw, Data(normalise="unit"))
    assert preparation.std == scale
    np.testing.assert_allclose(splits.train.x, raw.train_images[:40].astype(np.float32) / scale, rtol=1e-6)


@settings(deadline=None)
@given(seed=st.integers(0, 1000), normalise=st.sampled_from(STATISTICAL))
def test_validation_and_test_rows_do_not_leak(seed, normalise):
    raw, data = dataset(dtype=np.float32, seed=seed), Data(normalise=normalise, split_seed=seed)
    numbers = np.broadcast_to(np.arange(50, dtype=np.float32)[:, None, None], raw.train_images.shape)
    held = prepare(raw._replace(train_images=numbers), Data(normalise="none", split_seed=seed))[0].validation.x[:, 0]
    other = raw._replace(
        train_images=changed_at(raw.train_images, held.astype(int), 1e6), test_images=raw.test_images - 1e6
    )
    (splits, preparation), (other_splits, other_preparation) = prepare(raw, data), prepare(other, data)
    np.testing.assert_array_equal(preparation.mean, other_preparation.mean)
    np.testing.assert_array_equal(preparation.std, other_preparation.std)
    np.testing.assert_array_equal(splits.train.x, other_splits.train.x)


@pytest.mark.parametrize("normalise", NORMALISATIONS)
def test_a_new_image_is_treated_like_the_test_rows(normalise):
    raw = dataset()
    splits, preparation = prepare(raw, Data(normalise=normalise))
    for row in range(10):
        np.testing.assert_array_equal(preparation.apply(raw.test_images[row : row + 1])[0], splits.test.x[row])


@pytest.mark.parametrize("shape", [(1, 4, 3), (1, 12), (3, 4), (1, 3, 4, 1)])
def test_apply_names_the_shape(shape):
    with pytest.raises(DataError, match=r"images have shape \(.*\); the model was trained on \(3, 4\)"):
        only("none", (3, 4)).apply(np.zeros(shape, np.uint8))


RAW = dataset(dtype=np.float64)


@pytest.mark.parametrize(
    ("raw", "data", "message"),
    cases(
        {
            "NaN": (
                RAW._replace(train_images=changed_at(RAW.train_images, (3, 1, 1), np.nan)),
                {},
                "training images: 1 pixels are NaN",
            ),
            "inf": (
                RAW._replace(test_images=changed_at(RAW.test_images, (3, 1, 1), -np.inf)),
                {},
                "test images: 1 pixels are NaN",
            ),
            "beyond float32": (RAW._replace(train_images=RAW.train_images * 1e300), {}, "exceed float32"),
            "text for pixels": (
                RAW._replace(train_images=RAW.train_images.astype(str)),
                {},
                "training images are <U32; numbers",
            ),
            "complex": (RAW._replace(test_images=RAW.test_images.astype(complex)), {}, "test images are complex128"),
            "one class": (RAW._replace(train_labels=np.full(50, 3)), {}, "all 40 training examples have the label 3"),
            "no rows": (dataset(rows=0), {}, "training images are empty"),
            "no test examples": (
                RAW._replace(test_images=RAW.test_images[:0], test_labels=RAW.test_labels[:0]),
                {},
                "test images are empty",
            ),
            "empty validation": (
                dataset(rows=2),
                {"stratified": False},
                "leave an empty split (2 to train, 0 to validate)",
            ),
            "empty training": (dataset(rows=1), {"validation": 0.9}, "empty split"),
            "counts": (
                RAW._replace(train_labels=RAW.train_labels[:-1]),
                {},
                "50 training images, but 49 training labels",
            ),
            "shapes": (RAW._replace(test_images=RAW.test_images[:, :2]), {}, "shape (3, 4), test images (2, 4)"),
            "flat images": (
                RAW._replace(train_images=RAW.train_images[:, 0, 0]),
                {},
                "training images have shape (50,)",
            ),
            "label sets and classes": (
                RAW._replace(train_labels=np.zeros((50, 10), int)),
                {},
                "test labels have shape (10,)",
            ),
            "float labels": (
                RAW._replace(train_labels=RAW.train_labels / 2),
                {"kind": "classes"},
                "float64, and not whole",
            ),
            "two kinds": (
                RAW._replace(test_labels=RAW.test_labels.astype("U3")),
                {},
                "training labels are int64, test labels <U3",
            ),
            "strange test labels": (
                RAW._replace(test_labels=RAW.test_labels + 3),
                {},
                "test labels that no training example has: 5, 6, 7",
            ),
            "strange validation labels": (
                dataset(rows=10, labels=range(10)),
                {"stratified": False},
                "validation labels that no training example has",
            ),
        }
    ),
)
def test_what_cannot_be_learnt_from_is_named(raw, data, message):
    refused([message], prepare, raw, Data(**data), error=DataError)


def test_rows_of_features_are_no_images_whatever_the_default_set_is():
    raw = dataset(train_images=np.eye(50), test_images=np.eye(10, 50))
    assert prepare(raw, Data())[1].normalise == "per_feature"
    assert prepare(RAW, Data())[1].normalise == "per_image"


def test_an_unknown_normalisation():
    with pytest.raises(UsageError, match=r"data\.normalise 'per_imag' is unknown; did you mean per_image"):
        prepare(RAW, Data(normalise="per_imag"))


def test_60_000_images_are_normalised_quickly():
    images = np.random.default_rng(0).integers(0, 256, (60_000, 784), dtype=np.uint8)
    preparation = only("per_image", (784,))

    def seconds():
        start = time.process_time()
        preparation.apply(images)
        return time.process_time() - start

    assert min(seconds() for _ in range(3)) < 1  # 0.11 s on the machine where it was written


def test_labels_beyond_int64_are_refused_and_do_not_wrap():
    labels = np.arange(50, dtype=np.uint64) % 5 + np.uint64(2**63)
    words = ["training labels go up to 9223372036854775812", "at most 9223372036854775807"]
    refused(words, prepare, dataset(train_labels=labels), Data(), error=DataError)


@pytest.mark.parametrize(
    "codes",
    [[0xFF, 0xFE], [0xD800, 0xD801], [0x7FFFFFFF, 0x7FFFFFFE], [0xFFFF, 0x110000]],
    ids=["bytes", "surrogates", "far beyond", "just beyond"],
)
def test_labels_that_are_no_text_are_refused_and_not_merged(codes):
    kind, number = ("S1", np.uint8) if codes[0] < 256 else ("U1", np.uint32)
    labels = np.array(codes, number).view(kind)[np.arange(50) % 2]
    for order in "<>":
        data = dataset(train_labels=np.char.add(labels, labels[:1]).astype(f"{order}{kind[0]}2"))
        refused(["training labels are no text in UTF-8"], prepare, data, Data(), error=DataError)


def test_pixels_that_exceed_float32_once_they_are_normalised_are_refused():
    images = np.full((50, 3, 4), 1e-30, np.float32)
    images[0] = 2e-30
    test = np.full((10, 3, 4), 3e38, np.float32)
    raw = dataset(train_images=images, test_images=test)
    refused(["exceed float32", "data.normalise"], prepare, raw, Data(normalise="global"), error=DataError)


def test_a_stratified_split_that_cannot_be_names_the_cause_and_the_way_out():
    labels = np.arange(20)
    raw = dataset(rows=20, train_labels=labels, test_labels=labels[:10])
    words = [
        "20 classes have so many (0: 1, 1: 1, 2: 1, 3: 1, 4: 1, ...)",
        "--data.no-stratified (data.stratified = false)",
    ]
    refused(words, prepare, raw, Data(), error=DataError)
