"""The perceptron command: what it leaves, what it refuses, and that an interruption leaves nothing."""

from pathlib import Path

import numpy as np
import pytest
from helpers import json_lines, refused, summary_of

from jaxmlp.data.config import Data
from jaxmlp.errors import UsageError
from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.perceptron import command as perceptron
from jaxmlp.perceptron import runner
from jaxmlp.perceptron.online import Online
from jaxmlp.perceptron.runner import PerceptronExperiment, compare_thresholds
from jaxmlp.run import config, model
from jaxmlp.run.runner import read_data
from jaxmlp.statistics import SeedStatistics

CONFIGS = Path(__file__).parents[2] / "configs" / "perceptron"
QUICK = ["--data.name", "digits", "--online.max-steps", "2000", "--device", "cpu", "--quiet"]
FILES = {"config.toml", "environment.json", "metrics.jsonl", "summary.json", "model.safetensors", "plots", ".lock"}
PICTURES = {"curves.png", "confusion.png", "weights.png", "mistakes.png"}


def test_a_run_leaves_what_train_leaves(tmp_path):
    assert perceptron.main([*QUICK, "--out", str(tmp_path / "run"), "--network.output-activation", "tanh"]) == 0
    assert {item.name for item in (tmp_path / "run").iterdir()} == FILES
    assert {item.name for item in (tmp_path / "run/plots").iterdir()} == PICTURES
    summary = summary_of(tmp_path / "run")
    assert summary["stop_reason"] in ("threshold", "max_steps")
    assert 0 < summary["steps"] <= 2000
    assert summary["test"].keys() == {"loss", "accuracy", "correct", "count"}
    rows = json_lines(tmp_path / "run/metrics.jsonl")
    assert rows[-1]["step"] == summary["steps"]
    experiment, given = config.read(tmp_path / "run/config.toml", PerceptronExperiment)
    config.check(experiment, given)
    data = read_data(experiment.in_common())
    (again,) = runner.learn(experiment, data, 1).trials  # feeding the config back gives the same run
    assert (again.steps, again.test.correct) == (summary["steps"], summary["test"]["correct"])
    trained = model.load(tmp_path / "run")
    np.testing.assert_array_equal(trained.params[0].w, again.params[0].w)
    images = data.splits.test.x * data.preparation.std
    labels = np.asarray(data.preparation.classes)[np.asarray(data.splits.test.targets)]
    found = trained.predict(images.reshape(-1, *data.preparation.input_shape))
    assert int(np.sum(found == labels)) == summary["test"]["correct"]


def test_many_seeds_have_a_mean_and_a_standard_deviation(tmp_path, capsys):
    flags = [flag for flag in QUICK if flag != "--quiet"]
    assert perceptron.main([*flags, "--out", str(tmp_path), "--seeds", "3", "--seed", "5"]) == 0
    summary = summary_of(tmp_path)
    assert [run["seed"] for run in summary["runs"]] == [5, 6, 7]
    steps = [run["steps"] for run in summary["runs"]]
    accuracies = [run["test"]["accuracy"] for run in summary["runs"]]
    assert summary["steps"] == SeedStatistics.of(steps)._asdict()
    assert summary["test"]["accuracy"]["mean"] == pytest.approx(np.mean(accuracies))
    assert summary["test"]["accuracy"]["std"] == pytest.approx(np.std(accuracies, ddof=1))
    assert summary["test"]["count"] == summary["runs"][0]["test"]["count"]
    assert f"3 seeds: {np.mean(steps):,.0f} ± {np.std(steps, ddof=1):,.0f} steps" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--network.output-activation", "step"], ["step", "derivative is 0"]),
        (["--network.output-activation", "sigmoyd"], ["network.output_activation", "sigmoid"]),
        (["--network.init", "unifrm"], ["network.init", "uniform"]),
        (["--network.init", "zeros", "--online.init-scale", "0.1"], ["online.init_scale", "not read"]),
        (["--online.learning-rat", "1"], ["--online.learning-rate"]),
        (["--hyper.momentum", "0.9"], ["--hyper.momentum", "not known"]),
        (["--online.learning-rate", "0"], ["online.learning_rate", "above 0"]),
        (["--online.threshold", "nan"], ["online.threshold", "at least 0"]),
        (["--online.max-steps", "0"], ["online.max_steps", "at least 1"]),
        (["--seeds", "0"], ["--seeds", "at least 1"]),
        (["--seed", "-1"], ["seed", "at least 0"]),
        (["configs/report/relu.toml"], ["relu.toml", "is no"]),
        (["configs/perceptron/sigmoyd.toml"], ["does not exist", "sigmoid"]),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(arguments, words):
    refused(words, perceptron.read, arguments)


def test_a_folder_in_use_is_refused_until_told_to_overwrite(tmp_path):
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(UsageError, match="--overwrite"):
        perceptron.main([*QUICK, "--out", str(tmp_path)])
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(UsageError, match=r"mine\.txt"):
        perceptron.main([*QUICK, "--out", str(tmp_path), "--overwrite"])


def test_divergence_is_said(tmp_path, capsys):
    arguments = ["--network.output-activation", "identity", "--online.learning-rate", "100"]
    assert perceptron.main([*QUICK, *arguments, "--out", str(tmp_path)]) == 1
    assert "diverged" in capsys.readouterr().err
    assert summary_of(tmp_path)["stop_reason"] == "diverged"


def test_the_configs_and_the_defaults():
    names = sorted(path.stem for path in CONFIGS.glob("*.toml"))
    assert names == ["arctan", "identity", "sigmoid", "tanh"]
    for name in names:
        flags, experiment = perceptron.read([f"configs/perceptron/{name}.toml"])
        assert flags.config is not None
        assert experiment.network.output_activation == name
        assert name in ACTIVATIONS
        text = (CONFIGS / f"{name}.toml").read_text()
        assert f"jaxmlp perceptron configs/perceptron/{name}.toml" in text
    _, default = perceptron.read([])
    _, sigmoid = perceptron.read(["configs/perceptron/sigmoid.toml", "--data.name", "mnist5k"])
    assert default == sigmoid == PerceptronExperiment()
    assert (default.online, default.data) == (Online(0.01, 3e-6, 0.03, 1_000_000), Data(normalise="unit"))


def test_flags_override_the_file(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("seed = 4\n[online]\nlearning_rate = 1\n[data]\nname = 'digits'\n")
    _, experiment = perceptron.read([str(path), "--online.threshold", "0.1"])
    assert experiment.online == Online(learning_rate=1.0, threshold=0.1)
    assert (experiment.seed, experiment.data) == (4, Data(name="digits", normalise="unit"))


def test_thresholds_share_their_seeds():
    experiment = PerceptronExperiment(data=Data(name="digits", normalise="unit"))
    data = read_data(experiment.in_common())
    spec = runner.spec_of(experiment, data)
    online = experiment.online._replace(max_steps=1000, learning_rate=0.1)
    rows = compare_thresholds(spec, online, [0.3, 0.2, 0.0], [0, 1], data.splits)
    assert [row.below for row in rows] == [2, 2, 0]
    means = [row.steps.mean for row in rows]
    assert means == sorted(means)
    assert rows[-1].steps == SeedStatistics(1000.0, 0.0, 1000.0, 1000.0)
    assert rows[0].accuracy.mean < rows[-1].accuracy.mean
