"""What TensorBoard itself reads of a run, and of a sweep in its HPARAMS view."""

import pytest

from jaxmlp.tracking import TensorBoard, values

pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
pytest.importorskip("tensorboard", reason="tensorboard, which reads it back, is not installed")


def read(folder):
    """The scalars by tag, as {epoch: number}, and all else that is there."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {tag: [(x.step, x.value) for x in events.Scalars(tag)] for tag in events.Tags()["scalars"]}, events


def sessions(events):
    """The messages for the HPARAMS view, by their kind."""
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    found = {}
    for tag, content in events.PluginTagToContent("hparams").items():
        found[tag.removeprefix("_hparams_/")] = HParamsPluginData.FromString(content)
    return found


def scalars_of(run, *numbers):
    """What was written of epochs, by the tags of TensorBoard."""
    names = {"loss/train": "train_loss", "loss/validation": "validation_loss", "accuracy/train": "train_accuracy"}
    names |= {"accuracy/validation": "validation_accuracy", "learning_rate": "learning_rate"}
    of = {number: values.of_epoch(run.epoch(number)) for number in numbers}
    return {tag: [(n, pytest.approx(of[n][name], rel=1e-6)) for n in numbers] for tag, name in names.items()}


def test_a_run_that_was_stopped_goes_on_without_an_epoch_twice(run):
    run.go(TensorBoard(run.path / "tensorboard"), 1, 2, status="stopped")
    run.go(TensorBoard(run.path / "tensorboard"), 2, 3, done=(1,))  # the checkpoint was of epoch 1
    scalars, events = read(run.path / "tensorboard")
    final = {tag: scalars.pop(tag) for tag in list(scalars) if tag.startswith("final/")}
    assert scalars == scalars_of(run, 1, 2, 3)
    assert final["final/best_validation_loss"] == [(2, 0.75)]
    assert final["final/test_accuracy"] == [(2, 0.75)]
    assert events.Tags()["images"] == ["plots/curves"]
    assert events.Images("plots/curves")[0].encoded_image_string == (run.path / "plots/curves.png").read_bytes()
    start = sessions(events)["session_start_info"].session_start_info
    assert start.hparams["network.hidden"].string_value == "[16, 8]"
    assert start.hparams["hyper.learning_rate"].number_value == 0.1


def test_a_sweep_is_a_table_with_a_row_a_trial(run):
    folder = run.path / "tensorboard"
    first, second = run.trial(0, 0.1), run.trial(1, 0.3, status="diverged")
    run.sweep(TensorBoard(folder), first, status="stopped")
    run.sweep(TensorBoard(folder), first, second, goes_on=True)
    experiment = sessions(read(folder)[1])["experiment"].experiment
    assert [info.name for info in experiment.hparam_infos] == ["hyper.learning_rate", "network.hidden", "seed"]
    assert [value.string_value for value in experiment.hparam_infos[1].domain_discrete.values] == ["[16, 8]"]
    shown = [info.name.tag for info in experiment.metric_infos]
    assert shown == ["final/best_validation_loss", "final/best_validation_accuracy"]
    for trial in (first, second):
        scalars, events = read(folder / f"trial-{trial.row['trial']:06d}")
        found = sessions(events)
        rate = found["session_start_info"].session_start_info.hparams["hyper.learning_rate"].number_value
        assert rate == trial.row["hyper.learning_rate"]
        assert found["session_end_info"].session_end_info.status == 1  # success
        assert scalars["final/best_validation_loss"] == [(2, pytest.approx(trial.row["validation_loss"], rel=1e-6))]
        losses = {i: x for i, x in enumerate(trial.curve["validation_loss"], 1) if x is not None}
        assert dict(scalars["loss/validation"]) == pytest.approx(losses)
        assert "train_correct" not in scalars


def test_what_a_killed_process_left_of_a_trial_is_written_anew(run):
    folder = run.path / "tensorboard"
    (folder / "trial-000000").mkdir(parents=True)
    (folder / "trial-000000" / "events.out.tfevents.1.host").write_bytes(b"half an event")
    run.sweep(TensorBoard(folder), run.trial(0, 0.1), goes_on=True)
    assert len(list((folder / "trial-000000").iterdir())) == 1
    assert dict(read(folder / "trial-000000")[0]["loss/train"]) == pytest.approx({1: 0.7, 2: 0.5, 3: 0.4})
