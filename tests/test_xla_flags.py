"""The flag that keeps a version of XLA from wrong sums is set in time, never over the user's own, and taken back."""

import json
import os
import subprocess
import sys
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import xla_flags

FLAG = "xla_some_fusion"


@pytest.fixture(autouse=True, scope="module")
def flags_are_read():
    """XLA reads its flags once; not while a test has others."""
    (jnp.zeros(2) + 1).block_until_ready()


@pytest.fixture
def wrong(monkeypatch):
    monkeypatch.setattr(xla_flags, "WRONG", {version("jaxlib"): FLAG})
    monkeypatch.setattr(xla_flags, "_has_computed", lambda: False)
    monkeypatch.setattr(xla_flags, "_changed", [])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, f"--{FLAG}=-reduce"),
        ("--xla_other=1", f"--xla_other=1 --{FLAG}=-reduce"),
        (f"--{FLAG}=reduce", f"--{FLAG}=reduce"),
    ],
)
def test_the_flag_is_added_unless_the_user_has_it(monkeypatch, wrong, before, after):
    monkeypatch.delenv("XLA_FLAGS") if before is None else monkeypatch.setenv("XLA_FLAGS", before)
    xla_flags.avoid()  # without a warning, which would be an error here
    assert os.environ["XLA_FLAGS"] == after
    xla_flags.restore()
    assert os.environ.get("XLA_FLAGS") == before


def test_what_was_changed_later_is_not_taken_back(monkeypatch, wrong):
    monkeypatch.setenv("XLA_FLAGS", "--xla_other=1")
    xla_flags.avoid()
    monkeypatch.setenv("XLA_FLAGS", "--xla_third=1")
    xla_flags.restore()
    assert os.environ["XLA_FLAGS"] == "--xla_third=1"


SUMS = """
import json, os, jaxmlp
{start}
import jax, jax.numpy as jnp, numpy as np
left = os.environ.get("XLA_FLAGS")
z = np.random.default_rng(0).standard_normal((16, 2100, 10)).astype(np.float32)
t = np.eye(10, dtype=np.float32)[np.arange(2100) % 10]
found = jax.jit(lambda z, t: jnp.log(jnp.sum(jnp.exp(z), axis=-1)) - jnp.sum(t * z, axis=-1))(z, t[None])
print(json.dumps([left, float(np.abs(found - (np.log(np.exp(z).sum(-1)) - (t * z).sum(-1))).max())]))
"""
STARTS = {
    "command": "from jaxmlp.cli.devices import choose_device; choose_device('cpu')",
    "fit": "from jaxmlp.training import fitting; spec = jaxmlp.Spec(jaxmlp.Network(()), jaxmlp.Training(), 2, 2);"
    "fitting.initial(spec, jaxmlp.Hyper(), 0)",
    "perceptron": "import numpy as np; from jaxmlp.perceptron import fitting, online;"
    "from jaxmlp.spec import Examples, Splits;"
    "data = Splits(*[Examples(np.zeros((2, 2), np.float32), np.array([0, 1], np.int32))] * 3);"
    "fitting.fit_online(online.one_layer('sigmoid', 'zeros', 2, 2), [(online.Online(max_steps=1), 0)], data)",
    "grid": "from jaxmlp.grid.executors import local_workers; local_workers(1)",
}


@pytest.mark.whole_programs
@pytest.mark.parametrize(
    ("start", "before"),
    [*((start, None) for start in STARTS), ("command", "--xla_force_host_platform_device_count=2")],
)
def test_processes_started_later_do_not_inherit_the_flag_and_sums_stay_right(start, before):
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    environment |= {} if before is None else {"XLA_FLAGS": before}
    code = SUMS.format(start=STARTS[start])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    left, error = json.loads(done.stdout)
    assert left == before
    assert error < 1e-4


def test_the_version_is_that_of_the_installed_jaxlib():
    assert xla_flags._jaxlib_version() == version("jaxlib")


def test_other_versions_are_left_alone(monkeypatch):
    monkeypatch.setattr(xla_flags, "WRONG", {"0.0.1": FLAG})
    monkeypatch.setenv("XLA_FLAGS", "--xla_other=1")
    xla_flags.avoid()
    assert os.environ["XLA_FLAGS"] == "--xla_other=1"


def test_it_is_told_when_it_is_too_late(monkeypatch):
    monkeypatch.setattr(xla_flags, "WRONG", {version("jaxlib"): FLAG})
    monkeypatch.setenv("XLA_FLAGS", "")
    with pytest.warns(RuntimeWarning, match="import jaxmlp first"):
        xla_flags.avoid()


@pytest.mark.parametrize("rows", [1, 2**15, 2**15 + 1])
def test_sums_of_products_are_right(rows):
    """What was wrong, in small; here the flag is set, if it is needed."""
    z = np.random.default_rng(0).standard_normal((16, rows // 16 + 1, 10)).astype(np.float32)
    t = np.eye(10, dtype=np.float32)[np.arange(z.shape[1]) % 10]
    found = jax.jit(lambda z, t: jnp.log(jnp.sum(jnp.exp(z), axis=-1)) - jnp.sum(t * z, axis=-1))(z, t[None])
    np.testing.assert_allclose(found, np.log(np.exp(z).sum(-1)) - (t * z).sum(-1), rtol=1e-4, atol=1e-4)
