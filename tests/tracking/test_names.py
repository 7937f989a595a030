"""A tracker is refused in one line before anything is trained, and knows how it is opened."""

import importlib.util

import pytest
from helpers import refused

from jaxmlp.run.directory import RUN
from jaxmlp.sweep import command as sweep
from jaxmlp.sweep.store import SWEEP
from jaxmlp.tracking import MLflow, TensorBoard
from jaxmlp.tracking.names import TRACKERS, behind, check_installed, trackers
from jaxmlp.train import command as train


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["tensorbord"], ["--track 'tensorbord' is unknown", "did you mean tensorboard?"]),
        (["wandb,mlflow"], ["--track 'wandb,mlflow' is unknown", "mlflow"]),
        (["wandb", "wandb"], ["--track names wandb 2 times"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("command", [train, sweep], ids=["train", "sweep"])
def test_an_unknown_or_double_name_is_refused_before_anything_is_written(tmp_path, monkeypatch, command, names, words):
    monkeypatch.chdir(tmp_path)
    grid = ["--grid", "l2 = [0.0, 0.1]"] if command is sweep else []
    refused(words, command.main, [*grid, "--out", "run", "--track", *names])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", TRACKERS)
def test_a_library_that_is_missing_is_named_with_what_installs_it(monkeypatch, tmp_path, name):
    missing = TRACKERS[name].packages[-1]
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "jaxmlp.tracking.names.find_spec", lambda package: None if package == missing else find(package)
    )
    monkeypatch.chdir(tmp_path)
    for call, arguments in ((check_installed, [name]), (train.main, [["--out", "run", "--track", name]])):
        refused([f"{name} needs {missing}", f'pip install "jaxmlp[{name}]"'], call, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_the_name_of_a_package_is_no_package(monkeypatch, tmp_path):
    (tmp_path / "tensorboardXX").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(TRACKERS, "tensorboard", TRACKERS["tensorboard"]._replace(packages=("tensorboardXX",)))
    refused(["tensorboard needs tensorboardXX"], check_installed, "tensorboard")


@pytest.mark.parametrize("folder", [3, None, b"x"])
def test_a_folder_that_is_no_path_is_refused(folder):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    refused([f"folder is {folder!r}", "accepted is a path"], TensorBoard, folder)


@pytest.mark.parametrize("damage", ["a file in the place of the folder", "a ledger that is no text"])
def test_a_folder_that_cannot_be_read_is_left_to_the_tracker(tmp_path, damage):
    if damage.startswith("a file"):
        (tmp_path / "mlflow").touch()
    else:
        (tmp_path / "mlflow").mkdir()
        (tmp_path / "mlflow/written.txt").write_bytes(b"\xff\n")
    assert behind(["mlflow"], tmp_path) == ["mlflow"]


def test_each_says_how_it_is_opened_unless_it_went_to_a_server(tmp_path, monkeypatch):
    for name in TRACKERS:
        if importlib.util.find_spec(TRACKERS[name].packages[0]) is None:
            pytest.skip(f"{name} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    lines = [tracker.opens for tracker in trackers(list(TRACKERS), tmp_path / "my run", print)]
    assert lines == [
        "tensorboard --logdir 'my run/tensorboard'",
        "wandb sync 'my run/wandb'/offline-run-*",
        "mlflow ui --backend-store-uri sqlite:///'my run/mlflow'/mlflow.db",
    ]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert MLflow(tmp_path).opens is None


@pytest.mark.parametrize("kind", [RUN, SWEEP], ids=lambda kind: kind.table)
def test_what_trackers_write_is_known_to_the_directory(kind):
    from fnmatch import fnmatchcase

    for name in (*TRACKERS, "wandb/offline-run-1-a/files/media/x.png", "mlflow/mlflow.db", "tensorboard/trial-000001"):
        assert any(fnmatchcase(name, pattern) for pattern in kind.patterns), name
