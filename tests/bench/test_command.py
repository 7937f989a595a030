"""The bench command: what it refuses, prints and writes."""

import os

import pytest
from bench.conftest import made_up
from helpers import command as words
from helpers import end_of, refused, start, strict_json, users_environment

from jaxmlp.bench import accelerator, command, entries, modes, running
from jaxmlp.bench.entries import GRID, LIMIT, RUN
from jaxmlp.bench.measuring import Measurement
from jaxmlp.errors import JaxmlpError


@pytest.fixture
def measured(monkeypatch):
    """Nothing is run: what is to be measured is kept, and the numbers are made up. skorch fails."""
    calls = []

    def measure(jobs, rounds, say):
        calls.append((jobs[0].task, rounds))
        return [
            Measurement(entry, [], failure="boom") if entry.name == "skorch" else made_up(entry.name, seconds=0.1)
            for entry, _, _ in jobs
        ]

    monkeypatch.setattr(modes, "measure", measure)
    monkeypatch.setattr(entries, "find_spec", lambda module: module not in ("keras", "flax") or None)
    return calls


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--preset dijits", ["--preset 'dijits' is unknown; did you mean digits?"]),
        ("--peers kears", ["--peers 'kears' is unknown; did you mean keras"]),
        ("--parts runs", ["--parts 'runs' is unknown; did you mean run?"]),
        ("--parts run search", ["--parts run measure an epoch, search whole programs", "the one or the other"]),
        ("--parts search --preset wide", ["--preset wide has made-up data", "report, digits"]),
        ("--parts target --trials 3", ["--trials is not read by --parts target: leave it out"]),
        ("--rounds 0", ["--rounds", "0", "at least 1"]),
        ("--device tpu", ["--device 'tpu' is unknown; did you mean", "gpu"]),
        ("--growth --peers torch", ["--growth measures our own training and grid: leave out --peers and --parts"]),
        ("--shares --parts run", ["--shares measures our training and PyTorch's: leave out --peers and --parts"]),
        ("--shares --growth", ["--growth and --shares are two measurements"]),
        ("--preset accelerator --peers torch", ["--peers is not read by --preset accelerator: leave it out"]),
        ("--preset accelerator --plot a.png", ["--plot is not read by --preset accelerator"]),
        ("--json no/such/folder/b.json", ["--json no/such/folder/b.json: no/such/folder is no folder"]),
        ("--json .", ["--json .: . is a folder"]),
        ("--plot b.pdf", ["--plot b.pdf ends in '.pdf'; accepted is .png or .svg"]),
        ("--plot b", ["--plot b ends in 'nothing'; accepted is .png or .svg"]),
    ],
)
def test_it_refuses_before_it_measures(measured, arguments, said):
    refused(said, command.main, arguments.split())
    assert measured == []


def test_sizes_are_those_of_the_preset_unless_given(measured):
    for flags in ([], ["--examples", "300", "--trials", "5", "--rounds", "2"]):
        assert command.main(["--preset", "digits", "--peers", "none", "--quiet", *flags]) == 0
    (preset, rounds), (given, two) = measured
    assert (preset.examples, preset.trials, rounds) == (1_150, 1_000, 7)
    assert (given.examples, given.trials, two) == (300, 5, 2)
    assert given.sizes == preset.sizes


def test_peers_that_are_not_installed_are_named_with_what_brings_them(measured, capsys):
    assert command.main(["--parts", "run", "--peers", "numpy", "keras", "flax"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "report: 784-128-10, 48,000 examples, batch 128; 4 entries"
    assert lines[1] == "not installed: keras, flax; pip install keras flax"


def test_one_that_fails_costs_a_line_and_the_others_stand(measured, capsys, tmp_path):
    assert command.main(["--peers", "skorch", "numpy", "--parts", "run", "--json", str(tmp_path / "b.json")]) == 1
    captured = capsys.readouterr()
    assert captured.err == "error: skorch failed: boom\n"
    assert "NumPy by hand" in captured.out
    assert strict_json((tmp_path / "b.json").read_text())["entries"][-1]["failure"] == "boom"


@pytest.mark.parametrize("name", ["b.png", "b.svg"])
def test_the_chart_is_written(measured, tmp_path, name):
    assert command.main(["--peers", "numpy", "--plot", str(tmp_path / name), "--quiet"]) == 0
    assert (tmp_path / name).stat().st_size > 5_000


def test_growth_is_a_row_and_a_line_for_each_size(measured, capsys, tmp_path):
    flags = ["--growth", "--rounds", "2", "--json", str(tmp_path / "g.json"), "--plot", str(tmp_path / "g.png")]
    assert command.main(["--preset", "digits", *flags]) == 0
    axes = [grown["axis"] for grown in strict_json((tmp_path / "g.json").read_text())["growth"]]
    assert axes == ["epochs", "examples", "width", "depth", "batch", "trials"]
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[-6:]] == axes
    assert (tmp_path / "g.png").stat().st_size > 5_000


def test_shares_are_a_table_and_a_map_over_batch_and_width(measured, capsys, tmp_path):
    flags = ["--shares", "--rounds", "2", "--json", str(tmp_path / "s.json"), "--plot", str(tmp_path / "s.png")]
    assert command.main(["--preset", "digits", *flags]) == 0
    cells = strict_json((tmp_path / "s.json").read_text())["shares_of_large_product"]
    assert [cell["batch"] for cell in cells[::5]] == [16, 64, 256, 1024, 4096]
    assert cells[0]["shares"] == {RUN: 1.0, "PyTorch, eager": 1.0}
    assert [len(measured), measured[-1][0].batch, measured[-1][0].hidden] == [25, 4096, (2048,)]
    out = capsys.readouterr().out
    assert out.count("100%") == 50
    assert out.index(RUN) < out.index("PyTorch, eager")
    assert (tmp_path / "s.png").stat().st_size > 5_000


def test_programs_are_run_and_one_that_fails_costs_a_line(monkeypatch, capsys, tmp_path):
    def run(words, more=None):
        return "boom" if "sklearn" in words[2] else running.Run(2.0, 10**8, [running.Line(1.5, {"test_accuracy": 0.9})])

    monkeypatch.setattr(running, "run", run)
    flags = (
        f"--preset digits --parts process --peers sklearn --rounds 2 --json {tmp_path}/p.json --plot {tmp_path}/p.png"
    )
    assert command.main(flags.split()) == 1
    captured = capsys.readouterr()
    assert captured.err == "error: scikit-learn failed: boom\n"
    assert captured.out.splitlines()[0] == "digits: 64-32-10 on digits; 3 programs"
    ours, again, theirs = strict_json((tmp_path / "p.json").read_text())["programs"]
    assert (ours["seconds"], again["seconds"], theirs["failure"]) == ([2.0, 2.0], [2.0, 2.0], "boom")
    assert (tmp_path / "p.png").stat().st_size > 5_000


def accelerated(folder, monkeypatch, flags=""):
    """What the preset accelerator writes and says, of made-up numbers; its sweep takes 3 s."""
    monkeypatch.setattr(accelerator, "check_device", lambda device: None)
    monkeypatch.setattr(accelerator, "missing", lambda _: ["torch"])
    monkeypatch.setattr(running, "run", lambda words, more=None: running.Run(3.0, 10**8, []))
    assert command.main(f"--preset accelerator {flags} --json {folder}/a.json".split()) == 0
    return strict_json((folder / "a.json").read_text())


def test_an_accelerator_is_measured_in_each_precision_and_by_grids(measured, monkeypatch, capsys, tmp_path):
    tree = accelerated(tmp_path, monkeypatch, "--trials 1000")
    assert [task.device for task, _ in measured] == ["gpu"] * 4
    assert {rounds for _, rounds in measured} == {accelerator.ROUNDS}
    names = [row["name"] for row in tree["rows"]]
    assert names[:3] == [LIMIT, accelerator.DEFAULT_LIMIT, accelerator.ROUNDED_LIMIT]
    assert names[-2:] == ["jaxmlp grid, bfloat16, 64 trials", "jaxmlp grid, delta rule, 256 trials"]
    assert {row["share_of_large_product"] for row in tree["rows"]} == {1.0}
    assert tree["sweep"] == {"data": "mnist", "trials": 1_000, "epochs": 20, "seconds": 3.0, "failure": ""}
    assert "1,000 trials x 20 epochs of mnist: 3.0 s" in capsys.readouterr().out


def test_what_an_accelerator_has_no_time_for_is_named(measured, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(accelerator, "SECONDS", -1.0)
    tree = accelerated(tmp_path, monkeypatch)
    assert (measured, tree["rows"], tree["sweep"]) == ([], [], None)
    assert tree["no_time_for"][-2:] == ["jaxmlp grid, delta rule, 4,096 trials", "jaxmlp sweep"]
    assert "no time for: large product, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("jaxmlp grid, bfloat16", accelerator.ROUNDED_LIMIT),
        ("jaxmlp, default precision", accelerator.DEFAULT_LIMIT),
        ("PyTorch, eager", LIMIT),
    ],
)
def test_a_share_is_of_the_large_product_in_the_same_precision(name, limit):
    assert accelerator.limit_of(name) == limit


def test_without_the_device_nothing_is_measured():
    refused(
        ["--preset accelerator: JAX has no gpu here", "--device cpu"],
        accelerator.check_device,
        "gpu",
        error=JaxmlpError,
    )


@pytest.mark.whole_programs
def test_it_measures_all_entries_and_they_come_to_one_loss(tmp_path):
    flags = "--preset digits --examples 64 --trials 4 --rounds 1 --peers numpy --parts run --json b.json"
    quickly_compiled = users_environment(XLA_FLAGS=os.environ["XLA_FLAGS"])
    code, out, error = end_of(start(words("bench"), *flags.split(), cwd=tmp_path, env=quickly_compiled))
    assert (code, error) == (0, "")
    tree = strict_json((tmp_path / "b.json").read_text())
    found = {entry["name"]: entry for entry in tree["entries"]}
    assert list(found) == [RUN, "jaxmlp, delta rule", "jaxmlp, bfloat16", "NumPy by hand"]
    assert GRID not in out
    assert not any(entry["loss_is_off"] for entry in found.values())
    assert (found[RUN]["device"], found["NumPy by hand"]["device"]) == ("cpu", "")
    assert found[RUN]["loss"] == pytest.approx(found["jaxmlp, delta rule"]["loss"], rel=1e-4)
    assert all(len(entry["seconds"]) == 1 for entry in found.values())
