"""Tables in files: what is read of them, how they are cut, and what is refused."""

import subprocess
import sys
import zlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from helpers import cases, refused
from pyarrow import parquet

from jaxmlp.data import tables
from jaxmlp.data.config import Data
from jaxmlp.data.preparing import prepare
from jaxmlp.data.sources import load_data
from jaxmlp.errors import DataError, JaxmlpError, UsageError
from jaxmlp.run.examples import read_truth

ROWS = 60
FRAME = pd.DataFrame(
    {
        "number": np.arange(ROWS),
        "city": np.array(["oslo", "rome", "lima"])[np.arange(ROWS) % 3],
        "sold": np.array(["yes", "no"])[np.arange(ROWS) % 2],
        "price": np.arange(ROWS) / 4,
        "rent": np.arange(ROWS) / 8,
        "weight": np.arange(ROWS) + 1.0,
    }
)
OTHERS = "price, rent, weight"


def written(folder, frame=FRAME, name="table.csv"):
    path = folder / name
    frame.to_csv(path, index=False) if name.endswith(".csv") else frame.to_parquet(path)
    return path


def prepared(path, **keys):
    data = Data(str(path), **keys)
    return prepare(load_data(data), data)


@pytest.mark.parametrize("name", ["table.csv", "table.parquet", "TABLE.CSV"])
def test_a_table_is_split_and_its_columns_are_those_of_the_inputs(tmp_path, name):
    path = tmp_path / name
    FRAME.to_parquet(path) if name.endswith("parquet") else FRAME.to_csv(path, index=False)
    splits, preparation = prepared(path, target="sold", leave_out=OTHERS, normalise="none")
    assert [len(part.x) for part in splits] == [38, 10, 12]
    assert [column.name for column in preparation.columns.columns] == ["number", "city"]
    assert (preparation.classes, preparation.kind) == (("no", "yes"), "classes")
    numbers = np.concatenate([part.x[:, 0] for part in splits])
    assert sorted(numbers) == list(range(ROWS))
    for part in splits:
        np.testing.assert_array_equal(part.targets, 1 - part.x[:, 0] % 2)


def test_test_rows_are_the_same_for_every_split_seed(tmp_path):
    path = written(tmp_path)
    first, second = (prepared(path, target="sold", split_seed=seed, normalise="none")[0] for seed in (0, 1))
    np.testing.assert_array_equal(first.test.x, second.test.x)
    assert not np.array_equal(first.validation.x, second.validation.x)


@pytest.mark.parametrize(
    ("target", "kind", "names", "K"), [("price", "auto", ("price",), 1), ("price, rent", "auto", ("price", "rent"), 2)]
)
def test_numbers_are_values_one_output_a_column(tmp_path, target, kind, names, K):
    splits, preparation = prepared(written(tmp_path), target=target, kind=kind)
    assert (preparation.kind, preparation.classes) == ("values", names)
    assert splits.train.targets.shape[1:] == (K,)
    assert splits.train.targets.dtype == np.float32


def test_a_column_whose_name_has_a_comma_is_one_target(tmp_path):
    path = written(tmp_path, FRAME.rename(columns={"sold": "sold, or not"}))
    assert prepared(path, target="sold, or not", leave_out=OTHERS)[1].classes == ("no", "yes")


def test_weights_are_a_column(tmp_path):
    splits, preparation = prepared(
        written(tmp_path), target="sold", weight="weight", leave_out="price,rent", normalise="none"
    )
    assert "weight" not in [column.name for column in preparation.columns.columns]
    for part in splits:
        np.testing.assert_array_equal(part.weights, part.x[:, 0] + 1)


def test_own_validation_and_test_files_are_taken_whole(tmp_path):
    validation = written(tmp_path, FRAME[:7].iloc[:, ::-1], "validation.csv")  # in another order
    test = written(tmp_path, FRAME[:9], "test.parquet")
    data = Data(
        str(written(tmp_path)), target="sold", leave_out=OTHERS, validation_file=str(validation), test_file=str(test),
        normalise="none",
    )  # fmt: skip
    table = load_data(data)
    splits, _ = prepare(table, data)
    assert [len(part.x) for part in splits] == [60, 7, 9]
    np.testing.assert_array_equal(splits.validation.x, splits.train.x[:7])
    np.testing.assert_array_equal(splits.test.x, splits.train.x[:9])
    written(tmp_path, FRAME[:8], "validation.csv")
    assert load_data(data).crc32 != table.crc32


def test_the_bytes_are_the_checksum(tmp_path):
    path = written(tmp_path)
    assert tables.read(path)[1] == zlib.crc32(path.read_bytes())


def test_text_stays_text_where_a_file_holds_only_what_looks_like_numbers(tmp_path):
    frame = FRAME.assign(
        city=np.array(["02134", "N1A"])[np.arange(ROWS) % 2],
        sold=np.array(["1.0", "2.0b"])[np.arange(ROWS) % 2],
        open=np.array(["True", "False"])[np.arange(ROWS) % 2],
    )
    path, said = written(tmp_path, frame), []
    one, strange = frame[:1], frame[:2].assign(open=["True", "unknown"])
    data = Data(
        str(path), target="sold", leave_out=OTHERS, normalise="none", test_file=str(written(tmp_path, one, "one.csv")),
        validation_file=str(written(tmp_path, strange, "strange.csv")),
    )  # fmt: skip
    splits, preparation = prepare(load_data(data), data, on_message=said.append)
    assert preparation.classes == ("1.0", "2.0b")
    for part in (splits.validation, splits.test):
        np.testing.assert_array_equal(part.x[0], splits.train.x[0])
        assert part.targets[0] == splits.train.targets[0]
    assert ["strange.csv: column 'open' has 1 value of unknown categories" in line for line in said] == [True]
    rows, truth = read_truth(tmp_path / "one.csv", preparation, ("sold",), "", said.append)
    np.testing.assert_array_equal(rows.x, splits.train.x[:1])
    assert truth.targets == splits.train.targets[0]


def test_what_is_passed_over_in_other_files_is_said(tmp_path):
    test = written(tmp_path, FRAME[:9].assign(city="cairo", age=3), "test.csv")
    data = Data(str(written(tmp_path)), target="sold", leave_out=OTHERS, test_file=str(test))
    said = []
    prepare(load_data(data), data, on_message=said.append)
    assert [f"{test}: column 'city' has 9 values of unknown categories" in line for line in said] == [False, True]
    assert "1 column not trained on, ignored: 'age'" in said[0]


def test_a_csv_leaves_no_pool_of_threads_behind(tmp_path):
    written(tmp_path)
    program = """
import pathlib, psutil, pyarrow.csv
from jaxmlp.data import tables
before = psutil.Process().num_threads()
tables.read(pathlib.Path("table.csv"))
print(psutil.Process().num_threads() - before)"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 1  # the one that reads ahead; with a pool some processes abort as they end


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
FILES = {
    "empty": (b"", "is empty"),
    "blank": (b"\n \n", "is empty"),
    "binary": (PNG, "no CSV file"),
    "UTF-16": ("a,y\n1,2\n".encode("utf-16"), "no CSV file"),
    "ragged": (b"a,y\n1,2\n3\n", "cannot be read as a table (CSV parse error: Row #3: Expected 2 columns, got 1"),
    "Latin-1": (b"a,y\n\xe9,1\n", "column 'a' is no text in UTF-8"),
    "Latin-1 names": (b"\xe9,y\n1,1\n", "cannot be read as a table"),
    "a column twice": (b"a,a,y\n1,2,3\n", "has two columns 'a'"),
    "no rows": (b"a,y\n", "has 2 columns and no rows"),
    "semicolons": (b"a;y\n1;2\n", "columns are separated by ';'; accepted are commas"),
    "decimal commas": (b"a;y\n1,5;2\n", "columns are separated by ';'; accepted are commas"),
    "a space before a name": (b"a, y\n1,2\n", "did you mean ' y'?"),
    "the target alone": (b"y\n" + b"q\nr\n" * 20, "no column is left to learn from"),
    "a constant target": (b"a,y\n" + b"1,q\n2,q\n" * 20, "training examples have the label q"),
    "missing targets": (b"a,y\n" + b"1,q\n2,\n" * 20, "column 'y' has 20 missing values of 40"),
    "a target of dates": (b"a,y\n" + b"1,2020-01-01\n2,2021-01-01\n" * 9, "column 'y' is date32[day]"),
    "an empty column": (
        b"a,b,y\n" + b"1,,q\n2,,r\n" * 20,
        "column 'b' has no value in the training rows; leave it out",
    ),
    "dates": (b"a,y\n" + b"2020-01-01,q\n2021-01-01,r\n" * 20, "leave it out (data.leave_out)"),
    "identifiers": (
        b"a,y\n" + b"".join(b"k%d,%d\n" % (i, i % 2) for i in range(2000)),
        "different values; accepted are",
    ),
}


@pytest.mark.parametrize(("content", "message"), cases(FILES))
def test_files_that_cannot_be_learnt_from_are_refused(tmp_path, content, message):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    refused([message], prepared, path, target="y", error=JaxmlpError)


@pytest.mark.parametrize(
    "content", [b"", b"a,y\n1,2\n", b"PAR1" + b"\0" * 30 + b"PAR1"], ids=["empty", "text", "zeros"]
)
def test_files_that_are_no_parquet_are_refused(tmp_path, content):
    path = tmp_path / "table.parquet"
    path.write_bytes(content)
    refused([str(path)], tables.read, path, error=DataError)


def test_parquet_that_is_no_utf_8_is_refused(tmp_path):
    offsets = pa.py_buffer(np.arange(3, dtype=np.int32).tobytes())
    parquet.write_table(
        pa.table({"city": pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"a\xe9"))}), tmp_path / "table.parquet"
    )
    refused(["cannot be read as a table", "UTF8"], tables.read, tmp_path / "table.parquet", error=DataError)


@pytest.mark.parametrize("size", [10, 1000, -8])
def test_truncated_parquet_is_refused(tmp_path, size):
    path = written(tmp_path, name="table.parquet")
    path.write_bytes(path.read_bytes()[:size])
    refused([str(path)], tables.read, path, error=DataError)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "data.target is empty; accepted is the column to learn: 'number', 'city', 'sold'"),
        ({"target": "solt"}, "data.target 'solt' is no column of the table; did you mean sold?"),
        ({"target": "price, price"}, "a column twice"),
        ({"target": "price, sold"}, "of several columns one is text"),
        ({"target": "sold", "leave_out": "prices"}, "data.leave_out 'prices' is no column of the table; did you mean"),
        ({"target": "sold", "weight": "price, rent"}, "accepted is one column"),
        ({"target": "sold", "weight": "city"}, "column 'city' is <U4; numbers"),
        ({"target": "sold", "test_file": "rows.txt"}, "data.test_file is 'rows.txt'; accepted is the path of a table"),
        ({"target": "sold", "test_file": "nowhere.csv"}, "nowhere.csv: cannot be read (No such file or directory)"),
        ({"target": "sold", "normalise": "per_image"}, "data.normalise is 'per_image', and a table has columns"),
        ({"target": "sold", "kind": "values"}, "numbers are expected, as they are to be values"),
    ],
    ids=str,
)  # fmt: skip
def test_keys_that_do_not_fit_the_table_are_refused(tmp_path, keys, message):
    refused([message], prepared, written(tmp_path), error=JaxmlpError, **keys)


def test_a_file_without_a_column_is_named(tmp_path):
    for column, words in (("sold", "no column 'sold'"), ("city", "no column 'city', which the network was trained on")):
        test = written(tmp_path, FRAME.drop(columns=[column]), "test.csv")
        refused([str(test), words], prepared, written(tmp_path), target="sold", test_file=str(test), error=DataError)


@pytest.mark.parametrize("key", ["target", "weight", "leave_out", "validation_file", "test_file"])
def test_keys_of_tables_are_refused_of_other_data(key):
    for name, way_out in (("digits", "leave it out"), ("a.tsv", "save that as one, or leave it out")):
        words = [f"data.{key} is read for tables (.csv, .parquet), not for '{name}'; {way_out}"]
        refused(words, load_data, Data(name, **{key: "a"}))


def test_a_loss_that_does_not_learn_the_targets_is_named(tmp_path):
    data = Data(str(written(tmp_path)), target="price", leave_out="rent,weight")
    words = ["column 'price'", "learns classes: take one of squared_error, huber"]
    refused(words, prepare, load_data(data), data, ("classes",), error=UsageError)
    counts = Data(
        str(written(tmp_path, FRAME.assign(price=FRAME["number"] % 5))), target="price", leave_out="rent,weight"
    )
    assert prepare(load_data(counts), counts)[1].kind == "classes"
    assert prepare(load_data(counts), counts, ("values",))[1].kind == "values"
