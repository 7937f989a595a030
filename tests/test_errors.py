"""The exit codes of errors, and hints at the name that was meant."""

import pytest

from jaxmlp.errors import DataError, JaxmlpError, RunError, UsageError, named, nearest, unknown


@pytest.mark.parametrize(
    ("kind", "code", "builtin"), [(UsageError, 2, ValueError), (DataError, 1, ValueError), (RunError, 1, OSError)]
)
def test_every_error_has_its_exit_code(kind, code, builtin):
    assert kind.exit_code == code
    assert issubclass(kind, JaxmlpError)
    assert issubclass(kind, builtin)


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ("seed is -1", "seed is -1"),
        ("no a\nb\x1b[31m.png", r"no a\nb\x1b[31m.png"),
        ("a" * 10_000_000 + "b", "a" * 998 + "..." + "a" * 997 + "b"),
    ],
    ids=["plain", "controls", "long"],
)
def test_a_message_is_one_line_of_limited_length(found, line):
    assert str(DataError(found)) == str(JaxmlpError(found)) == line


def test_lines_that_are_given_stay_apart():
    assert str(DataError("Tried:", "  a\nb")) == "Tried:\n  a\\nb"


def test_a_long_name_is_answered_at_once():
    assert len(str(unknown("activation", "relu" * 100_000, ["relu", "tanh"]))) < 300


@pytest.mark.parametrize(
    ("found", "hint"),
    [
        ("learning_rat", "did you mean learning_rate?"),
        ("lr", "did you mean learning_rate?"),
        ("momentun", "did you mean momentum?"),
        ("xyzzy", "known: learning_rate, momentum, l1, l2"),
        ("l11", "did you mean l1?"),
    ],
)
def test_the_nearest_name_is_hinted_at(found, hint):
    assert nearest(found, ["learning_rate", "momentum", "l1", "l2"]) == hint


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ("rleu", "activation 'rleu' is unknown; did you mean relu? (known: relu, tanh)"),
        ("a", "activation 'a' is unknown; known: relu, tanh"),
    ],
)
def test_an_unknown_name_lists_the_known_ones_once(found, line):
    assert str(unknown("activation", found, ["relu", "tanh"])) == line


@pytest.mark.parametrize(("file", "line"), [("a.toml", "a.toml: seed is -1"), ("", "seed is -1")])
def test_the_file_stands_in_front_of_what_is_wrong_in_it(file, line):
    with pytest.raises(UsageError) as refusal, named(file):
        raise UsageError("seed is -1")
    assert str(refusal.value) == line
