"""`python -m jaxmlp.sweep` as a user meets it: what is left, refusals, exit codes, and how it is gone on with."""

import csv
import json
import re
import shutil
import signal
from collections import Counter
from functools import partial

import numpy as np
import pytest
from helpers import (
    contents,
    json_lines,
    refused,
    save_clouds,
    summary_of,
    sweep_of,
)

import jaxmlp
from jaxmlp.errors import RunError, UsageError
from jaxmlp.sweep import command as sweep
from jaxmlp.sweep import finish, groups, progress, store
from jaxmlp.train import command as train

GRID = ["--grid", "learning_rate = [0.03, 0.1, 0.3]", "momentum = [0.0, 0.9]"]
LONG = ["--training.max-epochs", "40", "--hyper.patience", "0"]  # some calls of the program


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    return save_clouds(tmp_path_factory.mktemp("data") / "clouds.npz")


@pytest.fixture(scope="module")
def small(npz):
    """Flags of an experiment that takes no time."""
    flags = ["--training.max-epochs", "6", "--training.batch-size", "16", "--network.hidden", "4"]
    return ["--data.name", str(npz), "--data.normalise", "none", *flags]


def rows_of(out):
    return json_lines(out / "results.jsonl")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, small):
    """A sweep over numbers, shapes and seeds, with its pictures."""
    out = tmp_path_factory.mktemp("whole") / "sweep"
    grid = ["--grid", "learning_rate = [0.03, 0.3]", "hidden = [[4], [3, 3]]", "momentum = [0.0, 0.9]"]
    assert sweep.main([*small[:-2], *grid, "--seeds", "2", "--test-all", "--seed", "5", "--out", str(out)]) == 0
    return out


def test_a_row_a_trial_with_exact_counts(whole):
    rows = rows_of(whole)
    assert [row["trial"] for row in rows] == list(range(16))
    assert [row["hyper.learning_rate"] for row in rows] == [0.03] * 8 + [0.3] * 8
    assert [row["network.hidden"] for row in rows[:8]] == [[4]] * 4 + [[3, 3]] * 4
    assert [row["seed"] for row in rows] == [5, 6] * 8
    curves = store.curves(whole)
    for row in rows:
        assert row["validation_accuracy"] == row["validation_correct"] / row["validation_count"]
        assert (row["validation_count"], row["train_count"], row["test_count"]) == (12, 48, 20)
        assert 0 <= row["sparsity"] <= 1
        curve = curves[row["trial"]]
        assert len(curve["train_loss"]) == row["epochs_run"]
        assert (
            curve["validation_loss"][row["best_epoch"] - 1] == row["validation_loss"] == min(curve["validation_loss"])
        )
    with (whole / "results.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [json.loads(line["network.hidden"]) for line in table] == [row["network.hidden"] for row in rows]
    assert [float(line["validation_loss"]) for line in table] == [row["validation_loss"] for row in rows]


def test_the_summary_and_the_best(whole):
    summary, rows = summary_of(whole), rows_of(whole)
    best = min(rows, key=lambda row: row["validation_loss"])
    assert summary["best"]["trial"] == best["trial"]
    assert (summary["trials"], summary["groups"], summary["compiles"]) == (16, 2, 2)
    assert summary["trial_epochs"] == sum(row["epochs_run"] for row in rows)
    assert summary["statuses"] == Counter(row["status"] for row in rows)
    test = summary["best"]["test"]
    assert (test["correct"], test["loss"]) == (best["test_correct"], pytest.approx(best["test_loss"], rel=1e-6))
    low, high = test["interval_95"]
    assert low < test["accuracy"] < high
    assert "What it is not good for" in (whole / "best/README.md").read_text()
    assert {path.name for path in (whole / "plots").iterdir()} >= {"learning_curves.png", "parallel_coordinates.png"}
    assert "optimistic" in (whole / "sweep.html").read_text()


def test_best_is_a_run_that_predict_and_train_take(whole, capsys, npz):
    best = whole / "best"
    model = jaxmlp.load(best)
    with np.load(npz) as data:
        right = int((model.predict(data["x_test"]) == data["y_test"]).sum())
    assert right == summary_of(whole)["best"]["test"]["correct"]
    assert train.main(["--out", str(best), "--resume"]) == 0
    assert "had already ended" in capsys.readouterr().out
    lines = (best / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == summary_of(whole)["best"]["epochs_run"]


@pytest.mark.usefixtures("without_pictures")
def test_best_can_be_trained_on(whole, tmp_path):
    """More epochs after a sweep are the same as a run that had them from the start, to rounding."""
    shutil.copytree(whole / "best", tmp_path / "best")
    flags = ["--training.max-epochs", "9", "--quiet"]
    assert train.main(["--out", str(tmp_path / "best"), "--resume", *flags]) == 0
    assert train.main([str(whole / "best/config.toml"), "--out", str(tmp_path / "alone"), *flags]) == 0
    one, other = (jaxmlp.load(tmp_path / name).params for name in ("best", "alone"))
    for layer, expected in zip(one, other, strict=True):
        np.testing.assert_allclose(layer.w, expected.w, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("without_pictures")
def test_sequential_trials_are_their_solo_runs_to_the_bit(tmp_path, small):
    out = tmp_path / "sweep"
    assert sweep.main([*small, *GRID, "--mode", "sequential", "--quiet", "--out", str(out)]) == 0
    best = summary_of(out)["best"]["trial"]
    for row in rows_of(out):
        numbers = [
            *("--hyper.learning-rate", str(row["hyper.learning_rate"])),
            *("--hyper.momentum", str(row["hyper.momentum"])),
        ]
        alone = tmp_path / f"alone{row['trial']}"
        assert train.main([*small, *numbers, "--quiet", "--out", str(alone)]) == 0
        lines = json_lines(alone / "metrics.jsonl")
        curve = store.curves(out)[row["trial"]]
        assert curve["validation_loss"] == [line["validation"]["loss"] for line in lines]
        assert curve["train_loss"] == [line["train"]["loss"] for line in lines]
        if row["trial"] == best:
            assert (alone / "model.safetensors").read_bytes() == (out / "best/model.safetensors").read_bytes()


@pytest.mark.usefixtures("without_pictures")
def test_a_file_with_a_grid_and_lines_that_replace_its_axes(tmp_path, small):
    (tmp_path / "a.toml").write_text("seed = 3\n[grid]\nlearning_rate = [0.1, 0.2, 0.3]\nseeds = 2\n")
    flags = [str(tmp_path / "a.toml"), *small, "--quiet"]
    assert sweep.main([*flags, "--out", str(tmp_path / "one")]) == 0
    assert len(rows_of(tmp_path / "one")) == 6
    assert (
        sweep.main([*flags, "--grid", "hyper.learning_rate = [0.5]", "--seeds", "1", "--out", str(tmp_path / "two")])
        == 0
    )
    assert [(row["hyper.learning_rate"], row["seed"]) for row in rows_of(tmp_path / "two")] == [(0.5, 3)]
    assert sweep.main([str(tmp_path / "one/config.toml"), "--quiet", "--out", str(tmp_path / "again")]) == 0
    assert sweep_of(tmp_path / "again") == sweep_of(tmp_path / "one")  # the config fed back gives the same sweep


def test_train_says_where_a_sweep_belongs(tmp_path):
    (tmp_path / "a.toml").write_text("[grid]\nlearning_rate = [0.1, 0.2]\n")
    with pytest.raises(UsageError, match=r"\[grid\] belongs to a sweep; run it with python -m jaxmlp.sweep"):
        train.main([str(tmp_path / "a.toml")])


@pytest.mark.usefixtures("without_pictures")
def test_pruning_says_what_it_spared(tmp_path, small, capsys):
    (tmp_path / "a.toml").write_text(
        "[grid]\nlearning_rate = [1e-5, 1e-4, 0.1, 0.3]\n[prune]\nrung_epochs = [2]\nkeep = 0.5\n"
    )
    assert sweep.main([str(tmp_path / "a.toml"), *small, "--out", str(tmp_path / "out")]) == 0
    assert [row["status"] for row in rows_of(tmp_path / "out")][:2] == ["pruned"] * 2
    pruning = summary_of(tmp_path / "out")["pruning"]
    epochs = [row["epochs_run"] for row in rows_of(tmp_path / "out")]
    assert epochs[:2] == [2, 2]
    assert pruning["trial_epochs"] == sum(epochs)
    assert pruning["saved"] == pytest.approx(1 - sum(epochs) / (4 * np.mean(epochs[2:])))
    assert f"pruning spared {100 * pruning['saved']:.0f} %" in capsys.readouterr().out


@pytest.mark.usefixtures("without_pictures")
def test_a_diverged_trial_is_marked_with_epoch_and_cause(tmp_path, small, capsys):
    flags = [*small, "--grid", "learning_rate = [0.1, 1e30]", "--hyper.momentum", "0.0"]
    assert sweep.main([*flags, "--out", str(tmp_path / "one")]) == 0
    good, bad = rows_of(tmp_path / "one")
    assert good["status"] != "diverged"
    assert good["cause"] is None
    assert bad["status"] == "diverged"
    assert re.fullmatch(r"(training|validation) loss is (nan|inf) in epoch \d", bad["cause"])
    flags[len(small) + 1] = "learning_rate = [1e29, 1e30]"
    capsys.readouterr()
    assert sweep.main([*flags, "--out", str(tmp_path / "two"), "--quiet"]) == 1
    out, error = capsys.readouterr()
    assert out == ""
    assert error == "error: every trial diverged: the losses were not finite; try smaller learning rates\n"
    assert summary_of(tmp_path / "two")["best"] is None


def test_a_dry_run_says_what_it_takes_and_writes_nothing(tmp_path, small, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(groups.sizing, "PROBED_STEPS", 2)
    assert sweep.main([*small[:-2], *GRID, "hidden = [[4], [5]]", "--chunk", "1", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("12 trials", "2 groups", "MiB", "72 trial-epochs", "5-4-3", "5-5-3"))
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_what_compiling_took_where_the_process_had_compiled_before(tmp_path, small, monkeypatch):
    monkeypatch.setattr(groups.sizing, "PROBED_STEPS", 2)
    for cache in ("first", "second"):
        monkeypatch.setenv("JAXMLP_CACHE", str(tmp_path / cache))
        assert sweep.main([*small, *GRID, "--chunk", "1", "--dry-run"]) == 0
        (probe,) = json.loads((tmp_path / cache / "chunks.json").read_text()).values()
        assert probe[-1] > 0


@pytest.mark.usefixtures("without_pictures")
def test_a_finished_sweep_is_left_as_it_is(tmp_path, small, capsys):
    out = tmp_path / "sweep"
    assert sweep.main([*small, *GRID, "--quiet", "--out", str(out)]) == 0
    before = contents(out)
    assert sweep.main(["--out", str(out), "--resume"]) == 0
    assert "this sweep had already ended; nothing was changed" in capsys.readouterr().out
    for wrong, words in (
        ([*small, *GRID, "--out", str(out)], "is not empty"),
        (["--out", str(out)], "is not empty; go on with the run in it by --resume"),
        (["--out", str(out), "--resume", "--hyper.l2", "0.1"], r"hyper.l2 \(was 0.0, now 0.1\)"),
        (["--out", str(out), "--resume", "--seeds", "3"], r"grid.seeds \(was 1, now 3\)"),
    ):
        with pytest.raises(UsageError, match=words):
            sweep.main(wrong)
    with pytest.raises(UsageError, match="holds a single run"):
        sweep.main(["--out", str(out / "best"), "--resume"])
    assert contents(out) == before
    assert sweep.main([*small, *GRID, "--quiet", "--out", str(out), "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--grd", "x"], ["--grd", "--grid"]),
        (["--grid", "lerning_rate = [0.1]"], ["lerning_rate", "learning_rate"]),
        (["--grid", "learning_rate = 0.1"], ["learning_rate"]),
        (["--grid", "learning_rate = [0.1"], ["--grid"]),
        (["--grid", "learning_rate = [-1.0]"], ["learning_rate is -1"]),
        (["--grid", "activation = ['rleu']"], ["rleu", "relu"]),
        (["--grid", "beta1 = [0.9]"], ["beta1", "not read"]),
        ([], ["[grid]"]),
        ([*GRID, "--hyper.momentum", "0.5"], ["--hyper.momentum", "axis"]),
        ([*GRID, "--seeds", "0"], ["--seeds"]),
        ([*GRID, "--mode", "paked"], ["--mode", "packed"]),
        ([*GRID, "--chunk", "3"], ["--chunk is 3", "power of two"]),
        ([*GRID, "--chunk", "4", "--mode", "sequential"], ["--chunk", "sequential"]),
        ([*GRID, "--resident", "0"], ["--resident is 0"]),
        ([*GRID, "--checkpoint-seconds", "nan"], ["--checkpoint-seconds"]),
        ([*GRID, "--resume"], ["--out"]),
        ([*GRID, "--resume", "--overwrite", "--out", "x"], ["--resume", "--overwrite"]),
        (["--resume", "--out", "nowhere"], ["nowhere holds no sweep"]),
        (["nowhere.toml"], ["nowhere.toml does not exist"]),
        ([*GRID, "--data.name", "mnst"], ["mnst", "mnist"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage_is_refused_before_anything_is_written(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    refused(words, sweep.main, arguments)
    assert list(tmp_path.iterdir()) == []


def signal_at_the_second_trial(patch, number):
    """Send this process a signal once two trials of a sweep have finished."""
    sent = []

    def on_call_end(_, state):
        if sum(state.by_status.values()) >= 2 and not sent:
            sent.append(number)
            signal.raise_signal(number)

    patch.setattr(progress.SweepBar, "on_call_end", on_call_end)


@pytest.fixture
def signalled(monkeypatch):
    return partial(signal_at_the_second_trial, monkeypatch)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, small):
    """A sweep that was interrupted, for copies to go on with."""
    out = tmp_path_factory.mktemp("stopped") / "sweep"
    with pytest.MonkeyPatch.context() as patch:
        signal_at_the_second_trial(patch, signal.SIGTERM)
        assert sweep.main([*small, *GRID, *LONG, "--chunk", "1", "--out", str(out), "--quiet"]) == 143
    return out


@pytest.fixture
def interrupted(stopped, tmp_path):
    """A copy of it."""
    return shutil.copytree(stopped, tmp_path / "sweep")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, small):
    """What the same sweep has found that nothing interrupted."""
    out = tmp_path_factory.mktemp("uninterrupted") / "sweep"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxmlp.plots.sweep_pictures", lambda *_: {})
        assert sweep.main([*small, *GRID, *LONG, "--chunk", "1", "--out", str(out), "--quiet"]) == 0
    return sweep_of(out)


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_saves_and_says_how_to_go_on(tmp_path, small, capfd, signalled, uninterrupted, number):
    out = tmp_path / "sweep"
    signalled(number)
    flags = [*small, *GRID, *LONG, "--chunk", "1", "--out", str(out)]
    assert sweep.main(flags) == 128 + number
    said = capfd.readouterr()
    assert f"go on with: python -m jaxmlp.sweep --out {out} --resume" in said.out
    assert "saving after this call" in said.err
    with pytest.raises(UsageError, match="begun with --chunk 1: leave --chunk out"):
        sweep.main(["--out", str(out), "--resume", "--chunk", "2"])
    for flags_of_another, words in (
        (["--mode", "sequential"], "begun with --mode packed"),
        (["--resident", "2"], "--resident is 2, but .* was begun with"),
        (["--test-all"], "begun without --test-all"),
        (["--dry-run"], "--dry-run says .* take one of them"),
    ):
        with pytest.raises(UsageError, match=words):
            sweep.main(["--out", str(out), "--resume", *flags_of_another])
    assert sweep.main(["--out", str(out), "--resume"]) == 0
    assert sweep_of(out) == uninterrupted


@pytest.mark.usefixtures("without_pictures")
def test_mode_and_test_all_are_kept_for_going_on(tmp_path, small, signalled):
    out, flags = tmp_path / "sweep", [*small, *GRID, *LONG, "--mode", "sequential", "--test-all", "--quiet", "--out"]
    signalled(signal.SIGTERM)
    assert sweep.main([*flags, str(out)]) == 143
    assert sweep.main(["--out", str(out), "--resume", "--quiet"]) == 0
    assert sweep.main([*flags, str(tmp_path / "whole")]) == 0
    assert sweep_of(out) == sweep_of(tmp_path / "whole")
    assert all(row["test_count"] for row in rows_of(out))


@pytest.mark.usefixtures("without_pictures")
def test_other_data_are_refused(interrupted, npz):
    before = npz.read_bytes()
    try:
        with np.load(npz) as data:
            np.savez(npz, **{name: data[name] + (name == "x_train") for name in data})
        groups.loaded.cache_clear()
        with pytest.raises(RunError, match="was begun on other data"):
            sweep.main(["--out", str(interrupted), "--resume"])
    finally:
        npz.write_bytes(before)
        groups.loaded.cache_clear()


@pytest.mark.usefixtures("without_pictures")
def test_a_probe_is_made_where_it_pays_and_kept(tmp_path, small, monkeypatch):
    asked = []
    probe = groups.sizing.probe
    monkeypatch.setattr(groups.sizing, "PROBED_STEPS", 2)
    monkeypatch.setattr(groups.sizing, "probe", lambda *a, **k: asked.append(1) or probe(*a, **k))
    monkeypatch.setenv("JAXMLP_CACHE", str(tmp_path / "cache"))
    for seconds, out, expected in ((1e9, "guessed", 0), (0.0, "probed", 1), (0.0, "known", 1)):
        monkeypatch.setattr(groups, "PROBE_FROM", seconds)
        assert sweep.main([*small, *GRID, "--quiet", "--out", str(tmp_path / out)]) == 0
        assert len(asked) == expected
    kept = [json.loads((tmp_path / out / "groups.json").read_text())["groups"][0] for out in ("probed", "known")]
    assert [kept[0]["packing"][name] == kept[1]["packing"][name] for name in ("chunk", "epochs", "price")] == [True] * 3
    (tmp_path / "cache/chunks.json").write_text("{damaged")
    assert sweep.main([*small, *GRID, "--quiet", "--out", str(tmp_path / "again")]) == 0
    assert len(asked) == 2


LOSSES = {  # what becomes of the lines of a log
    "lost": lambda lines: [],
    "a line": lambda lines: [lines[0], *lines[2:]],
    "a digit": lambda lines: [lines[0].replace(b"0", b"1", 1), *lines[1:]],
    "twice": lambda lines: [*lines, lines[0]],
}


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("damage", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("log", ["results.jsonl", "curves.jsonl"])
def test_a_damaged_log_costs_no_trial(interrupted, uninterrupted, capfd, log, damage):
    lines = (interrupted / log).read_bytes().splitlines(keepends=True)
    assert len(lines) > 1
    (interrupted / log).write_bytes(b"".join(damage(lines)))
    assert sweep.main(["--out", str(interrupted), "--resume"]) == 0
    said = f"{interrupted / log} is damaged in line 1: written again from units/" in capfd.readouterr().out
    assert said == (damage is LOSSES["a digit"])
    assert sweep_of(interrupted) == uninterrupted


@pytest.mark.usefixtures("without_pictures")
def test_options_are_kept_from_the_first_moment_on(tmp_path, small, monkeypatch):
    """Killed before groups.json is written."""
    out = tmp_path / "sweep"
    with monkeypatch.context() as patch:
        patch.setattr("jaxmlp.sweep.runner.run", killing)
        with pytest.raises(KeyboardInterrupt):
            sweep.main([*small, *GRID, "--mode", "sequential", "--test-all", "--out", str(out), "--quiet"])
    assert not (out / "groups.json").exists()
    assert sweep.main(["--out", str(out), "--resume", "--quiet"]) == 0
    assert store.read_json(out / "groups.json")["sequential"]
    assert all(row["test_count"] for row in rows_of(out))


@pytest.mark.usefixtures("without_pictures")
def test_packing_that_is_lost_is_said_to_be_decided_again(interrupted, capfd):
    (interrupted / "groups.json").unlink()
    assert sweep.main(["--out", str(interrupted), "--resume"]) == 0
    assert f"{interrupted / 'groups.json'} is missing: how trials are packed is decided again" in capfd.readouterr().out


@pytest.mark.usefixtures("without_pictures")
def test_a_changed_name_of_the_data_is_found_in_the_config(interrupted, npz):
    out = interrupted
    text = (out / "config.toml").read_text()
    (out / "config.toml").write_text(text.replace(npz.name, "cl0uds.npz"))
    refused(
        [f"{out / 'config.toml'}: data.name", "cl0uds.npz", "put it back"],
        sweep.main,
        ["--out", str(out), "--resume"],
        error=RunError,
    )
    (out / "config.toml").write_text(text)
    assert sweep.main(["--out", str(out), "--resume", "--quiet"]) == 0


def test_a_changed_name_of_the_data_of_a_finished_sweep_is_said(whole, tmp_path, npz, capsys):
    out = shutil.copytree(whole, tmp_path / "sweep")
    (out / "config.toml").write_text((out / "config.toml").read_text().replace(npz.name, "cl0uds.npz"))
    assert sweep.main(["--out", str(out), "--resume"]) == 0
    said = r"config.toml was changed since the run was begun: data.name \(was .*clouds.npz, now .*cl0uds.npz\)"
    assert re.search(said, capsys.readouterr().out)


def test_a_sweep_without_its_config_can_only_be_overwritten(whole, tmp_path):
    out = shutil.copytree(whole, tmp_path / "sweep")
    (out / "config.toml").unlink()
    words = "bring it back from a copy, or begin anew with --overwrite"
    refused(["holds no sweep to resume (config.toml is missing)", words], sweep.main, ["--out", str(out), "--resume"])
    refused(["is not empty; replace it by --overwrite"], sweep.main, [*GRID, "--out", str(out)])


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("end", ["seed", "[network]", "[grid]"])
def test_a_sweeps_config_that_is_cut_short_is_named_and_the_way_out_works(whole, tmp_path, small, end):
    out = shutil.copytree(whole, tmp_path / "sweep")
    (out / "config.toml").write_text((out / "config.toml").read_text().partition(end)[0])
    words = [f"{out / 'config.toml'} has no [grid]: it was cut short", "or remove it, and begin anew with --overwrite"]
    refused(words, sweep.main, ["--out", str(out), "--resume"], error=RunError)
    (out / "config.toml").unlink()
    assert sweep.main([*small, "--grid", "l2 = [0.1, 0.2]", "--out", str(out), "--overwrite", "--quiet"]) == 0


def test_resuming_reads_the_config_once(whole, monkeypatch):
    read, paths = sweep.sweep_config.read, []
    monkeypatch.setattr(sweep.sweep_config, "read", lambda path: paths.append(path) or read(path))
    sweep.read(["--out", str(whole), "--resume"])
    assert paths == [whole / "config.toml"]


def killing(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("file", ["results.csv", "best/model.safetensors", "best/config.toml", "sweep.html"])
def test_what_a_finished_sweep_lacks_is_written_again(whole, tmp_path, file):
    out = shutil.copytree(whole, tmp_path / "sweep")
    before = (out / file).read_bytes()
    (out / file).unlink()
    assert sweep.main(["--out", str(out), "--resume", "--quiet"]) == 0
    assert file == "sweep.html" or (out / file).read_bytes() == before


DAMAGES = {  # of a sweep that has ended: what is done to the lines of a file, and what is said of it
    "a curve lost": ("curves.jsonl", lambda lines: lines[1:], "curves.jsonl is damaged: writing it again"),
    "a curve twice": ("curves.jsonl", lambda lines: [lines[0], *lines], "curves.jsonl is damaged: writing it again"),
    "a row changed": (
        "results.jsonl",
        lambda lines: [lines[0].replace(b"0", b"1", 1), *lines[1:]],
        "results.jsonl is damaged: writing it again",
    ),
}


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(("file", "damage", "words"), DAMAGES.values(), ids=DAMAGES)
def test_what_a_finished_sweep_has_lost_is_written_again_from_its_units(whole, tmp_path, capsys, file, damage, words):
    out = shutil.copytree(whole, tmp_path / "sweep")
    (out / file).write_bytes(b"".join(damage((out / file).read_bytes().splitlines(keepends=True))))
    shutil.copytree(out, tmp_path / "without")
    assert sweep.main(["--out", str(out), "--resume"]) == 0
    assert words in capsys.readouterr().out
    assert sweep_of(out) == sweep_of(whole)
    shutil.rmtree(tmp_path / "without/units")
    refused(
        ["no", "units", "--overwrite"], sweep.main, ["--out", str(tmp_path / "without"), "--resume"], error=RunError
    )


@pytest.mark.parametrize(("trials", "words"), [([0, 2], "lacks trial 1"), ([0, 1, 1, 2], "more than once")])
def test_a_table_that_does_not_hold_each_trial_once_is_not_finished(tmp_path, trials, words):
    rows = [{"trial": trial} for trial in trials]
    with pytest.raises(RunError, match=words):
        finish._check_complete(tmp_path, rows, 3)
