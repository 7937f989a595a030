"""Reading values of fields: what is converted, what is refused, and with which words."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
from annotated_types import Ge, Gt, Interval
from helpers import refused

from jaxmlp.fields import FLOAT64, changed, different, flat, plain, table_of, value_of

SHARE = Annotated[float, Interval(gt=0, lt=1)]
COUNT = Annotated[int, Ge(1)]


@pytest.mark.parametrize(
    ("found", "annotation", "wanted"),
    [
        (1, float, 1.0),
        (np.float32(0.5), SHARE, 0.5),
        (jnp.asarray(3), COUNT, 3),
        (np.array([3, 4]), tuple[COUNT, ...], (3, 4)),
        ([], tuple[COUNT, ...], ()),
        (np.True_, bool, True),
        ("relu", str, "relu"),
    ],
)
def test_a_value_is_read_in_the_annotated_type(found, annotation, wanted):
    value = value_of("a.b", found, annotation)
    assert value == wanted
    assert type(value) is type(wanted)


@pytest.mark.parametrize(
    ("found", "annotation", "line"),
    [
        (True, float, "a.b is True; accepted is a number"),
        (True, COUNT, "a.b is True; accepted is a whole number"),
        (1.0, COUNT, "a.b is 1.0; accepted is a whole number"),
        ("1", float, "a.b is '1'; accepted is a number"),
        (None, str, "a.b is None; accepted is text in quotes"),
        (0, bool, "a.b is 0; accepted is true or false"),
        (8, tuple[COUNT, ...], "a.b is 8; accepted is a list, such as [8]"),
        ([8, 0], tuple[COUNT, ...], "a.b is 0; accepted is a whole number of at least 1"),
        (1, SHARE, "a.b is 1.0; accepted is a finite number above 0 and below 1"),
        (float("nan"), Annotated[float, Gt(0)], "a.b is nan; accepted is a finite number above 0"),
        (2**31, COUNT, "a.b is 2147483648; accepted is a whole number of at least 1 and of at most 2147483647"),
        ("a\nb" * 99, float, r"a.b is 'a\nba\nba\nb...b; accepted"),
    ],
    ids=str,
)
def test_what_is_of_another_type_or_range_is_refused_in_one_line(found, annotation, line):
    if line.endswith("b; accepted"):
        refused(["a.b is ", "...", "accepted is a number"], value_of, "a.b", found, annotation)
    else:
        refused([line], value_of, "a.b", found, annotation)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (10**400, ["a.b is 1000", "...", "of at most 3.4"]),
        (16**9999, ["a.b is a whole number of 39,997 bits"]),  # Python refuses to write it
    ],
    ids=["400 digits", "12,000 digits"],
)
def test_a_number_beyond_float32_is_refused_and_shown_short(found, words):
    refused(words, value_of, "a.b", found, Annotated[float, Gt(0)])


@pytest.mark.parametrize(
    ("found", "annotation", "line"),
    [
        (0.999999999, Interval(ge=0, lt=1), "a.b is 0.999999999, which is 1.0 in float32; accepted is a finite number"),
        (
            1e-46,
            Gt(0),
            "a.b is 1e-46, which is 0.0 in float32; accepted is a finite number above 0 and of at least",
        ),
        (np.float64(1e-39), Gt(0), "a.b is 1e-39, which is 0.0 in float32"),  # subnormal: XLA flushes it
        (1e-50, Ge(0), "a.b is 1e-50, which is 0 in float32; write 0, or at least 1.1754944e-38"),
        (-1e-50, Ge(0), "a.b is -1e-50; accepted is a finite number of at least 0"),
        (5e-324, Ge(0), "a.b is 5e-324, which is 0 in float32; write 0"),
    ],
    ids=str,
)
def test_a_number_is_checked_as_float32_holds_it(found, annotation, line):
    refused([line], value_of, "a.b", found, Annotated[float, annotation])


@pytest.mark.parametrize("found", [0.0, -0.0, 1.1754944e-38, 0.99999994, 0.1])
def test_what_float32_holds_within_the_range_is_read_as_it_is_written(found):
    assert repr(value_of("a.b", found, Annotated[float, Interval(ge=0, lt=1)])) == repr(found)


@pytest.mark.parametrize("found", [0.999999999, 1e-46])
def test_a_number_that_stays_on_the_host_is_checked_in_float64(found):
    assert value_of("a.b", found, Annotated[float, Interval(gt=0, lt=1), FLOAT64]) == found


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (0.1, "a is 0.1; accepted is a list of values, such as [0.1]"),
        ("0.1", "a is '0.1'; accepted is a list of values, such as ['0.1']"),
        ({0.1}, "a is {0.1}; accepted is a list of values"),
        ([], "a is []; accepted is a list of different values"),
        (
            [0.1, 0.3, 0.1 + 1e-10],
            "a has 0.1 and 0.1000000001, equal in float32; accepted is a list of different values",
        ),
        ([1, 0.5, 1.0], "a has 1.0 twice; accepted is a list of different values"),
    ],
    ids=str,
)
def test_a_list_of_values_has_some_and_none_twice(found, line):
    refused([line], different, "a", found, float)


def test_a_list_of_many_values_is_read_without_comparing_all_pairs():
    class Counting(float):
        compared = 0

        def __eq__(self, other):
            Counting.compared += 1
            return float.__eq__(self, other)

        __hash__ = float.__hash__

        def tolist(self):
            return self

    values = [Counting(value) for value in range(1000)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxmlp.fields.value_of", lambda field, value, annotation: value)
        assert len(different("a", values, float)) == 1000
    assert Counting.compared < 5000


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"cout": 1}, "a.cout is no key; did you mean count?"),
        ({"a\nb": 1}, r"a.a\nb is no key; known: count, share"),
        ({"share": 0.5}, "a.count is missing (the keys of a: count, share)"),
        ({"count": 0}, "a.count is 0; accepted is a whole number of at least 1"),
    ],
    ids=str,
)
def test_a_table_has_known_keys_and_those_that_are_needed(table, line):
    refused([line], table_of, "a", table, {"count": COUNT, "share": SHARE}, ["count"])


def test_an_unknown_key_hints_at_the_full_name_in_another_section():
    known = ["network.hidden", "hyper.learning_rate"]
    words = ["network.learning_rate is no key; did you mean hyper.learning_rate"]
    refused(words, table_of, "network", {"learning_rate": 1}, {"hidden": int}, known=known)


class Traced(NamedTuple):
    rate: float = 0.1


@dataclass(frozen=True)
class Static:
    size: int = 1
    name: str = "a"


@dataclass(frozen=True)
class Whole:
    static: Static = Static()
    traced: Traced = Traced()


def test_keys_are_changed_in_dataclasses_and_named_tuples():
    whole = Whole()
    assert changed(whole, {"static.size": 2, "traced.rate": 0.5, "static.name": "b"}) == Whole(
        Static(2, "b"), Traced(0.5)
    )
    assert whole == changed(whole, {}) == Whole()
    assert plain(whole.static) == {"size": 1, "name": "a"}
    assert plain(whole.traced) == {"rate": 0.1}


def test_nested_tables_are_flattened_to_dotted_keys():
    assert dict(flat({"seed": 1, "a": {"b": 2, "c": []}, "d": {}})) == {"seed": 1, "a.b": 2, "a.c": []}
