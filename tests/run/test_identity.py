"""A run is told from every other one by its keys and its data, wherever these lie."""

import pytest
from helpers import refused

from jaxmlp.run.identity import Identity

TREE = {"seed": 0, "data": {"name": "digits", "dir": ""}, "hyper": {"learning_rate": 0.1}, "network": {"hidden": [8]}}
RUN = Identity.of(TREE, "0123abcd")
OTHERS = {
    "a key": (TREE | {"seed": 1}, "0123abcd", "seed (0 here, 1 there)"),
    "a key less": (TREE | {"hyper": {}}, "0123abcd", "hyper.learning_rate (0.1 here, not set there)"),
    "a list": (TREE | {"network": {"hidden": [8, 8]}}, "0123abcd", "network.hidden ([8] here, [8, 8] there)"),
    "the data": (TREE, "0123abce", "the data"),
}


@pytest.mark.parametrize(("tree", "data", "words"), OTHERS.values(), ids=OTHERS)
def test_another_run_differs_and_says_in_what(tree, data, words):
    other = Identity.of(tree, data)
    assert RUN.differs(other) == words
    assert other.digest != RUN.digest


def test_a_run_survives_writing_and_moving_its_data():
    moved = Identity.of(TREE | {"data": {"name": "/elsewhere/digits.npz", "dir": "/mnt"}}, "0123abcd")
    for same in (Identity.from_json(RUN.to_json()), moved):
        assert same == RUN
        assert same.digest == RUN.digest
        assert RUN.differs(same) is None


def test_many_differences_are_one_short_line():
    line = Identity.of({"s": dict.fromkeys(map(str, range(1000)), "x" * 1000)}, "").differs(Identity.of({}, ""))
    assert line is not None
    assert line.endswith("and 997 more")
    assert len(line) < 400


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": 3, "data": ""}', "[" * 100_000])
def test_what_is_no_identity_is_refused(text):
    refused([], Identity.from_json, text, error=ValueError)
