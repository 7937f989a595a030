"""Values of an axis are written short, and told apart where they differ."""

import pytest

from jaxmlp.plots.values import distinct, label, short


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.001, "0.001"),
        (1e-6, "1e-6"),
        (0.0309231, "0.0309"),
        (0.9995, "0.9995"),
        (1024, "1024"),
        (0, "0"),
        (0.0, "0"),
        (1.0, "1"),
        (True, "true"),
        ([64, 32], "64-32"),
        ([], "none"),
        (None, "–"),
        ("relu", "relu"),
        (1e12, "1e+12"),
    ],
)
def test_values_are_written_short(value, text):
    assert label(value) == text


@pytest.mark.parametrize(("most", "text"), [(9, "abcdefghi"), (8, "abcde…hi"), (2, "a…"), (1, "…")])
def test_long_words_lose_their_middle(most, text):
    assert short("abcdefghi", most) == text


def test_distinct_values_are_in_order():
    assert distinct([3, 1.0, 1, None, 2]) == [1, 2, 3, None]
    assert distinct(["b", "a", "b"]) == ["b", "a"]
    long = "a word that is longer than a label may be"
    assert distinct([long + "1", long + "2"]) == [long + "1", long + "2"]
