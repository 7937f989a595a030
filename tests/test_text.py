"""Plurals, durations, paths and commands as people write them."""

import shlex
import sys
from pathlib import Path

import pytest

from jaxmlp.text import count, duration, short_path, typed


@pytest.mark.parametrize(("number", "text"), [(0, "0 trials"), (1, "1 trial"), (2, "2 trials"), (1000, "1,000 trials")])
def test_only_one_has_no_s(number, text):
    assert count(number, "trial") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.2 s"),
        (8.0, "8.0 s"),
        (89.0, "89 s"),
        (90.0, "2 min"),
        (5_399.0, "90 min"),
        (5_400.0, "1.5 h"),
        (9_000.0, "2.5 h"),
        (86_400.0, "24 h"),
        (4 * 86_400.0, "4 days"),
        (2_000 * 86_400.0, "2,000 days"),
    ],
)
def test_a_duration_has_the_unit_that_suits_it(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("path", "text"), [("runs/a", "runs/a"), ("../a", "../a"), ("/nowhere/a", "/nowhere/a")])
def test_a_path_is_short_below_this_folder_and_left_alone_elsewhere(tmp_path, monkeypatch, path, text):
    monkeypatch.chdir(tmp_path)
    assert short_path(Path(path)) == text
    assert short_path(tmp_path / "runs/a") == "runs/a"


@pytest.mark.parametrize(
    ("started", "line"),
    [
        ("/usr/bin/jaxmlp", "jaxmlp train --out 'a b' --resume"),
        ("/somewhere/jaxmlp.exe", "jaxmlp train --out 'a b' --resume"),
        ("/somewhere/jaxmlp/train/__main__.py", "python -m jaxmlp.train --out 'a b' --resume"),
    ],
)
def test_a_quoted_line_can_be_pasted(monkeypatch, started, line):
    monkeypatch.setattr(sys, "argv", [started])
    assert typed("train", "--out", "a b", "--resume") == line
    assert shlex.split(line)[-2] == "a b"
