"""`--track` as a user meets it: a tracker has the numbers of the files, and one that fails costs a line."""

import signal

import pytest
from helpers import contents, json_lines, run_of, save_clouds, signalling

from jaxmlp.sweep import command as sweep
from jaxmlp.tracking import TensorBoard
from jaxmlp.train import command as train

pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
pytest.importorskip("tensorboard", reason="tensorboard, which reads it back, is not installed")
pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = save_clouds(tmp_path_factory.mktemp("data") / "small.npz")
    flags = ["--network.hidden", "3", "--training.max-epochs", "3", "--training.batch-size", "16"]
    return ["--data.name", str(path), "--hyper.patience", "0", *flags]


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {tag: {x.step: x.value for x in events.Scalars(tag)} for tag in events.Tags()["scalars"]}


def test_a_run_has_the_numbers_of_its_files_and_goes_on_after_a_stop(tmp_path, small, monkeypatch, capsys):
    plain, out = tmp_path / "plain", tmp_path / "run"
    track = ["--out", str(out), "--track", "tensorboard"]
    assert train.main([*small, "--out", str(plain), "--quiet"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr("jaxmlp.run.metrics.Log.on_train_begin", signalling(signal.SIGINT))
        assert train.main([*small, *track]) == 130
    assert "--resume --track tensorboard" in capsys.readouterr().out
    assert train.main([*track, "--resume"]) == 0
    assert f"tracked: tensorboard --logdir {out}/tensorboard" in capsys.readouterr().out
    assert run_of(out) == run_of(plain)  # to watch changes no bit
    found = scalars(out / "tensorboard")
    rows = json_lines(out / "metrics.jsonl")
    for split in ("train", "validation"):
        for metric in ("loss", "accuracy"):
            numbers = {row["epoch"]: row[split][metric] for row in rows}
            assert found[f"{metric}/{split}"] == pytest.approx(numbers, rel=1e-6)
    assert train.main([*small, *track, "--overwrite", "--quiet"]) == 0
    assert scalars(out / "tensorboard") == found
    before = contents(out)
    assert train.main([*track, "--resume", "--quiet"]) == 0
    assert contents(out).keys() == before.keys()  # all was written
    assert train.main(["--out", str(plain), "--resume", "--quiet", "--track", "tensorboard"]) == 0
    assert scalars(plain / "tensorboard") == found  # of a run that had ended without


def test_a_sweep_has_the_numbers_of_its_table(tmp_path, small):
    out = tmp_path / "sweep"
    grid = ["--grid", "learning_rate = [0.1, 0.3]", "--out", str(out), "--quiet"]
    assert sweep.main([*small, *grid, "--track", "tensorboard"]) == 0
    for row in json_lines(out / "results.jsonl"):
        found = scalars(out / "tensorboard" / f"trial-{row['trial']:06d}")
        for name in ("validation_loss", "validation_accuracy", "train_loss"):
            final = found[f"final/best_{name}"]
            assert final == pytest.approx({row["best_epoch"]: row[name]}, rel=1e-6)
    tracked = scalars(out / "tensorboard" / "trial-000001")
    assert sweep.main([*small, *grid, "--overwrite"]) == 0
    assert not (out / "tensorboard").exists()
    assert sweep.main(["--out", str(out), "--resume", "--quiet", "--track", "tensorboard"]) == 0
    assert scalars(out / "tensorboard" / "trial-000001") == tracked  # of a sweep that had ended without


def test_a_tracker_that_fails_costs_a_line_and_not_the_run(tmp_path, small, monkeypatch, capsys):
    def fail(*_):
        raise OSError("no space left on the disk")

    monkeypatch.setattr(TensorBoard, "epoch", fail)
    assert train.main([*small, "--out", str(tmp_path / "run"), "--track", "tensorboard"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "tensorboard" in line]
    assert said == ["tensorboard is left out from here on (OSError: no space left on the disk); the run itself goes on"]
    assert len(json_lines(tmp_path / "run" / "metrics.jsonl")) == 3
