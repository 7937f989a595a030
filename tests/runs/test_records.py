"""Runs are found below folders, and whatever is wrong with one is said of it."""

import json
import os
import shutil
from pathlib import Path

import pytest
from helpers import refused

from jaxmlp.run import lock, sealed
from jaxmlp.runs import records
from jaxmlp.runs.records import differing, find, read


@pytest.fixture
def copy(here, tmp_path):
    shutil.copytree(here / "runs/a0", tmp_path / "run")
    return tmp_path / "run"


def test_a_run_that_has_ended_is_read(here):
    record = read(Path("runs/a1"))
    assert (record.name, record.kind, record.state, record.note) == ("runs/a1", "run", "ended", "max epochs")
    assert (record.epochs, record.keys["seed"], record.keys["hyper.learning_rate"]) == (3, 1, 0.1)
    assert record.interval[0] < record.test["accuracy"] < record.interval[1]


def test_runs_are_found_below_folders_but_not_within_runs(here, tmp_path):
    assert [path.name for path in find([])] == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert find([Path("runs/b0"), Path("runs/b0")]) == [Path("runs/b0")]
    shutil.copytree("runs/a0", tmp_path / "x/y/run")
    shutil.copytree("runs/a0", tmp_path / "x/y/run/best")
    assert find([tmp_path]) == [tmp_path / "x/y/run"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("a0", ["a0 does not exist", "did you mean runs/a0?"]),
        ("runs/c0", ["runs/c0 does not exist", "did you mean runs/"]),
        ("runs/a0/config.toml", ["is a file"]),
        ("runs/a0/checks", ["does not exist"]),
    ],
)
def test_folders_that_hold_no_run_are_refused(here, given, words):
    refused(words, find, [Path(given)])


def test_without_runs_it_says_where_they_would_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(["no folder runs/ here"], find, [])
    (tmp_path / "runs").mkdir()
    assert find([]) == []
    refused(["holds no run"], find, [Path("runs")])


def cut(path, file, content=None):
    """Remove a file of a run, or replace it."""
    (path / file).unlink() if content is None else (path / file).write_text(content)


@pytest.mark.parametrize(
    ("file", "content", "state", "word"),
    [
        ("summary.json", None, "unfinished", "3 of 100 epochs"),
        ("summary.json", "{", "damaged", "summary.json cannot be read"),
        ("summary.json", '{"format": 2, "sha256": "0"}', "damaged", "does not match its SHA-256"),
        ("summary.json", "{}", "damaged", "cannot be understood (KeyError"),
        ("config.toml", None, "damaged", "config.toml is missing"),
        ("config.toml", "[data", "damaged", "is not TOML"),
        ("config.toml", "", "ended", "max epochs"),
        ("model.safetensors", None, "damaged", "model.safetensors is missing"),
        ("metrics.jsonl", "{}\n", "damaged", "metrics.jsonl is missing or damaged"),
        ("environment.json", "[]", "damaged", "environment.json cannot be read"),
    ],
)
def test_what_is_wrong_with_a_run_is_said(copy, file, content, state, word):
    cut(copy, file, content)
    record = read(copy)
    assert record.state == state
    assert word in record.note


def test_a_run_that_is_written_now_says_by_whom(copy):
    cut(copy, "summary.json")
    with lock.locked(copy):
        record = read(copy)
    assert record.state == "running"
    assert f"3 of 100 epochs, by process {os.getpid()}" in record.note
    assert read(copy).state == "unfinished"


def test_a_sweep_is_known_by_its_grid(tmp_path):
    (tmp_path / "config.toml").write_text("[grid]\nseeds = 2\n")
    (tmp_path / "results.jsonl").write_text("{}\n")
    assert (read(tmp_path).kind, read(tmp_path).note) == ("sweep", "1 trial finished")
    best = {"trial": 1, "test": {"accuracy": 0.5, "correct": 1, "count": 2}}
    summary = {"trials": 2, "statuses": {"max_epochs": 2}, "best": best, "trial_epochs": 9, "seconds": {"total": 1.0}}
    sealed.write_json(tmp_path / "summary.json", summary)
    record = read(tmp_path)
    assert (record.state, record.note, record.epochs) == ("ended", "2 max epochs", 9)
    assert record.test["correct"] == 1
    sealed.write_json(tmp_path / "summary.json", summary | {"best": None})
    assert read(tmp_path).test is None


def test_a_folder_that_may_not_be_read_is_damaged(copy, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(copy))

    monkeypatch.setattr(records, "read_toml", refuse)
    assert "Permission denied" in read(copy).note


@pytest.mark.parametrize(
    ("trees", "keys"),
    [
        ([{"a": 1, "b": 2}, {"a": 1, "b": 2}], []),
        ([{"a": 1, "b": 2}, {"a": 1, "b": 3}], ["b"]),
        ([{"a": 1}, {"a": 1, "b": None}], ["b"]),
        ([{"a": 1}, {"a": 1, "b": ""}], []),
        ([{"a": 1}, {"b": ""}, {"a": 1, "b": "w"}], ["a", "b"]),
        ([{"a": [1, 2]}, {"a": [1, 2]}, {"a": [1]}], ["a"]),
        ([{"a": 1}, {"a": 1.0}], []),
        ([{"a": 1}, {"a": True}], ["a"]),
        ([], []),
    ],
    ids=json.dumps,
)
def test_keys_differ_by_their_values(trees, keys):
    assert differing(trees) == keys
