"""The columns of a table: what they become, at prediction too, and how they are kept."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers import refused
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxmlp
from jaxmlp.data.columns import Column, Columns
from jaxmlp.errors import DataError

TRAIN = pd.DataFrame(
    {
        "size": [1.0, 2.0, np.nan, 4.0, 9.0, 2.0],
        "rooms": [1, 2, 3, 4, 5, 6],
        "city": ["oslo", None, "rome", "oslo", "lima", "rome"],
        "open": [True, False, True, False, True, False],
    }
)
Y = [0, 1, 0, 1, 0, 1]


def preparation_of(frame=TRAIN, **more):
    return jaxmlp.splits_from(frame, Y, validation=None, **more)[1]


def test_columns_become_numbers_categories_and_indicators():
    x = preparation_of(normalise="none").apply(TRAIN)
    names = ["size", "size is missing", "rooms", "lima", "oslo", "rome", "city is missing", "false", "true"]
    wanted = {
        "size": [1, 2, 2, 4, 9, 2],  # the median is 2
        "size is missing": [0, 0, 1, 0, 0, 0],
        "rooms": [1, 2, 3, 4, 5, 6],
        "lima": [0, 0, 0, 0, 1, 0],
        "oslo": [1, 0, 0, 1, 0, 0],
        "rome": [0, 0, 1, 0, 0, 1],
        "city is missing": [0, 1, 0, 0, 0, 0],
        "false": [0, 1, 0, 1, 0, 1],
        "true": [1, 0, 1, 0, 1, 0],
    }
    np.testing.assert_array_equal(x, np.float32([wanted[name] for name in names]).T)


def test_numbers_are_standardised_and_the_rest_is_0_or_1():
    x = preparation_of().apply(TRAIN)
    np.testing.assert_allclose(x[:, [0, 2]].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(x[:, [0, 2]].std(0), 1, rtol=1e-6)
    assert set(np.delete(x, [0, 2], 1).ravel()) == {0, 1}


def test_the_few_words_that_make_numbers_text_are_said():
    frame = pd.DataFrame({"size": [*map(str, range(30)), "?", "?", None], "code": ["a1", "a2", "3"] * 11})
    with pytest.warns(
        UserWarning, match="column 'size' is text because of 2 values: '\\?', and becomes 32 inputs"
    ) as said:
        jaxmlp.splits_from(frame, [0, 1, 0] * 11, validation=None)
    assert len(said) == 1


@settings(deadline=None, max_examples=30)
@given(order=st.permutations(list(TRAIN.columns)), rows=st.permutations(range(6)))
def test_another_order_of_columns_is_the_same_table(order, rows):
    preparation = preparation_of()
    np.testing.assert_array_equal(
        preparation.apply(TRAIN[order].iloc[list(rows)]), preparation.apply(TRAIN)[list(rows)]
    )


def test_statistics_are_those_of_the_training_rows():
    held = TRAIN.assign(size=1e6, city="cairo")
    said = []
    with pytest.warns(UserWarning, match="6 values of unknown categories, taken as none: 'cairo'") as caught:
        _, preparation = jaxmlp.splits_from(TRAIN, Y, validation=(held, Y))
    said += caught
    assert preparation.columns == preparation_of().columns
    assert len(said) == 1


def new(**changed):
    return pd.DataFrame({"size": [1.0], "rooms": [2], "city": ["oslo"], "open": [True]} | changed)


@pytest.mark.parametrize(
    ("frame", "same", "message"),
    [
        (new(city=["cairo"]), new(city=["cairo"]), "the table: column 'city' has 1 value of unknown categories"),
        (new(age=[7]), new(), "the table: 1 column not trained on, ignored: 'age'"),
        (
            new(rooms=[None]),
            new(rooms=[3.5]),
            "column 'rooms' has 1 missing value, and had none in training: taken as 3.5",
        ),
        (
            new(open=[None]),
            new(open=[None]),
            "column 'open' has 1 missing value, and had none in training: taken as none",
        ),
        (new(rooms=["2"]), new(), None),
        (new(open=["true"]), new(), None),
        (new(open=["TRUE"]), new(), None),
        (new(size=[2]), new(size=[2.0]), None),
        (new(city=[None]), new(city=[np.nan]), None),
    ],
    ids=[
        "unknown category",
        "extra column",
        "newly missing",
        "truth newly missing",
        "numbers as text",
        "truth as text",
        "truth spelt otherwise",
        "integers",
        "missing",
    ],
)
def test_new_rows_are_taken_and_what_is_passed_over_is_said(frame, same, message):
    preparation, said = preparation_of(), []
    x = preparation.apply(frame, on_message=said.append)
    np.testing.assert_array_equal(x, preparation.apply(same, on_message=lambda _: None))
    assert [message in line for line in said] == [True] * (message is not None)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (new().drop(columns=["size", "open"]), "no column 'size', 'open', which the network was trained on"),
        (new()[["size"]], "no column 'rooms', 'city', 'open', which the network was trained on; it has 'size'"),
        (
            new().rename(columns={"rooms": "room"}),
            "no column 'rooms', which the network was trained on; did you mean room?",
        ),
        (new(rooms=["two"]), "column 'rooms' was trained on as numbers; row 1 has 'two'"),
        (new(rooms=["1_0"]), "row 1 has '1_0'"),
        (new(rooms=[True]), "column 'rooms' is bool; it was trained on as numbers"),
        (new(rooms=[np.inf]), "column 'rooms' has 1 infinite value"),
        (new(city=[1.5]), "column 'city' is double; it was trained on as categories: give it as text"),
        (np.zeros((1, 9)), "the table is a ndarray; the network was trained on a table: give a frame of its 4 columns"),
    ],
    ids=["missing", "all but one", "misspelt", "words", "underscores", "truths", "infinite", "fractions", "an array"],
)
def test_rows_that_do_not_fit_are_refused(rows, message):
    refused([message], preparation_of().apply, rows, error=DataError)


def test_a_frame_for_a_network_of_arrays_is_refused():
    _, preparation = jaxmlp.splits_from(np.eye(6), Y, validation=None)
    refused(["give X.to_numpy()"], preparation.apply, pd.DataFrame(np.eye(6)), error=DataError)


def test_columns_are_kept_as_json():
    columns = preparation_of().columns
    assert Columns.from_json(json.loads(json.dumps(columns.to_json()))) == columns


COLUMN = Column("size", None, 1.0, False)._asdict()


@pytest.mark.parametrize(
    "content",
    [
        [],
        [COLUMN, COLUMN],
        [{}],
        ["size"],
        3,
        [COLUMN | {"name": 3}],
        [COLUMN | {"median": "1"}],
        [COLUMN | {"median": np.nan}],
    ]
    + [[COLUMN | {"categories": value}] for value in ([], ["a", "a"], [1], "aa", 5)]
    + [[COLUMN | {"indicator": 1}], [COLUMN | {"colour": "red"}]],
    ids=str,
)
def test_columns_that_cannot_be_are_refused(content):
    with pytest.raises(ValueError, match="its column"):
        Columns.from_json(content)
