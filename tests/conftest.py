"""The strictness of the house: no rank promotion, no dtype promotion, no warnings, no network, checked shapes."""

import os
import socket

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["MPLBACKEND"] = "agg"
# most of the time is compiling: without optimisation it takes two thirds, here and in the processes that tests start;
# two CPU devices, so that members are really shared out
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_force_host_platform_device_count=2")

from jaxtyping import install_import_hook

install_import_hook("jaxmlp", "beartype.beartype")

import jax
import numpy as np
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """A test that reaches for another machine fails; sockets within this one are left alone."""
    connect = socket.socket.connect

    def refuse(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise RuntimeError(f"a test reached for the network: {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(autouse=True)
def fixed_seeds():
    np.random.seed(0)


@pytest.fixture
def float64():
    """Proofs are made in double precision."""
    with jax.enable_x64(True):
        yield
