"""Own arrays and frames: what they become, how they are drawn, and everything that is refused."""

import warnings

import hypothesis.extra.numpy as hnp
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from helpers import cases, refused
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxmlp
from jaxmlp.errors import JaxmlpError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = np.arange(60) % 2
FRAME = pd.DataFrame(
    {
        "size": np.where(np.arange(60) % 5 == 0, np.nan, np.arange(60.0)),
        "city": np.array(["oslo", "rome", "lima"])[np.arange(60) % 3],
        "open": np.arange(60) % 4 == 0,
    }
)


def numbered(rows=60):
    """Every example carries its own number."""
    return np.arange(rows, dtype=np.float32)[:, None]


@pytest.mark.parametrize(
    "rows",
    [X, X.tolist(), X.astype("f4"), scipy.sparse.csr_matrix(X), scipy.sparse.coo_array(X), np.asfortranarray(X)],
    ids=["array", "list", "float32", "csr", "coo", "columns"],
)
def test_every_form_of_numbers_gives_the_same_splits(rows):
    splits, preparation = jaxmlp.splits_from(rows, Y.tolist(), test=0.25)
    wanted, _ = jaxmlp.splits_from(X, Y, test=0.25)
    for part, other in zip(splits, wanted, strict=True):
        np.testing.assert_allclose(part.x, other.x, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(part.targets, other.targets)
    assert preparation.columns is None
    np.testing.assert_allclose(preparation.apply(rows), preparation.apply(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "pyarrow"])
def test_every_library_s_frame_gives_the_same_splits(convert):
    wanted, preparation = jaxmlp.splits_from(FRAME, pd.Series(Y), test=0.25)
    splits, other = jaxmlp.splits_from(convert(FRAME), Y, test=0.25)
    for part, same in zip(splits, wanted, strict=True):
        np.testing.assert_array_equal(part.x, same.x)
        np.testing.assert_array_equal(part.targets, same.targets)
    assert other.columns == preparation.columns
    assert preparation.input_shape == (7,)  # a number and its indicator, three cities, two truths


@pytest.mark.parametrize(
    ("y", "kind", "classes", "dtype", "shape"),
    cases(
        {
            "integers": (np.arange(60) % 3 + 5, "classes", (5, 6, 7), np.int32, ()),
            "text": (np.array(["b", "a"])[Y], "classes", ("a", "b"), np.int32, ()),
            "text as objects": (np.array(["b", "a"], object)[Y], "classes", ("a", "b"), np.int32, ()),
            "booleans": (Y > 0, "classes", (False, True), np.int32, ()),
            "whole floats": (Y * 2.0, "classes", (0, 2), np.int32, ()),
            "a column of integers": (Y[:, None], "classes", (0, 1), np.int32, ()),
            "a series of categories": (pd.Series(["b", "a"] * 30, dtype="category"), "classes", ("a", "b"), "i4", ()),
            "floats": (X[:, 0], "values", (0,), np.float32, (1,)),
            "floats of several outputs": (X[:, :2], "values", (0, 1), np.float32, (2,)),
            "a named series": (pd.Series(X[:, 0], name="price"), "values", ("price",), np.float32, (1,)),
            "a frame": (pl.DataFrame(X[:, :2], schema=["u", "v"]), "values", ("u", "v"), np.float32, (2,)),
            "label sets": (RNG.integers(0, 2, (60, 3)), "labels", (0, 1, 2), np.float32, (3,)),
            "label sets of booleans": (RNG.random((60, 2)) < 0.5, "labels", (0, 1), np.float32, (2,)),
            "named label sets": (pd.DataFrame({"red": Y, "blue": 1 - Y}), "labels", ("red", "blue"), "f4", (2,)),
            "counts of several outputs": (RNG.integers(0, 9, (60, 2)), "values", (0, 1), np.float32, (2,)),
        }
    ),
)
def test_targets_are_told_by_their_values(y, kind, classes, dtype, shape):
    splits, preparation = jaxmlp.splits_from(X, y, test=0.2)
    assert (preparation.kind, preparation.classes, preparation.outputs) == (kind, classes, len(classes))
    for part in splits:
        assert part.targets.dtype == dtype
        assert part.targets.shape == (len(part.x), *shape)


@pytest.mark.parametrize(
    ("y", "kind", "shape"),
    [(Y, "values", (1,)), (np.eye(3)[np.arange(60) % 3], "labels", (3,)), (Y * 1.0, "values", (1,))],
)
def test_a_kind_that_is_asked_for_is_taken(y, kind, shape):
    splits, preparation = jaxmlp.splits_from(X, y, kind=kind)
    assert preparation.kind == kind
    assert splits.train.targets.shape[1:] == shape


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(12, 80),
    validation=st.floats(0.1, 0.5),
    test=st.one_of(st.none(), st.floats(0.1, 0.4)),
    seed=st.integers(0, 99),
    values=st.booleans(),
)
def test_the_splits_are_a_partition_and_keep_targets_and_weights(rows, validation, test, seed, values):
    x = numbered(rows)
    y = x[:, 0] + 0.5 if values else np.arange(rows) % 2
    splits, _ = jaxmlp.splits_from(
        x, y, validation=validation, test=test, seed=seed, normalise="none", weights=x[:, 0] + 1
    )
    assert sorted(np.concatenate([part.x[:, 0] for part in splits])) == list(range(rows))
    assert len(splits.test.x) == (0 if test is None else round(test * rows))
    for part in splits:
        numbers = part.x[:, 0]
        np.testing.assert_array_equal(np.ravel(part.targets), numbers + 0.5 if values else numbers % 2)
        if len(numbers):
            np.testing.assert_array_equal(part.weights, numbers + 1)


def test_own_validation_and_test_examples_are_taken_as_they_are():
    test = (X[:10] + 1, Y[:10], np.full(10, 2.0))
    splits, preparation = jaxmlp.splits_from(X, Y, validation=(X[:20], Y[:20]), test=test)
    assert [len(part.x) for part in splits] == [60, 20, 10]
    np.testing.assert_array_equal(splits.test.x, preparation.apply(X[:10] + 1))
    np.testing.assert_array_equal(splits.test.weights, np.full(10, 2))
    assert splits.train.weights is splits.validation.weights is None
    np.testing.assert_allclose(splits.train.x.mean(0), 0, atol=1e-6)


def test_without_validation_or_test_examples_their_splits_are_empty():
    splits, _ = jaxmlp.splits_from(X, Y, validation=None)
    assert [part.x.shape for part in splits] == [(60, 3), (0, 3), (0, 3)]


@pytest.mark.parametrize(
    ("rows", "normalise", "name"),
    [
        (X, "auto", "per_feature"),
        (X.reshape(15, 4, 3), "auto", "per_image"),
        (X.reshape(15, 2, 2, 3), "auto", "per_image"),
        (FRAME, "auto", "per_feature"),
        (FRAME, "none", "none"),
        (X, "global", "global"),
    ],
)
def test_auto_follows_the_shape(rows, normalise, name):
    _, preparation = jaxmlp.splits_from(rows, Y[: len(rows)], normalise=normalise)
    assert preparation.normalise == name


def test_classes_of_truths_are_kept_as_truths():
    splits, preparation = jaxmlp.splits_from(X, Y > 0, validation=(X, Y))
    assert [type(name) for name in preparation.classes] == [bool, bool]
    np.testing.assert_array_equal(splits.validation.targets, Y)


def test_whole_numbers_with_few_of_each_are_said_to_be_classes():
    with pytest.warns(UserWarning, match="y is taken as 48 classes, with few examples each: .* kind='values'") as said:
        jaxmlp.splits_from(X[:48], np.arange(48), validation=None)
    assert len(said) == 1
    jaxmlp.splits_from(X, np.arange(60), validation=None, kind="values")


@pytest.mark.parametrize("value", [0.1, 16_777_217, 1_600_000_000.5, -1e30])
def test_constant_features_are_0(value):
    splits, _ = jaxmlp.splits_from(np.c_[X, np.full(60, value)], Y)
    assert not splits.train.x[:, 3].any()
    assert not splits.validation.x[:, 3].any()


def test_features_that_float32_cannot_tell_apart_are_standardised():
    seconds = 1_700_000_000 + np.arange(60)
    splits, _ = jaxmlp.splits_from(seconds[:, None], Y, validation=None)
    assert abs(splits.train.x.mean()) < 1e-6
    assert abs(splits.train.x.std() - 1) < 1e-6


def test_balanced_class_weights_are_scikit_learn_s():
    from sklearn.utils.class_weight import compute_sample_weight

    y = np.array(["a"] * 40 + ["b"] * 15 + ["c"] * 5)
    splits, preparation = jaxmlp.splits_from(
        X, y, class_weight="balanced", weights=np.arange(60) + 1.0, validation=None
    )
    wanted = compute_sample_weight("balanced", y) * (np.arange(60) + 1)
    np.testing.assert_allclose(splits.train.weights, wanted, rtol=1e-6)
    splits, _ = jaxmlp.splits_from(X, y, class_weight={"b": 3}, validation=(X, y))
    named = np.asarray(preparation.classes)[splits.train.targets]
    np.testing.assert_array_equal(splits.train.weights, np.where(named == "b", 3, 1))
    assert splits.validation.weights is None  # of the training examples alone


DATES = pd.DataFrame({"day": pd.date_range("2020", periods=60)})
MANY = pd.DataFrame({"id": [f"k{i}" for i in range(1500)]})
WRONG = {
    "ragged": (([[1, 2], [3]], [0, 1]), {}, "X has rows of unequal lengths"),
    "NaN": ((np.where(X > 2, np.nan, X), Y), {}, "X: "),
    "lengths": ((X, Y[:-1]), {}, "X has 60 rows, and y 59"),
    "objects": ((np.array([[1, "a"], [None, 2]], object), [0, 1]), {}, "X is an array of objects (NoneType, int, str)"),
    "numbers as objects": ((X.astype(object), Y), {}, "X is an array of objects (float); give X.astype(float)"),
    "one example": (([[1.0]], ["a"]), {}, "1 training example and validation = 0.2"),
    "text": (([["a"], ["b"]], [0, 1]), {}, "X is an array of text"),
    "empty": (([], []), {}, "X is empty"),
    "no rows": ((np.zeros((0, 3)), []), {}, "X is empty"),
    "one axis": ((X[:, 0], Y), {}, "one feature is X[:, None]"),
    "a dict": (({"a": [1]}, [1]), {}, "X is a dict; accepted is"),
    "nothing": ((None, None), {}, "X is a NoneType"),
    "a series": ((pd.Series([1, 2]), [0, 1]), {}, "give it as a frame"),
    "a lazy frame": ((pl.DataFrame({"a": [1]}).lazy(), [1]), {}, "collect it first"),
    "columns of one name": ((pd.DataFrame(X[:, :2], columns=["a", "a"]), Y), {}, "X cannot be read as a frame"),
    "numbers and text in one column": (
        (pd.DataFrame({"o": [1, "x"] * 30}), Y),
        {},
        "column 'o' has values of several types",
    ),
    "lists in a column": ((pd.DataFrame({"o": [[1]] * 60}), Y), {}, "column 'o' is list"),
    "dates": ((DATES, Y), {}, "column 'day' is timestamp"),
    "an identifier": ((MANY, np.arange(1500) % 2), {}, "column 'id' has 1,200 different values"),
    "an infinite value": ((pd.DataFrame({"a": [1, np.inf] * 30}), Y), {}, "column 'a' has"),
    "a column without values": ((pd.DataFrame({"a": [None] * 60}), Y), {}, "column 'a' has no value"),
    "a sparse matrix beyond memory": ((scipy.sparse.csr_matrix((10**7, 10**6)), Y), {}, "of memory are free"),
    "one class": ((X, np.zeros(60, int)), {}, "all 48 training examples have the label 0"),
    "one value": ((X, np.full(60, 0.5)), {}, "all 48 training examples have the values [0.5]"),
    "NaN in y": ((X, np.where(Y, np.nan, 1)), {}, "y: 30 are NaN"),
    "missing in y": ((X, pd.Series([None, "a"] * 30)), {}, "y has 30 missing values of 60"),
    "objects in y": ((X, [None, "a"] * 30), {}, "y is an array of objects (NoneType, str)"),
    "dates in y": ((X, DATES["day"]), {}, "y is timestamp"),
    "three axes of y": ((X, np.zeros((60, 2, 2))), {}, "y has shape (60, 2, 2)"),
    "text of several outputs": ((X, pd.DataFrame({"u": ["a"] * 60, "v": 1})), {}, "of several columns one is text"),
    "an unknown kind": ((X, Y), {"kind": "class"}, "kind 'class' is unknown; did you mean classes?"),
    "labels of one axis": ((X, Y), {"kind": "labels"}, "y has shape (60,); labels of [N, K]"),
    "labels that are none": ((X, X), {"kind": "labels"}, "y: of a label set 1 says"),
    "classes that are values": ((X, X[:, 0]), {"kind": "classes"}, "y is float64, and not whole"),
    "values that are text": ((X, ["a", "b"] * 30), {"kind": "values"}, "y is <U1; numbers are expected"),
    "an unknown normalisation": ((X, Y), {"normalise": "z"}, "normalise 'z' is unknown"),
    "a normalisation of images": ((FRAME, Y), {"normalise": "per_image"}, "a table has columns"),
    "a share above 1": ((X, Y), {"validation": 1.5}, "validation is 1.5; accepted is a share"),
    "a share of truth": ((X, Y), {"test": True}, "test is a bool"),
    "a pair of one": ((X, Y), {"test": (X,)}, "test is a tuple of 1"),
    "another width": ((X, Y), {"validation": (X[:, :2], Y)}, "X has shape (3,), validation[0] (2,)"),
    "an unknown label": ((X, Y), {"validation": (X, Y + 7)}, "validation[1] that no training example has: 7, 8"),
    "another kind of labels": ((X, Y), {"test": (X, ["a"] * 60)}, "y is int64, test[1] <U1"),
    "a frame and an array": ((X, Y), {"test": (FRAME, Y)}, "one is a frame, the other an array"),
    "a missing column": ((FRAME, Y), {"test": (FRAME[["city", "open"]], Y)}, "test[0]: no column 'size'"),
    "weights below 0": ((X, Y), {"weights": -np.ones(60)}, "weights are as low as -1"),
    "weights of another length": ((X, Y), {"weights": [1.0]}, "weights have shape (1,); a number for each of the 60"),
    "weights that are text": ((X, Y), {"weights": ["a"] * 60}, "weights are <U1"),
    "weights of 0": ((X, Y), {"weights": np.zeros(60)}, "all 0"),
    "an unknown class weight": ((X, Y), {"class_weight": "even"}, "class_weight is 'even'"),
    "a weight of no class": ((X, Y), {"class_weight": {7: 1.0}}, "class_weight names 7"),
    "a class weight below 0": ((X, Y), {"class_weight": {1: -1.0}}, "class_weight of 1 is -1"),
    "class weights of values": ((X, X[:, 0]), {"class_weight": "balanced"}, "give weights instead"),
    "a seed below 0": ((X, Y), {"seed": -1}, "seed is -1"),
    "too few of a class": ((X[:9], list(range(9))), {}, "give validation=(X, y)"),
}


@pytest.mark.parametrize(("arguments", "more", "message"), cases(WRONG))
def test_what_is_wrong_is_named_in_one_line(arguments, more, message):
    refused([message], jaxmlp.splits_from, *arguments, error=JaxmlpError, **more)


@settings(deadline=None, max_examples=60)
@given(
    x=hnp.arrays(
        st.sampled_from([np.float64, np.int16, bool, "U2", object, np.complex64]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6),
    ),
    y=hnp.arrays(st.sampled_from([np.float32, np.int64, "U1", "S1", bool, object]), st.integers(0, 6)),
)
def test_no_arrays_end_in_a_traceback(x, y):
    with warnings.catch_warnings(action="ignore"):
        try:
            splits, _ = jaxmlp.splits_from(x, y, validation=0.5)
        except JaxmlpError as error:
            lines = str(error).splitlines()
        else:
            lines = ["accepted"]
            assert all(np.isfinite(part.x).all() for part in splits)
    assert len(lines) == 1


def test_what_is_prepared_is_learnt():
    y = np.where(FRAME["city"] == "rome", "yes", "no")
    splits, preparation = jaxmlp.splits_from(FRAME, y, test=0.25)
    spec = jaxmlp.Spec(jaxmlp.Network((4,)), jaxmlp.Training(batch_size=8, max_epochs=30), 7, preparation.outputs)
    assert jaxmlp.fit(spec, jaxmlp.Hyper(learning_rate=0.3), splits).test.accuracy == 1
