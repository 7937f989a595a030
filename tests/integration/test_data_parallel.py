"""`python -m jaxmlp.train --data-parallel`: the run of one device to rounding, also where one is resumed as the other."""

import json
import signal

import numpy as np
import pytest
from helpers import command, end_of, run_of, save_clouds, signalling, start, users_environment

from jaxmlp.cli import progress
from jaxmlp.run import model
from jaxmlp.train import command as train

pytestmark = pytest.mark.whole_programs

COMMAND = command("train")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Flags of a run that takes no time."""
    path = save_clouds(tmp_path_factory.mktemp("data") / "small.npz")
    flags = ["--network.hidden", "4", "--training.max-epochs", "3", "--training.batch-size", "16"]
    return ["--data.name", str(path), *flags]


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
        patch.setattr("jaxmlp.run.pictures.draw", lambda *_: None)
        patch.setattr("jaxmlp.run.page.write", lambda *_: None)
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


def test_four_devices_give_the_run_of_one(tmp_path, small, on_one_device):
    # compiled in half the time: it is the same to rounding, not to the bit
    environment = users_environment(JAX_NUM_CPU_DEVICES=4, XLA_FLAGS="--xla_backend_optimization_level=0")
    process = start(COMMAND, *small, *DROPOUT, SPLIT, "--out", tmp_path / "run", env=environment)
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
    found, out, error = end_of(
        start(COMMAND, *small, SPLIT, cwd=tmp_path, env=users_environment(JAX_NUM_CPU_DEVICES=devices))
    )
    assert found == code
    assert "run directory" not in out
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert all(word in error for word in words), error
    assert list(tmp_path.iterdir()) == []
