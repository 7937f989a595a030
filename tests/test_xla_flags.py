"""The flag that keeps a version of XLA from wrong sums is set in time, never twice, never over the user's own."""

import os
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
