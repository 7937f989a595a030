"""Float64 with and without JAX's own switch: the same bits in every command and function, whichever dtype is trained in."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest
from helpers import HYPERS, SPEC, assert_same, clouds, run_of, save_clouds, sweep_of

from jaxmlp.gradcheck import command as gradcheck
from jaxmlp.grid.fit_grid import fit_grid, fit_trials
from jaxmlp.perceptron import command as perceptron
from jaxmlp.run import model
from jaxmlp.spec import Splits
from jaxmlp.sweep import command as sweep
from jaxmlp.train import command as train
from jaxmlp.training.fitting import fit

pytestmark = pytest.mark.usefixtures("without_pictures", "standard_promotion")

DTYPES = ["float32", "float64"]
SPLITS = Splits(*(clouds(n, seed=n) for n in (20, 8, 8)))  # validation and test by one program
QUICK = ["--network.hidden", "4", "--data.normalise", "none", "--quiet"]


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    return str(save_clouds(tmp_path_factory.mktemp("data") / "clouds.npz"))


def spec_in(dtype, **training):
    return replace(SPEC, training=replace(SPEC.training, max_epochs=3, dtype=dtype, **training))


def fitted(dtype):
    found = fit(spec_in(dtype, gradient="delta_rule"), HYPERS[2], SPLITS)
    assert found.params[0].w.dtype == dtype
    return found.state, found.validation, found.test


def side_by_side(dtype):
    """A grid, and trials of the same program."""
    spec, packed = spec_in(dtype, shuffle=False), {"mode": "packed", "chunk": 2}
    found = fit_grid(spec, HYPERS[2], SPLITS, {"momentum": [0.0, 0.9]}, seeds=2, **packed)
    (best,) = found.models(top=1)
    assert best.params[0].w.dtype == dtype
    trials = fit_trials(spec, HYPERS[:2], [3, 3], SPLITS, **packed)
    return found.table, best.params, found.test, [(fit.state, fit.test) for fit in trials]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", [fitted, side_by_side])
def test_functions_give_the_same_bits_with_and_without_the_switch(function, dtype):
    without = function(dtype)
    with jax.enable_x64(True):
        assert_same(function(dtype), without)


def trained(npz, out, dtype, *more, epochs=4):
    words = [*QUICK, "--data.name", npz, "--training.dtype", dtype, "--training.batch-size", "16"]
    assert train.main([*words, "--training.max-epochs", str(epochs), "--out", str(out), *more]) == 0
    loaded = model.load(out)
    assert loaded.params[0].w.dtype == dtype
    logits = loaded.logits(np.load(npz)["x_test"])
    assert logits.dtype == dtype
    return (*run_of(out), logits.tobytes())


@pytest.mark.parametrize(("dtype", "start", "resume"), [("float32", False, True), ("float64", True, False)])
def test_a_run_goes_on_with_and_without_the_switch(dtype, start, resume, npz, tmp_path):
    expected = trained(npz, tmp_path / "whole", dtype)
    with jax.enable_x64(start):
        trained(npz, tmp_path / "resumed", dtype, epochs=2)
    with jax.enable_x64(resume):
        assert trained(npz, tmp_path / "resumed", dtype, "--resume") == expected


def swept(npz, out, dtype):
    words = [*QUICK, "--data.name", npz, "--training.dtype", dtype, "--training.max-epochs", "2", "--test-all"]
    assert sweep.main([*words, "--grid", "learning_rate = [0.1, 0.3]", "--seeds", "2", "--out", str(out)]) == 0
    return sweep_of(out)


def learnt(npz, out, dtype):
    words = ["--data.name", npz, "--data.normalise", "none", "--quiet", "--online.max-steps", "300", "--seeds", "2"]
    assert perceptron.main([*words, "--out", str(out)]) == 0
    return [path.read_bytes() for path in sorted(out.rglob("*.safetensors"))]


@pytest.mark.parametrize(
    ("command", "dtype"),
    [(swept, "float32"), (learnt, "")],
)
def test_commands_give_the_same_bits_with_and_without_the_switch(command, dtype, npz, tmp_path):
    without = command(npz, tmp_path / "without", dtype)
    with jax.enable_x64(True):
        assert command(npz, tmp_path / "with", dtype) == without


@pytest.mark.parametrize(("dtype", "epochs"), [("float32", "1"), ("float64", "0")])
def test_the_checker_agrees_with_the_switch(dtype, epochs, npz, capsys):
    """Without it: gradcheck/test_command.py."""
    words = ["--data.name", npz, "--data.normalise", "none", "--network.hidden", "3", "--training.dtype", dtype]
    with jax.enable_x64(True):
        assert gradcheck.main([*words, "--epochs", epochs, "--curve-weights", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "ok"


def test_the_variable_is_that_switch(npz, tmp_path):
    """JAX_ENABLE_X64=1 as users set it, in a process of its own."""
    program = "import sys; from jaxmlp.train.command import main; sys.exit(main(sys.argv[1:]))"
    words = [*QUICK, "--data.name", npz, "--training.batch-size", "16", "--training.max-epochs", "4", "--out"]
    environment = os.environ | {"JAX_ENABLE_X64": "1"}
    there = [sys.executable, "-c", program, *words, str(tmp_path / "there")]
    done = subprocess.run(there, env=environment, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    assert run_of(tmp_path / "there")[:2] == trained(npz, tmp_path / "here", "float32")[:2]
