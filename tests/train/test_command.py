"""`python -m jaxmlp.train` as a user meets it: flags, refusals, exit codes, signals, and what is loaded when."""

import json
import os
import random
import re
import signal
import subprocess
import time

import numpy as np
import pytest
from helpers import (
    command,
    contents,
    end_of,
    limited,
    refused,
    run_of,
    save_clouds,
    signalling,
    start,
    wait_until,
)

from jaxmlp.cli import progress
from jaxmlp.errors import JaxmlpError, UsageError
from jaxmlp.runs import config, model, runner
from jaxmlp.train import command as train

DIGITS = ["--data.name", "digits", "--network.hidden", "64", "--training.max-epochs", "120", "--hyper.patience", "0"]
COMMAND = command("train")


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


def rows_close(one, other):
    """The same run to rounding: every row of metrics.jsonl, and the weights."""
    for row, twin in zip(run_of(one)[1], run_of(other)[1], strict=True):
        assert [row[part]["correct"] for part in ("train", "validation")] == [
            twin[part]["correct"] for part in ("train", "validation")
        ]
        for part in ("train", "validation"):
            assert row[part] == pytest.approx(twin[part], rel=1e-5)
    for layer, twin in zip(model.load(one).params, model.load(other).params, strict=True):
        np.testing.assert_allclose(layer.w, twin.w, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(layer.b, twin.b, rtol=1e-4, atol=1e-6)


SPLIT = "--data-parallel"
DROPOUT = ["--network.dropout", "--hyper.dropout-rate", "0.25"]


@pytest.fixture(scope="module")
def on_one_device(tmp_path_factory, small):
    """The run directory of three epochs with dropout, on one device."""
    out = tmp_path_factory.mktemp("one") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "draw", lambda *_: None)
        assert train.main([*small, *DROPOUT, "--out", str(out), "--quiet"]) == 0
    return out


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(("first", "then"), [([SPLIT], []), ([], [SPLIT]), ([SPLIT], [SPLIT])])
def test_a_run_goes_on_with_data_parallelism_or_without(tmp_path, small, on_one_device, capsys, first, then):
    """Stopped after its first epoch and resumed, it is the run of one device to rounding; a mixed one says so."""
    out = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress.Bar, "on_epoch_end", signalling(signal.SIGTERM))
        assert train.main([*small, *DROPOUT, "--out", str(out), *first]) == 143
    said = capsys.readouterr().out
    assert said.splitlines()[-1].endswith(" ".join(["--resume", *first]))
    assert ("every minibatch is split over 2 devices" in said) == bool(first)
    assert train.main(["--out", str(out), "--resume", *then]) == 0
    assert ("the last bits may differ" in capsys.readouterr().out) == (first != then)
    rows_close(out, on_one_device)
    if first == then:
        assert train.main([*small, *DROPOUT, "--out", str(tmp_path / "whole"), "--quiet", *then]) == 0
        assert run_of(out) == run_of(tmp_path / "whole")


def environment_with(devices):
    """Of a process that has so many CPU devices, made in the way that the refusal names."""
    flags = {"XLA_FLAGS": "--xla_backend_optimization_level=0", "JAX_PLATFORMS": "cpu"}
    return os.environ | flags | {"JAX_NUM_CPU_DEVICES": str(devices)}


def test_four_devices_give_the_run_of_one(tmp_path, small, on_one_device):
    process = start(COMMAND, *small, *DROPOUT, SPLIT, "--out", tmp_path / "run", env=environment_with(4))
    code, out, error = end_of(process)
    assert (code, error) == (0, "")
    assert "every minibatch is split over 4 devices" in out
    rows_close(tmp_path / "run", on_one_device)
    assert json.loads((tmp_path / "run/environment.json").read_text())["device"]["data_parallel"]


@pytest.mark.parametrize(
    ("devices", "code", "words"),
    [
        (1, 1, ["JAX finds one here (cpu)", "JAX_NUM_CPU_DEVICES=N"]),
        (3, 2, ["training.batch_size is 16", "3 devices", "a multiple of 3"]),
    ],
)
def test_devices_that_cannot_share_a_batch_cost_one_line(tmp_path, small, devices, code, words):
    found, out, error = end_of(start(COMMAND, *small, SPLIT, cwd=tmp_path, env=environment_with(devices)))
    assert found == code
    assert "run directory" not in out
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert all(word in error for word in words), error
    assert list(tmp_path.iterdir()) == []


def epochs_of(out):
    """How many epochs are in metrics.jsonl."""
    return (out / "metrics.jsonl").read_bytes().count(b"\n") if (out / "metrics.jsonl").exists() else 0


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The bits of the run that no signal comes to."""
    out = tmp_path_factory.mktemp("whole") / "run"
    subprocess.run([*COMMAND, *DIGITS, "--out", str(out), "--quiet"], check=True)
    return run_of(out)


def test_signals_and_kills_change_no_bit(tmp_path, uninterrupted):
    """SIGINT, SIGTERM, then kill -9 at two random moments; each time the run is resumed."""
    seed = int.from_bytes(os.urandom(4))
    moments = random.Random(seed)
    out, epochs = tmp_path / "run", 0
    for number, code in ((2, 130), (15, 143), (9, -9), (9, -9)):
        fresh = not out.exists()
        process = start(COMMAND, *(DIGITS if fresh else ["--resume"]), "--out", out, "--checkpoint-seconds", "0.05")
        epochs += moments.randint(1, 20)
        wait_until(process, lambda until=epochs: epochs_of(out) >= until)
        process.send_signal(number)
        found, said, error = end_of(process)
        assert found == code, (seed, said, error)
        assert "Traceback" not in error
        if number != 9:
            assert "stopping after this epoch" in error
            assert "go on with" in said
        assert not (out / "summary.json").exists()
        epochs = epochs_of(out)
    subprocess.run([*COMMAND, "--resume", "--out", str(out), "--quiet"], check=True, timeout=60)
    assert run_of(out) == uninterrupted, seed


@pytest.mark.parametrize("delay", [0.25, 0.5, 0.9])
def test_an_interrupt_while_it_starts_leaves_no_traceback(tmp_path, delay):
    process = start(COMMAND, *DIGITS, "--out", tmp_path / "run")
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    code, _, error = end_of(process)
    assert code == 130
    assert "Traceback" not in error


def test_no_gpu_here_is_told_in_one_line(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "JAX_PLATFORMS"}
    code, out, error = end_of(start(COMMAND, *DIGITS, "--device", "gpu", cwd=tmp_path, env=environment))
    if code == 0:
        pytest.skip("there is a GPU here")
    assert code == 1
    assert out == ""
    assert error.startswith("error: --device gpu: JAX finds none here")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_limit_on_the_size_of_files_costs_one_line(tmp_path, small):
    flags = [*small, "--training.max-epochs", "40", "--hyper.patience", "0", "--out", tmp_path / "run"]
    code, _, error = end_of(start(limited(COMMAND), *flags))
    assert code == 1
    assert error.count("\n") == 1
    assert re.match(r"error: cannot .*: File too large; raise the limit", error)


@pytest.mark.parametrize("arguments", [["--help"], [*DIGITS, "--out", "run"]], ids=["help", "training"])
def test_a_reader_that_goes_away_sees_no_traceback(tmp_path, arguments):
    with start(COMMAND, *arguments, cwd=tmp_path) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 1
