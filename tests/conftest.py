"""The strictness of the house: no rank promotion, no dtype promotion, no warnings, no network, checked shapes."""

import atexit
import gc
import os
import re
import shutil
import socket
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["MPLBACKEND"] = "agg"
os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray reads it once, when it is imported
# Two CPU devices, for a network on many. Most of the time is compiling: tests/training/test_loop.py takes
# 30 s of CPU time without optimisation and with the older of two code generators, and three times that as users have it.
# So the tests compile quickly, and what computes is shown to hold for users as well: the tests that are marked
# `users_flags` run a second time as XLA compiles by itself (integration/test_users_flags.py), and commands that tests start
# as processes run so always (helpers.start). These share one cache of programs, as the same ones are compiled again and
# again: a sweep of integration/test_sweep_kills.py takes 8.0 s of CPU time where it compiles all, 3.5 s where all is in
# the cache (4.5 s at the flags below), and gives the same bits. Within one process each program is another one, and nothing
# would be saved.
FLAGS = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
FLAGS += " --xla_cpu_parallel_codegen_split_count=1"  # programs are small: to compile parts of them takes longer
if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11):  # later there is no choice, and no such flag
    FLAGS += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", FLAGS)

# downloads and parsed data: one folder for this session, its workers and the processes they start, none of the user's
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["JAXMLP_CACHE"] = tempfile.mkdtemp(prefix="jaxmlp-tests-")
    atexit.register(shutil.rmtree, os.environ["JAXMLP_CACHE"], ignore_errors=True)

from jaxtyping import install_import_hook

# where shapes are stated, calls are checked against them; to check all others too took 10 % of the time of four test files
modules = [path for path in (ROOT / "jaxmlp").rglob("*.py") if "from jaxtyping import" in path.read_text()]
install_import_hook([".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules], "beartype.beartype")

import jax
import numpy as np
import pytest

from jaxmlp.grid.program import PROGRAMS
from jaxmlp.run import page
from jaxmlp.training import fitting

fitting.compiled_begin = jax.jit(fitting.begin, static_argnums=0)  # at FLAGS, like all else

# a page draws three pictures for itself, which takes 0.3 s of every run that is trained: tests that ask for them have them
DRAWINGS, page.drawings = page.drawings, lambda *_: {}

# what is imported stays, and tracing makes many objects that soon go: to look for cycles less often saves 7 % of the time
gc.freeze()
gc.set_threshold(50_000, 20, 50)

jax.config.update("jax_enable_compilation_cache", False)  # each program is another one
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_collection_modifyitems(items):
    """The longest first: then no worker is left with one of them at the end."""
    items.sort(
        key=lambda item: not re.search(r"test_(notebooks|battery|ray|users_flags|sweep_kills|kills)", item.nodeid)
    )


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """A test that reaches for another machine fails; sockets within this one are left alone."""
    connect = socket.socket.connect

    def refuse(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise RuntimeError(f"a test reached for the network: {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(autouse=True, scope="module")
def no_programs_left():
    """Every compiled program keeps some memory maps, of which Linux gives a process 65,530: XLA crashes on the next one."""
    yield
    PROGRAMS.clear()
    jax.clear_caches()


@pytest.fixture(autouse=True)
def fixed_seeds():
    np.random.seed(0)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache of data is an empty folder of the test's own."""
    monkeypatch.setenv("JAXMLP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def without_pictures(monkeypatch):
    """Runs and sweeps draw nothing: pictures take longer than the rest of a small run."""
    monkeypatch.setattr("jaxmlp.run.pictures.draw", lambda *_: None)
    monkeypatch.setattr("jaxmlp.run.pictures.picture_names", lambda _: [])
    monkeypatch.setattr("jaxmlp.run.page.write", lambda *_: None)
    monkeypatch.setattr("jaxmlp.run.page.is_whole", lambda _: True)
    monkeypatch.setattr("jaxmlp.plots.sweep_pictures", lambda *_: {})


@pytest.fixture(scope="module")
def drawn_pages():
    """The pages of runs have their own pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "drawings", DRAWINGS)
        yield


@pytest.fixture
def float64():
    """Proofs are made in double precision."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def standard_promotion():
    """What optax needs: some of its rules fail under strict promotion."""
    with jax.numpy_dtype_promotion("standard"):
        yield
