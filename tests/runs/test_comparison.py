"""Runs are compared on the same test examples: McNemar's test for two of them, a t-test over the seeds of configurations."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import refused, write_run

import jaxmlp
from jaxmlp.data.config import Data
from jaxmlp.runs import comparison
from jaxmlp.runs.comparison import chosen, compare, grouped
from jaxmlp.runs.outcomes import Outcomes, obstacle
from jaxmlp.runs.records import read
from jaxmlp.statistics import holm, mcnemar, paired_difference

from .conftest import experiment_of


def records_of(*names):
    return [read(Path("runs") / name) for name in names]


def right(name, npz):
    kept = np.load(npz)
    return jaxmlp.load(f"runs/{name}").predict(kept["x_test"]) == kept["y_test"]


def test_two_runs_are_tested_on_what_each_gets_right(here, npz):
    compared = compare(records_of("a0", "b1"))
    (test,) = compared.pairs
    assert test.result == mcnemar(right("a0", npz), right("b1", npz))
    assert (test.examples, test.corrected) == (20, test.result.p)
    assert compared.keys == ["seed", "hyper.learning_rate"]
    assert compared.obstacles == compared.over_seeds == []


def test_more_runs_are_tested_by_pairs_with_holms_correction(here):
    runs = [*records_of("a0", "b1"), replace(records_of("a2")[0], tree=read(Path("runs/a2")).tree | {"note": 1})]
    compared = compare(runs)
    assert [(t.first.name, t.second.name) for t in compared.pairs] == [
        ("runs/a0", "runs/b1"),
        ("runs/a0", "runs/a2"),
        ("runs/b1", "runs/a2"),
    ]
    assert [t.corrected for t in compared.pairs] == holm([t.result.p for t in compared.pairs])


def test_runs_that_differ_in_the_seed_alone_are_one_configuration(here):
    compared = compare(records_of("a0", "a1", "a2", "b0", "b1"))
    assert [(c.name, len(c.runs)) for c in compared.configurations] == [
        ("learning_rate 0.1", 3),
        ("learning_rate 0.2", 2),
    ]
    (test,) = compared.over_seeds
    of = {run.name[-2:]: run.test["accuracy"] for run in compared.runs}
    assert test.result == paired_difference([of["a0"], of["a1"]], [of["b0"], of["b1"]])
    assert [(t.first.name[-2:], t.second.name[-2:]) for t in compared.pairs] == [("a0", "b0"), ("a1", "b1")]
    over = compared.configurations[0].over_seeds("test", "accuracy")
    assert over.mean == pytest.approx(np.mean([of["a0"], of["a1"], of["a2"]]))


def test_seeds_of_one_configuration_are_tested_against_each_other(here):
    compared = compare(records_of("a0", "a1", "a2"))
    assert [c.name for c in compared.configurations] == ["all runs"]
    assert (len(compared.pairs), compared.over_seeds, compared.keys) == (3, [], ["seed"])


def test_configurations_without_common_seeds_are_not_paired(here):
    compared = compare(records_of("a0", "a1", "b1", "b2"))
    assert compared.over_seeds == []
    assert "share 1 seed: two or more are needed" in compared.obstacles[0]


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"split_seed": 5}, "data.split_seed differ"), ({"validation": 0.5}, "data.validation differ")],
    ids=["seed of the split", "share"],
)
def test_another_split_has_no_test(here, npz, tmp_path, changes, word):
    write_run(tmp_path / "other", experiment_of(npz, data=Data(str(npz), **changes)))
    compared = compare([*records_of("a0"), read(tmp_path / "other")])
    assert compared.pairs == []
    assert word in compared.obstacles[0]


def test_other_normalisation_of_the_same_examples_is_tested(here, npz, tmp_path):
    write_run(tmp_path / "other", experiment_of(npz, data=Data(str(npz), normalise="none")))
    assert len(compare([*records_of("a0"), read(tmp_path / "other")]).pairs) == 1


def test_other_data_have_no_test(here, npz, tmp_path):
    changed = dict(np.load(npz))
    np.savez(tmp_path / "other.npz", **(changed | {"x_test": changed["x_test"] + 1}))
    write_run(tmp_path / "other", experiment_of(tmp_path / "other.npz"))
    assert "learnt other data (" in obstacle(*records_of("a0"), read(tmp_path / "other"))


def test_data_that_are_gone_are_a_reason_and_no_error(here, npz, tmp_path):
    shutil.copy(npz, tmp_path / "mine.npz")
    for seed in (0, 1):
        write_run(tmp_path / f"r{seed}", experiment_of(tmp_path / "mine.npz", seed))
    (tmp_path / "mine.npz").unlink()
    compared = compare([read(tmp_path / "r0"), read(tmp_path / "r1")])
    assert compared.pairs == []
    assert "mine.npz" in compared.obstacles[0]


def test_data_are_read_once_for_all_runs(here, monkeypatch):
    reads, outcomes = [], Outcomes()
    original = comparison.Outcomes._read.__globals__["own"].read_again
    monkeypatch.setattr("jaxmlp.run.own.read_again", lambda *given: reads.append(given) or original(*given))
    for run in records_of("a0", "a1", "b0"):
        outcomes.right(run)
    assert len(reads) == 1


def test_too_many_pairs_are_not_tested(here, monkeypatch):
    monkeypatch.setattr(comparison, "MOST_TESTS", 2)
    assert "there are 3 pairs of runs" in compare(records_of("a0", "a1", "a2")).obstacles[0]


def test_what_has_not_ended_is_left_out(here, tmp_path):
    shutil.copytree("runs/a0", tmp_path / "open")
    (tmp_path / "open/summary.json").unlink()
    said = []
    found = chosen([*records_of("a0", "b0"), read(tmp_path / "open")], said.append)
    assert [run.name for run in found] == ["runs/a0", "runs/b0"]
    assert "is left out: it is unfinished (3 of 100 epochs)" in said[0]
    refused(["1 run can be compared", "runs ls"], chosen, [*records_of("a0"), read(tmp_path / "open")], said.append)


def test_a_run_of_another_score_is_left_out(here, tmp_path):
    values = {"accuracy": None, "r2": 0.5, "loss": 1.0}
    other = replace(read(Path("runs/b0")), path=tmp_path / "values", summary={"test": values})
    said = []
    assert [run.name for run in chosen([other, *records_of("a0", "b1")], said.append)] == ["runs/a0", "runs/b1"]
    assert said == [f"{tmp_path / 'values'} is left out: it is measured by R2, and others are not"]
    refused(["1 run can be compared"], chosen, [*records_of("a0"), other], said.append)


def test_a_file_is_named_as_a_person_would_type_it(here, npz):
    config = {"data.name": str(here / "a.csv"), "data.weight": "", "network.hidden": [64, 32]}
    assert comparison.values_of(config, list(config)) == "name a.csv, weight –, hidden 64-32"


def test_of_a_sweep_the_best_run_is_compared(here, tmp_path):
    shutil.copytree("runs/b0", tmp_path / "sweep/best")
    (tmp_path / "sweep/config.toml").write_text("[grid]\nseeds = 2\n")
    said = []
    found = chosen([*records_of("a0"), read(tmp_path / "sweep")], said.append)
    assert found[1].path == tmp_path / "sweep/best"
    assert "its best run is compared" in said[0]


def test_a_run_that_was_trained_twice_is_paired_and_averaged_once(here):
    (configuration,) = grouped([*records_of("a0", "a1"), *records_of("a0")])
    assert len(configuration.runs) == 3
    assert sorted(configuration.seeds) == [0, 1]
    (once,) = grouped(records_of("a0", "a1"))
    assert configuration.over_seeds("test", "loss") == once.over_seeds("test", "loss")


def test_a_key_that_was_not_given_is_of_the_same_configuration_as_none(here):
    first, second = records_of("a0", "a1")
    assert len(grouped([first, replace(second, tree=second.tree | {"weight": ""})])) == 1
