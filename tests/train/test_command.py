"""`python -m jaxmlp.train` as a user meets it: flags, refusals, exit codes, signals, and what is loaded when."""

import re
import signal

import pytest
from helpers import (
    contents,
    refused,
    run_of,
    save_clouds,
    signalling,
)

from jaxmlp.cli import progress
from jaxmlp.errors import JaxmlpError, RunError, UsageError
from jaxmlp.run import config
from jaxmlp.train import command as train


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Flags of a run that takes no time."""
    path = save_clouds(tmp_path_factory.mktemp("data") / "small.npz")
    flags = ["--network.hidden", "4", "--training.max-epochs", "3", "--training.batch-size", "16"]
    return ["--data.name", str(path), *flags]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--hyper.lerning-rate", "0.1"], ["--hyper.lerning-rate", "--hyper.learning-rate"]),
        (["--hyper.lerning-rate=0.1"], ["--hyper.lerning-rate", "--hyper.learning-rate"]),
        (["--resum"], ["--resum", "--resume"]),
        (["--xyzzy"], ["--xyzzy", "--help"]),
        (["--hyper.learning-rate", "fast"], ["--hyper.learning-rate", "fast"]),
        (["--hyper.learning-rate"], ["--hyper.learning-rate"]),
        (["--hyper.learning-rate", "-1"], ["hyper.learning_rate is -1", "above 0"]),
        (["--hyper.learning-rate", "nan"], ["hyper.learning_rate is nan"]),
        (["--hyper.learning-rate", "inf"], ["hyper.learning_rate is inf"]),
        (["--hyper.min-delta", "-inf"], ["hyper.min_delta is -inf"]),
        (["--hyper.momentum", "1"], ["hyper.momentum is 1"]),
        (["--training.batch-size", "0"], ["training.batch_size is 0"]),
        (["--training.max-epochs", "1.5"], ["--training.max-epochs", "1.5"]),
        (["--training.optimizer", "adm"], ["training.optimizer", "adam"]),
        (["--network.hidden", "0"], ["network.hidden is 0"]),
        (["--hyper.beta1", "0.9"], ["hyper.beta1 is set, but not read"]),
        (["--hyper.beta1=0.9"], ["hyper.beta1 is set, but not read"]),
        (["--hyper.decay_rate", "0.9"], ["hyper.decay_rate is set, but not read"]),
        (["--training.optimizer", "sgd", "--hyper.momentum", "0.9"], ["hyper.momentum is set, but not read"]),
        (["--data.name", "mnst"], ["mnst", "mnist"]),
        (["--data.name", "digits", "--data.normalise", "uni"], ["data.normalise", "unit"]),
        (["--seed", "-1"], ["seed is -1"]),
        (["--device", "foo"], ["--device", "'foo'", "cpu"]),
        (["--checkpoint-seconds", "0"], ["--checkpoint-seconds"]),
        (["--checkpoint-seconds", "nan"], ["--checkpoint-seconds"]),
        (["nowhere.toml"], ["nowhere.toml does not exist"]),
        (["one.toml", "two.toml"], ["two.toml"]),
        (["--resume"], ["--out"]),
        (["--resume", "--overwrite", "--out", "x"], ["--resume", "--overwrite"]),
        (["--resume", "--out", "nowhere"], ["nowhere holds no run to resume"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage_is_refused_before_anything_is_written(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    has_a_folder = "--out" in arguments or "--resume" in arguments
    refused(words, train.main, arguments if has_a_folder else [*arguments, "--out", "run"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_pictures")
def test_flags_override_the_file_which_overrides_the_defaults(tmp_path, small):
    (tmp_path / "a.toml").write_text("seed = 5\n[hyper]\nlearning_rate = 0.3\nl2 = 0.5\n[data]\nstratified = true\n")
    out = tmp_path / "run"
    flags = ["--hyper.learning-rate=0.7", "--data.no-stratified", "--quiet"]
    assert train.main([str(tmp_path / "a.toml"), *small, "--out", str(out), *flags]) == 0
    experiment, _ = config.read(out / "config.toml")
    assert (experiment.seed, experiment.hyper.learning_rate, experiment.hyper.l2) == (5, 0.7, 0.5)
    assert not experiment.data.stratified
    assert experiment.network.hidden == (4,)


@pytest.mark.usefixtures("without_pictures")
def test_the_config_fed_back_gives_the_same_run(tmp_path, small):
    train.main([*small, "--hyper.l1", "1e-3", "--seed", "3", "--out", str(tmp_path / "one"), "--quiet"])
    train.main([str(tmp_path / "one/config.toml"), "--out", str(tmp_path / "two"), "--quiet"])
    assert run_of(tmp_path / "one") == run_of(tmp_path / "two")
    assert (tmp_path / "one/config.toml").read_text() == (tmp_path / "two/config.toml").read_text()


@pytest.mark.usefixtures("without_pictures")
def test_each_run_gets_a_fresh_folder(tmp_path, monkeypatch, small, capsys):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert train.main(small) == 0
    folders = list((tmp_path / "runs").iterdir())
    assert len(folders) == 2
    out = capsys.readouterr().out
    assert all(f"run directory: runs/{folder.name}" in out for folder in folders)
    assert all(
        word in out for word in ("split", "loss", "accuracy", "validation", "test", "of 20", "max epochs after epoch 3")
    )


@pytest.mark.usefixtures("without_pictures")
def test_softmax_regression_from_the_command_line(tmp_path, small):
    flags = [flag for flag in small if flag not in ("--network.hidden", "4")]
    assert train.main([*flags, "--network.hidden", "--out", str(tmp_path), "--quiet"]) == 0
    assert config.read(tmp_path / "config.toml")[0].network.hidden == ()


@pytest.mark.usefixtures("without_pictures")
def test_quiet_prints_nothing_on_success(tmp_path, small, capfd):
    assert train.main([*small, "--out", str(tmp_path), "--quiet", "--device", "cpu"]) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("without_pictures")
def test_a_finished_run_is_left_as_it_is(tmp_path, small, capsys):
    out = tmp_path / "run"
    train.main([*small, "--out", str(out), "--quiet"])
    before = contents(out)
    assert train.main(["--out", str(out), "--resume"]) == 0
    assert contents(out) == before
    assert "this run had already ended (max_epochs); nothing was changed" in capsys.readouterr().out
    with pytest.raises(UsageError, match="is not empty"):
        train.main([*small, "--out", str(out)])
    assert contents(out) == before
    with pytest.raises(UsageError, match=r"hyper.learning_rate \(was 0.1, now 0.2\)"):
        train.main(["--out", str(out), "--resume", "--hyper.learning-rate", "0.2"])
    assert contents(out) == before


def test_a_run_without_its_config_can_only_be_overwritten(tmp_path):
    (tmp_path / "metrics.jsonl").touch()
    line = refused([], train.main, ["--out", str(tmp_path), "--resume"])
    words = "holds no run to resume (config.toml is missing); bring it back from a copy, or begin anew with --overwrite"
    assert line == f"{tmp_path} {words}"


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(
    ("kept", "from_epoch", "words"),
    [(0, 0, []), (1, 2, []), (2, 2, ["is damaged: it is empty", "nothing was changed"])],
)
def test_lost_checkpoints_of_a_finished_run_are_said(tmp_path, small, capsys, kept, from_epoch, words):
    train.main([*small, "--out", str(tmp_path), "--quiet", "--checkpoint-seconds", "1e-6"])
    paths = sorted((tmp_path / "checkpoints").iterdir())
    for path in paths[kept:]:
        path.unlink()
    if kept == 2:
        paths[-1].write_bytes(b"")
    assert train.main(["--out", str(tmp_path), "--resume"]) == 0
    out = capsys.readouterr().out
    assert f"no whole checkpoint of epoch 3: more epochs would go on from epoch {from_epoch}" in out
    assert all(word in out for word in words)


@pytest.mark.usefixtures("without_pictures")
def test_a_changed_name_of_the_data_is_found_in_the_config(tmp_path, small, monkeypatch, capsys):
    monkeypatch.setattr(progress.Bar, "on_epoch_end", signalling(signal.SIGTERM))
    assert train.main([*small, "--out", str(tmp_path), "--quiet"]) == 143
    text = (tmp_path / "config.toml").read_text()
    (tmp_path / "config.toml").write_text(text.replace("small.npz", "sm4ll.npz"))
    words = [f"{tmp_path / 'config.toml'}: data.name", "sm4ll.npz", "put it back"]
    refused(words, train.main, ["--out", str(tmp_path), "--resume"], error=RunError)
    (tmp_path / "config.toml").write_text(text)
    assert train.main(["--out", str(tmp_path), "--resume", "--quiet"]) == 0
    (tmp_path / "config.toml").write_text(text.replace("small.npz", "sm4ll.npz"))
    assert train.main(["--out", str(tmp_path), "--resume"]) == 0
    assert re.search(
        r"config.toml was changed .*: data.name \(was .*small.npz, now .*sm4ll.npz\)", capsys.readouterr().out
    )


@pytest.mark.usefixtures("without_pictures")
def test_what_is_wrong_with_data_or_device_costs_no_run(tmp_path, small, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train.main([*small, "--out", "run", "--quiet"])
    before = contents(tmp_path)
    again = ["--out", "run", "--overwrite", "--quiet"]
    with pytest.raises(UsageError, match="neither a known name nor an existing path"):
        train.main([*again, "--data.name", "elsewhere.npz"])
    with pytest.raises(JaxmlpError, match="--device gpu: JAX finds none here"):
        train.main([*again, *small, "--device", "gpu"])
    with pytest.raises(UsageError, match="neither a known name nor an existing path"):
        train.main(["--data.name", "elsewhere.npz", "--quiet"])
    assert contents(tmp_path) == before
    assert not (tmp_path / "runs").exists()
    assert train.main([*again, *small]) == 0


@pytest.mark.usefixtures("without_pictures")
def test_a_run_that_diverges_fails_and_says_where(tmp_path, small, capsys):
    flags = [*small, "--hyper.learning-rate", "1e38", "--out", str(tmp_path), "--quiet"]
    assert train.main(flags) == 1
    out, error = capsys.readouterr()
    assert out == ""
    assert re.search(r"diverged in epoch \d, at learning rate 1e\+38", error)


def test_an_interrupted_run_says_how_to_go_on(tmp_path, small, capsys, monkeypatch):
    monkeypatch.setattr(progress.Bar, "on_epoch_end", signalling(signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    assert train.main([*small, "--out", str(tmp_path / "run")]) == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert f"go on with: python -m jaxmlp.train --out {tmp_path / 'run'} --resume" in capsys.readouterr().out
