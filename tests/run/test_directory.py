"""The run directory: opened without harm to what is in it, and read back whatever state it was left in."""

import json
import math
import time
from dataclasses import replace

import pytest
from helpers import files, flipped, refused

from jaxmlp.data.config import Data
from jaxmlp.errors import RunError, UsageError
from jaxmlp.run import config, directory, metrics, sealed
from jaxmlp.run.config import Experiment
from jaxmlp.run.identity import Identity
from jaxmlp.spec import Hyper, Training
from jaxmlp.training.epochs import Epoch, Measured

EXPERIMENT = Experiment()


def fill(path, *names):
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("x")


A_RUN = (
    "config.toml",
    "environment.json",
    "metrics.jsonl",
    "summary.json",
    "model.safetensors",
    "plots/curves.png",
    "README.md",
    "export/model.onnx",
    "export/model_numpy.py",
    "export/__pycache__/model_numpy.cpython-311.pyc",
    "checkpoints/epoch-000003.0123456789abcdef.safetensors",
    "checkpoints/.epoch-000004.0123456789abcdef.safetensors.77.tmp",  # left by a kill
    ".summary.json.77.tmp",
)


def test_a_new_directory_holds_the_config(tmp_path):
    directory.create(tmp_path / "new/run", EXPERIMENT, overwrite=False)
    assert files(tmp_path / "new/run") == {"config.toml"}
    saved = config.parse(directory.saved_tree(tmp_path / "new/run"), "")[0]
    assert saved == replace(EXPERIMENT, data=replace(EXPERIMENT.data, normalise="per_image"))  # what auto comes to


def test_an_empty_directory_will_do(tmp_path):
    directory.create(tmp_path, EXPERIMENT, overwrite=False)
    assert files(tmp_path) == {"config.toml"}


@pytest.mark.parametrize("present", ["config.toml", "notes.txt", ".hidden", "sub/file"])
def test_a_directory_that_is_not_empty_is_refused(tmp_path, present):
    fill(tmp_path, present)
    words = (
        r"is not empty; .*--resume.*--overwrite.*--out" if present == "config.toml" else "no run writes: give another"
    )
    with pytest.raises(UsageError, match=words):
        directory.create(tmp_path, EXPERIMENT, overwrite=False)
    assert present in files(tmp_path)


def test_overwriting_leaves_nothing_of_the_run_before(tmp_path):
    fill(tmp_path, *A_RUN)
    directory.create(tmp_path, EXPERIMENT, overwrite=True)
    assert files(tmp_path) == {"config.toml"}
    assert (tmp_path / "config.toml").read_text() == config.write(EXPERIMENT)


@pytest.mark.parametrize(
    "foreign",
    [
        "notes.txt",
        "notes.tmp",
        ".config.toml.swp",
        "plots/mine.png",
        "export/mine.onnx",
        "plots/old/curves.png",
        "checkpoints/notes.txt",
        "checkpoints/copy/epoch-000003.0123456789abcdef.safetensors",
        "curves.png",
    ],
)
def test_overwriting_never_deletes_what_no_run_writes(tmp_path, foreign):
    fill(tmp_path, *A_RUN, foreign)
    before = files(tmp_path)
    with pytest.raises(UsageError, match="which no run writes"):
        directory.create(tmp_path, EXPERIMENT, overwrite=True)
    assert files(tmp_path) == before


SWEEP = replace(directory.RUN, name="a sweep", table="grid", tables=directory.RUN.tables | {"grid"})


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize(
    ("tables", "kind", "told"),
    [
        (["hyper"], SWEEP, "not a sweep (config.toml has no [grid])"),
        (["online"], SWEEP, "not a sweep (config.toml has [online])"),
        (["online"], directory.RUN, "not a single run of jaxmlp train (config.toml has [online])"),
        (["hyper", "grid"], directory.RUN, "not a single run of jaxmlp train (config.toml has [grid])"),
        (["data"], directory.RUN, "not a single run of jaxmlp train (config.toml has no [hyper])"),
        (["tool"], directory.RUN, "not a single run of jaxmlp train (config.toml has [tool])"),
    ],
)
def test_a_run_of_another_kind_is_named_and_kept(tmp_path, overwrite, tables, kind, told):
    fill(tmp_path, *A_RUN)
    (tmp_path / "config.toml").write_text("".join(f"[{table}]\n" for table in tables))
    with pytest.raises(UsageError) as refusal:
        directory.check_new(tmp_path, kind, overwrite=overwrite)
    assert str(refusal.value) == f"{tmp_path} holds a run of another kind, {told}; give another --out, or remove it"


@pytest.mark.parametrize("config", ["", "[hyper]", "[grid", "\udcff", "[hyper]\n[train3ng]", "[data]\n[hype2]"])
def test_a_run_whose_config_is_damaged_can_be_overwritten(tmp_path, config):
    fill(tmp_path, *A_RUN)
    (tmp_path / "config.toml").write_text(config, errors="surrogateescape")
    assert directory.check_new(tmp_path, overwrite=True)


def test_overwriting_does_not_follow_links(tmp_path):
    fill(tmp_path / "elsewhere", "curves.png")
    run = tmp_path / "run"
    run.mkdir()
    (run / "plots").symlink_to(tmp_path / "elsewhere")
    directory.create(run, EXPERIMENT, overwrite=True)
    assert files(tmp_path) == {"elsewhere", "elsewhere/curves.png", "run", "run/config.toml"}


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").write_text("x")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match=r"is a file; --out takes a directory"):
            directory.create(tmp_path / "file", EXPERIMENT, overwrite=overwrite)
    with pytest.raises(RunError, match="cannot make the folder"):
        directory.create(tmp_path / "file/below", EXPERIMENT, overwrite=False)


def test_fresh_folders_differ_within_the_same_second(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda _: "20260101-000000")
    made = [directory.fresh(Experiment(Data(name="/some/where/my data.npz"), seed=4)) for _ in range(3)]
    assert [path.as_posix() for path in made] == [
        "runs/20260101-000000-my_data_npz-seed4",
        "runs/20260101-000000-my_data_npz-seed4-2",
        "runs/20260101-000000-my_data_npz-seed4-3",
    ]
    assert all(path.is_dir() for path in made)


def test_only_a_run_can_be_resumed(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match=r"holds no run to resume \(config.toml is missing\)"):
            directory.check_same(path, EXPERIMENT)
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RunError, match="cannot be read"):
        directory.check_same(tmp_path, EXPERIMENT)


def test_resuming_with_the_same_keys_leaves_the_config_alone(tmp_path):
    directory.create(tmp_path, EXPERIMENT, overwrite=False)
    before = (tmp_path / "config.toml").stat().st_mtime_ns
    directory.reopen(tmp_path, EXPERIMENT)
    assert (tmp_path / "config.toml").stat().st_mtime_ns == before


def test_resuming_with_other_keys_is_refused_and_names_them_all(tmp_path):
    directory.create(tmp_path, EXPERIMENT, overwrite=False)
    other = Experiment(hyper=Hyper(learning_rate=0.3), training=Training(batch_size=64, max_epochs=200))
    before = (tmp_path / "config.toml").read_text()
    with pytest.raises(UsageError) as refusal:
        directory.reopen(tmp_path, other)
    assert "training.batch_size (was 128, now 64)" in str(refusal.value)
    assert "hyper.learning_rate (was 0.1, now 0.3)" in str(refusal.value)
    assert "max_epochs" not in str(refusal.value)
    assert (tmp_path / "config.toml").read_text() == before


@pytest.mark.parametrize(
    ("schedule", "epochs", "allowed"),
    [
        ("constant", 200, True),
        ("step", 200, True),
        ("cosine", 200, False),
        ("constant", 50, False),
        ("cosine", 100, True),
    ],
)
def test_more_epochs_are_fine_where_the_schedule_does_not_read_their_number(tmp_path, schedule, epochs, allowed):
    directory.create(tmp_path, Experiment(training=Training(schedule=schedule, max_epochs=100)), overwrite=False)
    more = Experiment(training=Training(schedule=schedule, max_epochs=epochs))
    if allowed:
        directory.reopen(tmp_path, more)
        assert directory.saved_tree(tmp_path)["training"]["max_epochs"] == epochs
    else:
        with pytest.raises(UsageError, match=rf"training.max_epochs \(was 100, now {epochs}\)"):
            directory.reopen(tmp_path, more)


@pytest.mark.parametrize(
    ("reason", "epochs", "granted", "has_ended"),
    [
        ("max_epochs", 10, 10, True),
        ("max_epochs", 10, 11, False),
        ("early_stopping", 7, 10, True),
        ("early_stopping", 7, 1000, True),
        ("diverged", 7, 1000, True),
        ("pruned", 7, 1000, False),  # by a sweep: alone, it goes on
    ],
)
def test_a_run_has_ended_when_no_epoch_is_left(tmp_path, reason, epochs, granted, has_ended):
    assert directory.ended(tmp_path, EXPERIMENT) is None
    summary = {"stop_reason": reason, "epochs_run": epochs}
    sealed.write_json(tmp_path / "summary.json", summary)
    found = directory.ended(tmp_path, Experiment(training=Training(max_epochs=granted)))
    assert found == (summary if has_ended else None)


def test_json_is_strict_and_has_null_for_what_is_not_finite(tmp_path):
    content = {"a": math.nan, "b": [1.5, math.inf, {"c": -math.inf}], "d": (1, None, True, "x")}
    sealed.write_json(tmp_path / "a.json", content)
    assert sealed.read_json(tmp_path / "a.json") == {
        "a": None,
        "b": [1.5, None, {"c": None}],
        "d": [1, None, True, "x"],
    }
    assert sealed.read_json(tmp_path / "b.json") is None
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(RunError, match="cannot be read"):
        sealed.read_json(tmp_path / "a.json")


def epochs_of(*numbers):
    return [Epoch(n, 0.1, Measured(1 / 3, 2, 3), Measured(math.inf, 1, 3), 0.5, None) for n in numbers]


def lines_of(*numbers):
    return [sealed.finite(epoch.to_json()) for epoch in epochs_of(*numbers)]


def test_metrics_are_cut_back_to_an_epoch(tmp_path):
    metrics.append(tmp_path, *epochs_of(1, 2, 3, 4))
    assert [epoch.epoch for epoch in metrics.cut(tmp_path, 2)] == [1, 2]
    assert metrics.read(tmp_path) == lines_of(1, 2)
    metrics.append(tmp_path, *epochs_of(3))
    assert metrics.read(tmp_path) == lines_of(1, 2, 3)


def test_metrics_that_need_no_cut_are_not_touched(tmp_path):
    metrics.append(tmp_path, *epochs_of(1, 2))
    before = (tmp_path / "metrics.jsonl").stat()
    metrics.cut(tmp_path, 2)
    after = (tmp_path / "metrics.jsonl").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("rest", ['{"epoch": 3, "lo', '{"epoch": 3}', "\n", "5\n", "\0\0\0\n", "\xff\n"])
def test_a_last_line_that_is_not_whole_is_cut_off(tmp_path, rest):
    metrics.append(tmp_path, *epochs_of(1, 2))
    with (tmp_path / "metrics.jsonl").open("a", encoding="latin-1") as file:
        file.write(rest)
    assert len(metrics.cut(tmp_path, 2)) == 2
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == lines_of(1, 2)


@pytest.mark.parametrize("epochs", [(), (1,), (1, 3), (2, 3), (1, 1, 2)], ids=str)
def test_metrics_that_lack_epochs_of_the_checkpoint_are_an_error(tmp_path, epochs):
    metrics.append(tmp_path, *epochs_of(*epochs))
    with pytest.raises(RunError, match="the file was changed or damaged"):
        metrics.cut(tmp_path, 2)
    assert metrics.read(tmp_path) == lines_of(*epochs)  # and nothing is lost


SUMMARY = {"loss": 0.25, "name": "ü", "parts": {"a": [1, None]}}


@pytest.mark.parametrize("change", [0x01, 0x20, 0xFF])
def test_every_flipped_byte_of_a_json_file_is_seen(tmp_path, change):
    path, run = tmp_path / "file.json", Identity.of({"seed": 1}, "")
    sealed.write_json(path, SUMMARY, run)
    assert sealed.read_json(path, run) == SUMMARY
    content = path.read_bytes()
    for position in range(len(content)):
        path.write_bytes(flipped(content, position, change))
        refused([str(path), "--resume"], sealed.read_json, path, run, error=RunError)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
def test_a_number_that_became_infinite_is_seen(tmp_path, number):
    path = tmp_path / "file.json"
    sealed.write_json(path, {"seconds": 1.5})
    path.write_text(path.read_text().replace("1.5", number))
    refused([str(path), "was changed or damaged", "--resume"], sealed.read_json, path, error=RunError)


def test_a_json_file_of_another_run_is_refused(tmp_path):
    sealed.write_json(tmp_path / "file.json", SUMMARY, Identity.of({"seed": 1}, ""))
    other = Identity.of({"seed": 2}, "")
    refused(["belongs to another run"], sealed.read_json, tmp_path / "file.json", other, error=RunError)


def test_a_json_file_from_before_there_were_seals_is_read(tmp_path):
    (tmp_path / "file.json").write_text(json.dumps(SUMMARY))
    assert sealed.read_json(tmp_path / "file.json") == SUMMARY


@pytest.mark.parametrize("content", ["", "[]", "3", "[" * 100_000, '{"a": 1', '{"a": ' + "9" * 5000 + "}", "\xff"])
def test_what_is_no_json_file_is_one_line(tmp_path, content):
    (tmp_path / "file.json").write_text(content, encoding="latin-1")
    refused([str(tmp_path), "cannot be read"], sealed.read_json, tmp_path / "file.json", error=RunError)
