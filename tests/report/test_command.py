"""The report command: every experiment kept as it is finished, theirs beside ours, and a page that stands alone."""

import json
import re

import pytest
from helpers import refused

from jaxmlp.report import command, parts, runner
from jaxmlp.report.published import CRITERION, ERRATA, EXPERIMENTS, GRADIENTS

ONLY = [
    "--data.name",
    "digits",
    "--seeds",
    "2",
    "--quiet",
    "--only",
    "softmax",
    "l1",
    "perceptron_sigmoid",
    "thresholds",
    "readings_softmax",
]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "LEAST_SEEDS", 2)
        read = parts._read_perceptron
        patch.setattr(parts, "_read_perceptron", lambda *a: shortened(read(*a)))
        assert command.main([*ONLY, "--out", str(out)]) == 0
    return out


def shortened(experiment):
    from dataclasses import replace

    return replace(experiment, online=experiment.online._replace(max_steps=2_000))


def test_results_have_theirs_and_ours_under_the_same_keys(page):
    found = json.loads((page / "results.json").read_text())
    assert set(found["experiments"]) == {"softmax", "l1"}
    for name, experiment in found["experiments"].items():
        assert experiment["report"]["test_accuracy"] == EXPERIMENTS[name].test_accuracy
        for key in experiment["report"]:
            ours = experiment["ours"][key]
            assert set(ours) == {"mean", "std", "min", "max"}
            assert ours["min"] <= ours["mean"] <= ours["max"]
        runs = found["parts"][name]["runs"]
        assert [run["seed"] for run in runs] == [0, 1]
        assert experiment["ours"]["test_correct"] == [run["test"]["correct"] for run in runs]
        assert all(len(run["curves"]["train_loss"]) == run["epochs_run"] for run in runs)


def test_pages_and_figures_are_there_and_stand_alone(page):
    html = (page / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert "Not the documents" in html  # digits are no MNIST
    assert html.count("data:image/png;base64,") == 4  # two of curves, the weights, the perceptron
    assert "itself is met" in html  # the conclusion of the readings
    markdown = (page / "report.md").read_text()
    for name in re.findall(r"\]\((figures/\w+\.png)\)", markdown):
        assert (page / name).read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (page / name).with_suffix(".svg").read_text()[:1000]


def test_finished_parts_are_not_run_again(page, monkeypatch):
    def refuse(*_args, **_more):
        raise AssertionError("this part was kept")

    monkeypatch.setattr(runner, "fit_trials", refuse)
    before = (page / "parts" / "softmax.json").read_bytes()
    assert command.main([*ONLY[:6], "softmax", "l1", "--out", str(page)]) == 0
    assert (page / "parts" / "softmax.json").read_bytes() == before
    with pytest.raises(AssertionError, match="kept"):  # other seeds are another part
        command.main(["--data.name", "digits", "--seeds", "3", "--quiet", "--only", "softmax", "--out", str(page)])


def test_what_is_said_of_table_1_follows_from_its_rows():
    words = {3: "three", 4: "four", 5: "five", 6: "six"}
    breaking = sum(row.difference > CRITERION for row in GRADIENTS)
    assert f"{words[breaking]} of its {words[len(GRADIENTS)]} rows do not" in " ".join(ERRATA)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "sofmax"], "did you mean softmax"),
        (["--seeds", "0"], "at least 1"),
        (["--seed", "3"], "--seeds"),
    ],
)
def test_wrong_usage_is_one_line(arguments, message):
    refused([message], command.main, arguments)
