"""`jaxmlp runs`: lists, shows and compares, as tables, as JSON and as a page."""

import html
import re
import shutil

import pytest
from helpers import refused, strict_json

from jaxmlp.runs import command


def test_it_lists_all_runs_and_what_differs(here, capsys):
    assert command.main([]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "runs/" in line]
    assert len(lines) == 6
    assert all("clouds.npz" in line and "no hidden relu" in line and "seed" in line for line in lines)
    assert command.main(["ls", "runs/a0", "runs/b0"]) == 0
    assert "seed" not in capsys.readouterr().out  # both have one, and the learning rate has its column


def test_a_damaged_run_has_its_row(here, tmp_path, capsys):
    shutil.copytree("runs/a0", tmp_path / "hurt")
    (tmp_path / "hurt/config.toml").write_text("[data")
    assert command.main(["ls", str(tmp_path), "runs/a0"]) == 0
    out = capsys.readouterr().out
    assert "damaged: " in out
    assert "is not TOML" in out
    assert "runs/a0" in out


def test_a_list_as_json_has_the_keys_that_differ(here, capsys):
    assert command.main(["ls", "--json"]) == 0
    rows = strict_json(capsys.readouterr().out)
    assert [row["differs"] for row in rows][:2] == [{"seed": 0}, {"seed": 1}]
    assert rows[0]["learning_rate"] == 0.1
    assert rows[0]["state"] == "ended"


def test_one_run_is_shown_with_its_config_and_how_to_go_on(here, capsys):
    assert command.main(["show", "runs/b1"]) == 0
    out = capsys.readouterr().out
    settings = ["hyper.learning_rate = 0.2", 'network.activation = "relu"', "training.shuffle = true"]
    assert all(words in out for words in (*settings, "evaluate runs/b1", "ended: max epochs", "of 20"))
    assert command.main(["show", "runs/b1", "--json"]) == 0
    shown = strict_json(capsys.readouterr().out)
    assert (shown["config"]["seed"], shown["summary"]["epochs_run"], shown["page"]) == (1, 3, None)


@pytest.mark.parametrize("missing", ["summary.json", "model.safetensors", "config.toml"])
def test_a_run_that_lacks_a_file_is_shown(here, tmp_path, capsys, missing):
    shutil.copytree("runs/a0", tmp_path / "hurt")
    (tmp_path / "hurt" / missing).unlink()
    assert command.main(["show", str(tmp_path / "hurt")]) == 0
    out = capsys.readouterr().out
    assert ("unfinished" in out) if missing == "summary.json" else f"damaged: {missing} is missing" in out
    assert ("--resume" in out) == (missing != "config.toml")


def test_configurations_are_compared_and_the_page_says_so(here, tmp_path, capsys):
    assert command.main(["compare", "runs", "--out", str(tmp_path / "page.html")]) == 0
    out = capsys.readouterr().out
    assert "over 3 seeds" in out
    assert "learning_rate 0.1" in out
    raw = (tmp_path / "page.html").read_text()
    text = " ".join(html.unescape(re.sub("<[^>]+>", " ", raw)).split())
    verdict = next(line for line in out.splitlines() if "over 3 seeds" in line)
    assert verdict in text
    assert "seed 0, 1, 2 0, 1, 2 hyper.learning_rate 0.1 0.2" in text  # the keys that differ
    anchors = re.findall('<a href="#([^"]+)"', raw)
    assert set(anchors) == {"config-1", "config-2"} == set(re.findall('<pre id="([^"]+)"', raw))
    assert "runs/a0, epoch 1:" in raw
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', raw.replace("xlink:href", "href")) == []


def test_a_run_with_a_strange_name_is_compared(here, tmp_path, capsys):
    strange = tmp_path / "a\x01<b>\n$x$"
    shutil.copytree("runs/a0", strange)
    assert command.main(["compare", "runs/b0", str(strange), "--out", str(tmp_path / "p.html")]) == 0
    assert "<b>" not in (tmp_path / "p.html").read_text()
    assert "\x01" not in capsys.readouterr().out


def test_two_runs_are_compared_as_json(here, tmp_path, capsys):
    assert command.main(["compare", "runs/a0", "runs/b1", "--out", str(tmp_path / "p.html"), "--json"]) == 0
    compared = strict_json(capsys.readouterr().out)
    assert compared["differing_keys"]["hyper.learning_rate"] == {"runs/a0": "0.1", "runs/b1": "0.2"}
    (test,) = compared["mcnemar"]
    assert (test["examples"], test["p"]) == (20, test["p_holm"])
    assert (tmp_path / "p.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lst"], ["'lst' is no action (ls, show, compare) and no folder", "did you mean ls?"]),
        (["show"], ["show takes one run: say which"]),
        (["show", "runs"], ["show takes one run, and 6 are given"]),
        (["compare"], ["two or more runs"]),
        (["compare", "runs/a0"], ["1 run can be compared"]),
        (["ls", "--out", "x.html"], ["--out is for compare"]),
        (["compare", "runs", "--out", "x.txt"], ["x.txt", "accepted is FILE.html"]),
        (["compare", "runs", "--out", "gone/x.html"], ["there is no folder gone"]),
        (["ls", "--jsn"], ["--jsn", "did you mean --json?"]),
    ],
    ids=" ".join,
)
def test_slips_cost_one_line(here, arguments, words):
    refused(words, command.main, arguments)


def test_a_folder_where_the_page_should_be_is_refused(here, tmp_path):
    (tmp_path / "x.html").mkdir()
    refused(["is a folder"], command.main, ["compare", "runs", "--out", str(tmp_path / "x.html")])
