"""Frames as tables of Arrow: names as text, values of one type a column."""

import pandas as pd
import polars as pl
import pytest
from helpers import refused

from jaxmlp.data import inputs
from jaxmlp.errors import DataError


@pytest.mark.parametrize(
    ("frame", "names"),
    [
        (pd.DataFrame([[1, 2]]), ["0", "1"]),
        (pl.DataFrame({"a": [1], "b": [2]}), ["a", "b"]),
        (pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])), ["('a', 1)", "('b', 2)"]),
    ],
    ids=["numbers", "text", "tuples"],
)
def test_columns_are_called_by_text(frame, names):
    table = inputs.as_table(frame, "X")
    assert table.column_names == names
    assert table.to_pylist() == [dict(zip(names, (1, 2), strict=True))]


def test_names_that_are_one_as_text_are_refused():
    refused(["X has two columns '1'"], inputs.as_table, pd.DataFrame([[1, 2]], columns=[1, "1"]), "X", error=DataError)


def test_rows_left_by_a_filter_are_those_that_are_taken():
    frame = pd.DataFrame({"a": [1, 2, 3]})[lambda rows: rows["a"] != 2]
    assert inputs.as_table(frame, "X").to_pylist() == [{"a": 1}, {"a": 3}]
    assert inputs.as_targets(frame["a"], "y")[0].tolist() == [1, 3]
