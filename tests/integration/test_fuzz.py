"""Every reader of what comes from outside: a damaged or hostile input is read right, or refused in one short line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from integration.fuzzing import MAKERS, cases, count, outcome


@pytest.mark.parametrize("kind", MAKERS)
def test_no_input_ends_in_a_traceback_or_a_hang(kind, tmp_path):
    ends, wrong = count(kind, 1, 150, tmp_path)
    assert wrong == []
    assert ends["refused"] > 0
    assert ends["right"] > 0


@pytest.mark.parametrize("kind", ["config", "sweep"])
def test_what_is_written_is_read_back_as_it_was(kind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")

    @settings(max_examples=60, deadline=None, database=None)
    @given(st.integers(0, 2**40))
    def holds(seed):
        for content in cases(kind, seed, 1):
            outcome(kind, content, folder)

    holds()
