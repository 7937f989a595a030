"""Whole programs: each does what its goal says, on a few small images."""

import json
from dataclasses import asdict, replace
from importlib import import_module

import numpy as np
import pytest
from helpers import refused

from jaxmlp.bench import entries, programs
from jaxmlp.bench.entries import ENTRIES, PEERS
from jaxmlp.bench.programs import ALL, OURS, PROGRAM_PARTS, PROGRAMS, Goal
from jaxmlp.bench.scripts.common import configurations, read
from jaxmlp.bench.task import PRESETS


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two classes of images: bright at the left, and bright at the right."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "data.npz"
    arrays = {}
    for split, n in (("train", 48), ("val", 16), ("test", 16)):
        labels = rng.integers(0, 2, n)
        images = rng.integers(0, 100, (n, 4, 4)) + 100 * (labels[:, None, None] == (np.arange(4) < 2))
        arrays |= {f"x_{split}": images.astype(np.uint8), f"y_{split}": labels}
    np.savez(path, **arrays)
    return str(path)


@pytest.mark.parametrize(
    "program",
    [program for program in PROGRAMS if program.name != ALL and not program.compiled],
    ids=lambda program: f"{program.part}, {program.name}",
)
@pytest.mark.usefixtures("without_pictures")
def test_a_program_says_what_it_reaches(program, data, capfd, monkeypatch):
    if absent := entries.missing([program.peer] if program.peer else []):
        pytest.skip(f"{absent[0]} is not installed")
    goal = Goal(data, (4,), 16, 3, 0.1, 0.9, 0.9 if program.part == "target" else 2.0, cores=1, halve=program.halve)
    goal = replace(goal, epochs=30 if program.part == "target" else 3, learning_rates=(0.1, 0.3), momenta=(0.9,))
    goal = replace(goal, l2s=(0.0, 1e-3), rungs=(1,))
    monkeypatch.setattr("sys.argv", ["program", json.dumps(asdict(goal))])
    import_module(f"jaxmlp.bench.scripts.{program.module}").main()
    said = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    if program.part == "process":
        assert 0.5 < said[-1]["test_accuracy"] <= 1
    elif program.part == "target":
        accuracies = [line["validation_accuracy"] for line in said]
        assert accuracies[-1] >= 0.9 > max(accuracies[:-1], default=0)
    else:
        losses = [line["validation_loss"] for line in said]
        assert program.peer or losses == sorted(losses, reverse=True)
        assert 0 < min(losses) < 0.69  # better than a guess


def test_every_program_is_there_and_ours_is_one_of_each_part():
    assert len({(program.part, program.name) for program in PROGRAMS}) == len(PROGRAMS)
    for part in PROGRAM_PARTS:
        assert any(program[:2] == (OURS[part], part) and not program[3] for program in PROGRAMS)
    assert [program.part for program in PROGRAMS if program.name == ALL] == ["search"]
    assert {program.peer for program in PROGRAMS} | {entry.peer for entry in ENTRIES} == {"", *PEERS}


def test_only_the_parts_and_peers_that_are_asked_for_are_run():
    chosen = programs.chosen(["target", "search"], ["optuna"])
    assert [program.peer for program in chosen] == ["", "", "", "optuna"]


def test_examples_are_normalised_image_by_image(data):
    for x, y in read(data):
        assert x.shape == (len(y), 16)
        assert x.mean(axis=1) == pytest.approx(0, abs=1e-6)
        assert x.std(axis=1) == pytest.approx(1, abs=1e-5)


def test_the_search_has_64_trials_whose_steps_are_those_of_other_libraries():
    goal = programs.goal_of(PROGRAMS[-1], "report", PRESETS["report"], "data.npz")
    trials = configurations(asdict(goal))
    assert len(set(trials)) == 64
    assert trials[-1] == (0.4, 0.95, 1e-3)
    assert trials[-1].step == pytest.approx(0.02)


def test_a_target_ends_only_the_training_that_is_measured_by_it():
    goals = {p.part: programs.goal_of(p, "report", PRESETS["report"], "data.npz") for p in PROGRAMS}
    assert goals["target"].target == 0.975
    assert goals["process"].target > 1
    assert goals["search"].target > 1


def test_a_preset_of_made_up_data_is_refused():
    refused(
        ["--preset wide has made-up data", "process, target, search are for report, digits"],
        programs.check_preset,
        "wide",
    )
