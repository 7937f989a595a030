"""What is loaded when: `import jaxmlp`, `--help` and reading a config do without what takes seconds to import."""

import subprocess
import sys

import pytest
from helpers import loaded_after

HELP = "import sys, runpy; sys.argv = ['train', '--help']; runpy.run_module('jaxmlp.train', run_name='__main__')"
DRAWING = {"matplotlib", "PIL"}
HEAVY = DRAWING | {"optax", "sklearn", "tensorflow", "tensorflow_datasets", "pandas"}


@pytest.mark.parametrize(
    ("code", "loads", "not_yet"),
    [
        ("import jaxmlp", "jaxmlp", HEAVY | {"jax", "numpy", "tyro"}),
        (HELP, "jaxmlp.run.config", HEAVY),
        ("import jaxmlp.data.sources, jaxmlp.data.preparing", "numpy", HEAVY | {"pooch", "requests", "platformdirs"}),
        ("import jaxmlp.sweep.config", "jax", {"scipy.stats"}),
        ("import jaxmlp.plots, jaxmlp.sweep.finish, jaxmlp.report.page", "numpy", {"matplotlib"}),
    ],
    ids=["package", "help", "data", "sweep", "plots"],
)
def test_what_is_heavy_waits_until_it_is_used(code, loads, not_yet):
    modules = loaded_after(code)
    assert loads in modules
    assert modules & not_yet == set()


@pytest.mark.parametrize(
    "start",
    [
        "import runpy; runpy.run_module('jaxmlp.train', run_name='__main__')",
        "from jaxmlp.__main__ import start; start()",
    ],
)
def test_signals_are_handled_before_anything_else_is_imported(start):
    """Until then a signal ends Python itself, with -2 and a traceback: what took 34 ms takes 4."""
    slow = {"importlib.metadata", "dataclasses", "inspect", "typing", "difflib", "pathlib", "tyro", "jax", "numpy"}
    trap = "import signal, sys; signal.signal = lambda *_: (print(*sys.modules), sys.exit())"
    done = subprocess.run([sys.executable, "-c", f"{trap}\n{start}"], capture_output=True, text=True, timeout=60)
    modules = set(done.stdout.split())
    assert "jaxmlp.cli.signals" in modules
    bare = subprocess.run([sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True)
    assert modules & slow == set(bare.stdout.split()) & slow
