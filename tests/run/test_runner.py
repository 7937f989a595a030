"""A run that is stopped, killed, damaged or out of disk goes on to the same bits as the run that was not."""

import errno
import json
import math
import os
import re
import shutil
from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest
from helpers import contents, flipped, json_lines, refused, run_of, strict_json, summary_of
from safetensors.numpy import load_file

from jaxmlp.data.config import Data
from jaxmlp.errors import RunError
from jaxmlp.run import checkpoints, config, directory, lock, metrics, runner, sealed
from jaxmlp.run.config import Experiment
from jaxmlp.spec import Hyper, Network, Training
from jaxmlp.tracking.names import TRACKERS
from jaxmlp.training import fitting
from jaxmlp.training.callbacks import Callbacks

EPOCHS = 8


class Killed(BaseException):
    """As abrupt as a kill: nothing in the program catches it."""


class Recorder(Callbacks):
    """Remembers the messages; stops the run after so many epochs, if asked to."""

    def __init__(self, stop_after=0):
        self.messages, self.stop_after, self.epochs, self.finished = [], stop_after, 0, False

    def on_message(self, text):
        self.messages.append(text)

    def on_train_begin(self, done, max_epochs, examples):
        self.done = done

    def on_epoch_end(self, epoch):
        self.epochs += 1

    def on_train_end(self):
        self.finished = True

    def should_stop(self):
        return self.epochs == self.stop_after


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    """Small images of noise with a little signal, in three classes of strings."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    images = rng.normal(size=(90, 4, 4)) + labels[:, None, None]
    names = np.asarray(["ant", "bee", "cat"])[labels]
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez(path, x_train=images[:60], y_train=names[:60], x_test=images[60:], y_test=names[60:])
    return path


CASES = {
    "momentum": (False, "momentum", "constant", Hyper(patience=0)),
    "adam, dropout": (True, "adam", "cosine", Hyper(patience=0, learning_rate=0.01, dropout_rate=0.3)),
    "early stopping": (False, "momentum", "constant", Hyper(patience=3, learning_rate=4.0, momentum=0.0)),
    "float64, cut on plateaus": (False, "nesterov_velocity", "plateau", Hyper(patience=1, learning_rate=2.0)),
}


def experiment_of(npz, case="momentum", *, max_epochs=EPOCHS):
    dropout, optimizer, schedule, hyper = CASES[case]
    dtype = "float64" if "float64" in case else "float32"
    training = Training(optimizer, schedule, batch_size=16, max_epochs=max_epochs, dtype=dtype)
    return Experiment(Data(name=str(npz), normalise="unit"), Network(hidden=(5,), dropout=dropout), training, hyper)


def go(experiment, out, *, resume=False, stop_after=0, kill_after=0, checkpoint_seconds=0.0):
    """A run as the train command starts it; returns its outcome and its callbacks."""
    data = runner.read_data(experiment)
    if resume:
        directory.reopen(out, experiment)
    else:
        directory.create(out, experiment, overwrite=False)
    callbacks = Recorder(stop_after)

    original = metrics.append

    def append(path, epoch):
        original(path, epoch)
        if epoch.epoch == kill_after:  # in metrics.jsonl, and in no checkpoint yet
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner.metrics, "append", append)
        outcome = runner.run(experiment, data, out, callbacks, checkpoint_seconds=checkpoint_seconds)
    return outcome, callbacks


@pytest.fixture(scope="module")
def uninterrupted(npz, tmp_path_factory):
    """The bits of the run that is left alone, for each case."""

    @cache
    def train(case, max_epochs=EPOCHS):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runner.pictures, "draw", lambda *_: None)
            patch.setattr(runner.page, "write", lambda *_: None)
            out = tmp_path_factory.mktemp("whole") / "run"
            go(experiment_of(npz, case, max_epochs=max_epochs), out)
            return run_of(out)

    return train


@pytest.fixture(scope="module")
def whole(npz, tmp_path_factory, drawn_pages):
    """A run with all its files."""
    out = tmp_path_factory.mktemp("whole") / "run"
    outcome, callbacks = go(experiment_of(npz), out)
    return out, outcome, callbacks


def test_a_run_leaves_all_its_files_and_no_others(whole):
    out, _, _ = whole
    found = {path.relative_to(out).as_posix() for path in out.rglob("*")}
    fixed = {name for name in directory.RUN.patterns if "*" not in name and name not in lock.FILES}
    fixed -= {name for name in fixed if name.startswith("export")}  # of another command
    fixed -= {f"plots/{name}" for name in (directory.PREDICTED, directory.LABEL_RATES)}  # of values, and of label sets
    fixed -= TRACKERS.keys()  # none was asked for
    checkpoints = found - fixed
    assert fixed <= found
    assert len(checkpoints) == 2
    assert all(re.fullmatch(r"checkpoints/epoch-00000[78]\.[0-9a-f]{16}\.safetensors", name) for name in checkpoints)
    assert directory.check_new(out, overwrite=True)  # it knows them all as its own
    for picture in (out / "plots").iterdir():
        assert picture.read_bytes().startswith(b"\x89PNG")
    assert (out / "run.html").read_text().count("<svg") == 3  # curves, calibration, learning rate


def test_the_summary_says_how_it_ended(whole):
    out, outcome, _ = whole
    summary = sealed.read_json(out / "summary.json")
    assert summary == outcome.summary

    for split, count in (("validation", 12), ("test", 30)):
        part = summary[split]
        assert part.keys() == {"loss", "accuracy", "correct", "count"}
        assert part["count"] == count
        assert part["accuracy"] == part["correct"] / count
        assert part["loss"] > 0
    assert (summary["epochs_run"], summary["stop_reason"]) == (EPOCHS, "max_epochs")
    assert 1 <= summary["best_epoch"] <= EPOCHS
    seconds = summary["seconds"]
    assert seconds.keys() == {"compile", "train", "total"}
    assert seconds["compile"] + seconds["train"] < seconds["total"]
    assert summary["examples_per_second"] == pytest.approx(48 * EPOCHS / seconds["train"])
    assert summary["parameters"] == 16 * 5 + 5 + 5 * 3 + 3


def test_metrics_have_a_line_an_epoch(whole):
    out, outcome, _ = whole
    rows = json_lines(out / "metrics.jsonl")
    assert [row["epoch"] for row in rows] == list(range(1, EPOCHS + 1))
    for row in rows:
        assert row.keys() == {"epoch", "learning_rate", "train", "validation", "seconds"}
        assert (row["train"]["count"], row["validation"]["count"]) == (48, 12)
        assert row["seconds"] > 0
    best = min(rows, key=lambda row: row["validation"]["loss"])
    assert best["epoch"] == outcome.summary["best_epoch"]
    assert best["validation"]["correct"] == outcome.summary["validation"]["correct"]


def test_the_environment_is_recorded(whole):
    environment = strict_json((whole[0] / "environment.json").read_text())
    assert environment["versions"].keys() >= {"jaxmlp", "python", "jax", "jaxlib", "optax", "numpy"}
    assert environment["device"]["platform"] == jax.devices()[0].platform
    assert (environment["seed"], environment["prng"]) == (0, "threefry2x32")
    assert environment["data"]["origin"].endswith("small.npz")


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("case", CASES)
def test_a_run_that_was_stopped_and_resumed_ends_in_the_same_bits(npz, tmp_path, uninterrupted, case):
    experiment = experiment_of(npz, case)
    with jax.numpy_dtype_promotion("standard" if "adam" in case else "strict"):  # optax's adam asks for it
        model, rows, summary = uninterrupted(case)
        last = summary["epochs_run"]
        if case == "early stopping":
            assert summary["stop_reason"] == "early_stopping"
            assert 3 < last < EPOCHS
        stop_and_resume(experiment, tmp_path, last, (model, rows, summary))


def stop_and_resume(experiment, tmp_path, last, expected):
    for k in sorted({1, 3, last - 1, last}):
        out = tmp_path / str(k)
        outcome, _ = go(experiment, out, stop_after=k, checkpoint_seconds=1e9)
        assert outcome == (None, k)
        assert not (out / "summary.json").exists()
        outcome, callbacks = go(experiment, out, resume=True)
        assert callbacks.done == k
        assert outcome.epochs_run == last
        assert run_of(out) == expected


@pytest.mark.usefixtures("without_pictures")
def test_a_run_that_is_stopped_after_every_epoch_ends_in_the_same_bits(npz, tmp_path, uninterrupted):
    out = tmp_path / "run"
    for epoch in range(EPOCHS):
        go(experiment_of(npz), out, stop_after=1, resume=epoch > 0)
    go(experiment_of(npz), out, resume=True)
    assert run_of(out) == uninterrupted("momentum")


@pytest.mark.usefixtures("without_pictures")
def test_a_kill_leaves_metrics_beyond_the_checkpoint_and_half_a_line(npz, tmp_path, uninterrupted):
    out, experiment = tmp_path / "run", experiment_of(npz)
    go(experiment, out, stop_after=3)
    with pytest.raises(Killed):
        go(experiment, out, resume=True, kill_after=6, checkpoint_seconds=1e9)
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 7, "learning_ra')
    assert len(metrics.read(out)) == 6
    _, callbacks = go(experiment, out, resume=True)
    assert callbacks.done == 3
    assert run_of(out) == uninterrupted("momentum")


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("kill_after", [1, 5])
def test_killed_before_the_first_checkpoint_it_starts_anew_and_says_so(npz, tmp_path, uninterrupted, kill_after):
    out, experiment = tmp_path / "run", experiment_of(npz)
    with pytest.raises(Killed):
        go(experiment, out, kill_after=kill_after, checkpoint_seconds=1e9)
    _, callbacks = go(experiment, out, resume=True)
    assert any("has no checkpoint: starting from epoch 0" in line for line in callbacks.messages)
    assert run_of(out) == uninterrupted("momentum")


@pytest.mark.usefixtures("without_pictures")
def test_killed_before_the_first_epoch_it_starts_anew_and_says_so(npz, tmp_path, uninterrupted, monkeypatch):
    out, experiment = tmp_path / "run", experiment_of(npz)
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_begin", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            go(experiment, out)
    _, callbacks = go(experiment, out, resume=True)
    assert any("starting from epoch 0" in line for line in callbacks.messages)
    assert run_of(out) == uninterrupted("momentum")


def test_a_new_run_says_nothing_of_resuming(whole):
    assert len(whole[2].messages) == 1
    assert "48 / 12 / 30 train, validation, test examples" in whole[2].messages[0]


@pytest.mark.usefixtures("without_pictures")
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(npz, tmp_path, uninterrupted):
    out, experiment = tmp_path / "run", experiment_of(npz)
    go(experiment, out, stop_after=5)
    newest = sorted((out / "checkpoints").iterdir())[-1]
    blob = newest.read_bytes()
    newest.write_bytes(flipped(blob, len(blob) - 3))
    _, callbacks = go(experiment, out, resume=True)
    assert callbacks.done == 4
    assert any(str(newest) in line and "damaged" in line and "epoch 4" in line for line in callbacks.messages)
    assert run_of(out) == uninterrupted("momentum")


@pytest.mark.usefixtures("without_pictures")
def test_where_all_checkpoints_are_damaged_nothing_is_lost(npz, tmp_path, uninterrupted):
    out, experiment = tmp_path / "run", experiment_of(npz)
    go(experiment, out, stop_after=5)
    whole = {path: path.read_bytes() for path in (out / "checkpoints").iterdir()}
    for path, blob in whole.items():
        path.write_bytes(blob[:-10])
    before = contents(out)
    with pytest.raises(RunError, match="no checkpoint can be used"):
        go(experiment, out, resume=True)
    assert contents(out) == before
    for path, blob in whole.items():
        path.write_bytes(blob)
    go(experiment, out, resume=True)
    assert run_of(out) == uninterrupted("momentum")


DAMAGE = {
    "lost": lambda lines: [],
    "cut": lambda lines: lines[:3],
    "a digit": lambda lines: [lines[0].replace(b'"epoch": 1', b'"epoch": 2'), *lines[1:]],
    "a line": lambda lines: [*lines[:2], b"\xff\x00\n", *lines[3:]],
}


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_log_costs_nothing(npz, tmp_path, uninterrupted, damage):
    out, experiment = tmp_path / "run", experiment_of(npz)
    go(experiment, out, stop_after=5)
    lines = (out / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (out / "metrics.jsonl").write_bytes(b"".join(damage(lines)))
    _, callbacks = go(experiment, out, resume=True)
    assert any("metrics.jsonl" in line and "from the checkpoint" in line for line in callbacks.messages)
    assert run_of(out) == uninterrupted("momentum")


@pytest.mark.usefixtures("without_pictures")
def test_more_epochs_equal_a_run_that_had_them_from_the_start(npz, tmp_path, uninterrupted):
    out = tmp_path / "run"
    go(experiment_of(npz), out)
    (out / "export").mkdir()
    _, callbacks = go(experiment_of(npz, max_epochs=EPOCHS + 3), out, resume=True)
    assert any("export may hold earlier weights" in line for line in callbacks.messages)
    assert run_of(out) == uninterrupted("momentum", EPOCHS + 3)
    assert directory.saved_tree(out)["training"]["max_epochs"] == EPOCHS + 3


@pytest.mark.usefixtures("without_pictures")
def test_other_data_than_before_are_refused(npz, tmp_path):
    mine = tmp_path / "mine.npz"
    mine.write_bytes(npz.read_bytes())
    out, experiment = tmp_path / "run", experiment_of(mine)
    go(experiment, out, stop_after=2)
    with np.load(npz) as file:
        arrays = dict(file)
    arrays["x_train"][0, 0, 0] += 1
    np.savez(mine, **arrays)
    before = contents(out)
    with pytest.raises(RunError, match="was begun on other data"):
        go(experiment, out, resume=True)
    assert contents(out) == before


@pytest.mark.usefixtures("without_pictures")
def test_another_environment_is_said(npz, tmp_path):
    out, experiment = tmp_path / "run", experiment_of(npz)
    go(experiment, out, stop_after=2)
    environment = sealed.read_json(out / "environment.json")
    environment["versions"]["jax"] = "0.0"
    sealed.write_json(out / "environment.json", environment)
    _, callbacks = go(experiment, out, resume=True)
    assert any("other versions than it was begun with" in line for line in callbacks.messages)


@pytest.mark.usefixtures("without_pictures")
def test_a_run_that_diverges_keeps_finite_weights(npz, tmp_path):
    experiment = experiment_of(npz)
    hyper = Hyper(learning_rate=1e38, patience=0)
    outcome, _ = go(Experiment(experiment.data, experiment.network, experiment.training, hyper), tmp_path / "run")
    summary = summary_of(tmp_path / "run")
    assert summary["stop_reason"] == "diverged"
    assert summary["diverged"] == {"epoch": outcome.epochs_run, "learning_rate": pytest.approx(1e38)}
    last = json_lines(tmp_path / "run/metrics.jsonl")[-1]
    assert None in (last["train"]["loss"], last["validation"]["loss"])
    for tensor in load_file(tmp_path / "run/model.safetensors").values():
        assert np.isfinite(tensor).all()
    assert math.isfinite(summary["test"]["loss"])


@pytest.mark.usefixtures("without_pictures")
def test_both_gradients_report_their_disagreement(npz, tmp_path, uninterrupted):
    experiment = experiment_of(npz)
    both = Training(gradient="both", batch_size=16, max_epochs=EPOCHS)
    go(Experiment(experiment.data, experiment.network, both, experiment.hyper), tmp_path / "run")
    rows = metrics.read(tmp_path / "run")
    assert len(rows) == EPOCHS
    assert all(0 <= row.pop("gradient_disagreement") < 1e-5 for row in rows)
    losses = [row["validation"]["loss"] for row in uninterrupted("momentum")[1]]
    assert [row["validation"]["loss"] for row in rows] == pytest.approx(losses, rel=1e-5)


def fill_disk(patch, pattern, error=errno.ENOSPC):
    """From now on, no byte goes into files of such a name."""
    write, fsync = os.write, os.fsync

    def refused(handle):
        name = os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))  # noqa: PTH115, PTH119
        if re.search(pattern, name):
            raise OSError(error, os.strerror(error))

    patch.setattr(os, "write", lambda handle, data: refused(handle) or write(handle, data))
    patch.setattr(os, "fsync", lambda handle: refused(handle) or fsync(handle))


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(
    "file", ["metrics.jsonl", "epoch-00000[1-8]", "model.safetensors", "summary.json", "environment"]
)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS], ids=errno.errorcode.get)
def test_a_disk_that_refuses_costs_one_line_and_the_run_can_go_on(npz, tmp_path, uninterrupted, file, error):
    out, experiment = tmp_path / "run", experiment_of(npz)
    if file != "environment":
        go(experiment, out, stop_after=3)
    saved = {path.name for path in (out / "checkpoints").glob("*")}
    with pytest.MonkeyPatch.context() as patch:
        fill_disk(patch, file, error)
        with pytest.raises(RunError) as refusal:
            go(experiment, out, resume=bool(saved))
    line = str(refusal.value)
    assert "\n" not in line
    assert os.strerror(error) in line
    assert str(out) in line
    assert not list(out.rglob("*.tmp"))
    if file.startswith(("epoch", "metrics")):
        assert {path.name for path in (out / "checkpoints").glob("*")} == saved
    go(experiment, out, resume=True)
    assert run_of(out) == uninterrupted("momentum")


@pytest.mark.parametrize("file", ["mistakes.png", "README.md", "run.html"])
def test_a_disk_that_is_full_at_the_pictures_costs_no_result(npz, tmp_path, uninterrupted, file):
    out, experiment = tmp_path / "run", experiment_of(npz)
    with pytest.MonkeyPatch.context() as patch:
        fill_disk(patch, file)
        with pytest.raises(RunError, match=file):
            go(experiment, out)
    assert run_of(out) == uninterrupted("momentum")
    assert file in missing(out)
    _, callbacks = go(experiment, out, resume=True)
    assert callbacks.done == EPOCHS
    assert run_of(out) == uninterrupted("momentum")


@pytest.mark.usefixtures("without_pictures")
def test_a_checkpoint_of_another_run_is_passed_over(npz, tmp_path, uninterrupted):
    out, other = tmp_path / "run", tmp_path / "other"
    go(experiment_of(npz), out, stop_after=4)
    go(replace(experiment_of(npz), hyper=Hyper(0.2, patience=0)), other, stop_after=6)
    for checkpoint in (other / "checkpoints").iterdir():
        shutil.copy(checkpoint, out / "checkpoints")
    _, callbacks = go(experiment_of(npz), out, resume=True)
    (line, *_) = [line for line in callbacks.messages if "belongs to another run" in line]
    assert "hyper.learning_rate (0.1 here, 0.2 there)" in line
    assert run_of(out) == uninterrupted("momentum")


def test_where_only_checkpoints_of_another_run_are_there_nothing_is_done(npz, tmp_path):
    out, other = tmp_path / "run", tmp_path / "other"
    go(experiment_of(npz), out, stop_after=4)
    go(replace(experiment_of(npz), seed=1), other, stop_after=6)
    shutil.rmtree(out / "checkpoints")
    shutil.copytree(other / "checkpoints", out / "checkpoints")
    before = contents(out)
    refused(
        ["no checkpoint can be used", "seed (0 here, 1 there)"],
        go,
        experiment_of(npz),
        out,
        resume=True,
        error=RunError,
    )
    assert contents(out) == before


def test_a_config_that_was_changed_is_refused_and_the_key_is_named(npz, tmp_path):
    out, experiment = tmp_path / "run", experiment_of(npz)
    go(experiment, out, stop_after=4)
    changed = (out / "config.toml").read_text().replace("learning_rate = 0.1", "learning_rate = 0.2")
    (out / "config.toml").write_text(changed)
    other = replace(experiment, hyper=Hyper(0.2, patience=0))
    refused(["config.toml was changed", "hyper.learning_rate"], go, other, out, resume=True, error=RunError)


@pytest.mark.usefixtures("without_pictures")
def test_fewer_epochs_than_were_granted_are_refused(npz, tmp_path):
    out = tmp_path / "run"
    for granted, fewer in ((5, 4), (8, 7)):  # begun with the one, then gone on with the other
        go(experiment_of(npz, max_epochs=granted), out, resume=granted > 5, stop_after=granted - 2)
        (out / "config.toml").write_text(config.write(experiment_of(npz, max_epochs=fewer)))
        before = contents(out)
        words = ["config.toml was changed", f"training.max_epochs ({fewer} here, {granted} there)"]
        refused(words, go, experiment_of(npz, max_epochs=fewer), out, resume=True, error=RunError)
        assert contents(out) == before
        (out / "config.toml").write_text(config.write(experiment_of(npz, max_epochs=granted)))


@pytest.mark.usefixtures("without_pictures")
def test_a_folder_of_an_earlier_version_goes_on_and_is_said_to_carry_no_identity(npz, tmp_path, uninterrupted):
    """There a checkpoint was the state alone, and JSON had no seal."""
    out, experiment = tmp_path / "run", experiment_of(npz)
    go(experiment, out, stop_after=4)
    environment = sealed.read_json(out / "environment.json")
    (out / "environment.json").write_text(json.dumps({k: v for k, v in environment.items() if k != "identity"}))
    _, _, state = fitting.initial(runner.spec_of(experiment, *prepared(experiment)), experiment.hyper, 0)
    history = jax.ShapeDtypeStruct((4, 7), np.float64)
    saved = checkpoints.restore(out / "checkpoints", {"state": state, "history": history}).tree["state"]
    shutil.rmtree(out / "checkpoints")
    checkpoints.save(out / "checkpoints", 4, saved, {})
    _, callbacks = go(experiment, out, resume=True)
    assert sum("taken on trust" in line for line in callbacks.messages) == 2
    assert run_of(out) == uninterrupted("momentum")
    assert callbacks.done == EPOCHS - 4


def missing(out):
    return runner.missing(out, sealed.read_json(out / "summary.json"))


def prepared(experiment):
    """The splits and the preparation of its data."""
    data = runner.read_data(experiment)
    return data.splits, data.preparation


def test_a_picture_that_cannot_be_drawn_costs_a_line(npz, tmp_path, uninterrupted, monkeypatch):
    def fail(*_):
        raise ValueError("NaN")

    monkeypatch.setattr("jaxmlp.plots.run_curves", fail)
    outcome, callbacks = go(experiment_of(npz), tmp_path / "run")
    assert outcome.summary is not None
    assert any("curves.png cannot be drawn (ValueError: NaN)" in line for line in callbacks.messages)
    assert run_of(tmp_path / "run") == uninterrupted("momentum")


def test_weights_that_overflow_leave_results_and_pictures(npz, tmp_path):
    experiment = experiment_of(npz)
    network = replace(experiment.network, init="uniform")
    outcome, callbacks = go(
        replace(experiment, network=network, hyper=Hyper(init_scale=1e38, patience=0)), tmp_path / "run"
    )
    assert outcome.summary["stop_reason"] == "diverged"
    assert missing(tmp_path / "run") is None, callbacks.messages


def test_so_many_classes_have_no_confusion_matrix(npz, tmp_path, monkeypatch):
    monkeypatch.setattr(runner.pictures, "MOST_CLASSES", 2)
    _, callbacks = go(experiment_of(npz), tmp_path / "run")
    assert any("no confusion matrix: 3 classes" in line for line in callbacks.messages)
    assert not (tmp_path / "run/plots/confusion.png").exists()
    assert missing(tmp_path / "run") is None


@pytest.mark.parametrize("file", ["model.safetensors", "metrics.jsonl", "README.md", "plots/curves.png", "run.html"])
def test_what_a_finished_run_lacks_is_named(whole, tmp_path, file):
    shutil.copytree(whole[0], tmp_path / "run")
    assert missing(tmp_path / "run") is None
    (tmp_path / "run" / file).unlink()
    assert file in missing(tmp_path / "run")


def test_fewer_epochs_than_are_done_are_refused(npz, tmp_path):
    go(experiment_of(npz), tmp_path / "run", stop_after=5)
    words = ["grants 4 epochs, and 5 are done"]
    (tmp_path / "run/config.toml").write_text(config.write(experiment_of(npz, max_epochs=4)))
    (tmp_path / "run" / "environment.json").unlink()  # it says how many were granted
    refused(words, go, experiment_of(npz, max_epochs=4), tmp_path / "run", resume=True, error=RunError)


@pytest.mark.usefixtures("without_pictures")
def test_what_refuses_to_go_on_leaves_no_trace_of_it(npz, tmp_path, uninterrupted):
    """Without environment.json, the checkpoint alone tells that the config was changed."""
    out, experiment = tmp_path / "run", experiment_of(npz)
    go(experiment, out, stop_after=4)
    (out / "environment.json").unlink()
    before = (out / "config.toml").read_bytes()
    other = replace(experiment, hyper=Hyper(0.2, patience=0))
    (out / "config.toml").write_text(config.write(other))
    refused(["belongs to another run"], go, other, out, resume=True, error=RunError)
    (out / "config.toml").write_bytes(before)
    go(experiment, out, resume=True)
    assert run_of(out) == uninterrupted("momentum")
