"""`--help` is one screen that says what matters; `--help-all` says all."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from jaxmlp.__main__ import COMMANDS
from jaxmlp.cli import slips
from jaxmlp.cli.flags import CHOICES, flags_of, texts_of
from jaxmlp.run import config
from jaxmlp.spec import Hyper


def command_of(name):
    return importlib.import_module(f"jaxmlp.{name}.command").COMMAND


def printed(capsys, monkeypatch, name, flag, columns=100):
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit) as end:
        importlib.import_module(f"jaxmlp.{name}.command").main([flag])
    assert end.value.code == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_one_screen_with_three_examples(capsys, monkeypatch, command):
    lines = printed(capsys, monkeypatch, command, "--help")
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert len([line for line in lines if line.startswith(f"  python -m jaxmlp.{command}")]) == 3
    assert printed(capsys, monkeypatch, command, "-h") == lines


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_help_keeps_to_the_width_of_the_terminal(capsys, monkeypatch, columns):
    lines = printed(capsys, monkeypatch, "train", "--help", columns)
    assert max(len(line) for line in lines if "python -m" not in line) <= min(columns, 100)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_are_no_slips_and_name_files_that_are_shipped(command):
    for example in command_of(command).examples:
        words = shlex.split(example, comments=True)
        slips.check(words, flags_of(command_of(command).kind))
        for word in words:
            if word.endswith(".toml"):
                assert config.load(config.locate(Path(word)))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_flag_has_words_in_the_full_help(capsys, monkeypatch, command):
    text = " ".join(line.strip("│ ") for line in printed(capsys, monkeypatch, command, "--help-all"))
    for flag in flags_of(command_of(command).kind).values():
        assert len(re.sub(r"[A-Z_]{2,}", "", flag.text).split()) >= 2, flag
        assert re.search(rf"{re.escape(flag.name)}(?!\w)", text), flag
        assert " ".join(flag.text.split()[:3]) in text, flag


def test_each_choice_of_what_matters_is_in_the_short_help(capsys, monkeypatch):
    text = " ".join("".join(printed(capsys, monkeypatch, "train", "--help")).split())
    for key in ("activation", "optimizer", "schedule"):
        assert ", ".join(CHOICES[key]) in text


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("epsilon", "adam, adamw, rmsprop"),
        ("decay_rate", "exponential, step, plateau"),
        ("min_delta", "no_improvement, no_improvement_within"),
        ("huber_delta", "huber"),
    ],
)
def test_a_hyperparameter_says_which_rules_read_it(field, expected):
    assert texts_of(Hyper)[field].endswith(f" ({expected}).")
    assert "(" not in texts_of(Hyper)["patience"]  # all of them do


@pytest.mark.parametrize("key", CHOICES)
def test_each_choice_is_in_the_full_help(capsys, monkeypatch, key):
    text = "".join(line.strip("│ ") for line in printed(capsys, monkeypatch, "train", "--help-all"))
    assert "{" + ",".join(CHOICES[key]) + "}" in text
