"""What is loaded when: `import jaxmlp`, `--help` and reading a config do without what takes seconds to import."""

import pytest
from helpers import loaded_after

HELP = "import sys, runpy; sys.argv = ['train', '--help']; runpy.run_module('jaxmlp.train', run_name='__main__')"
DRAWING = {"matplotlib", "PIL"}
HEAVY = DRAWING | {"optax", "sklearn", "tensorflow", "tensorflow_datasets", "pandas"}


@pytest.mark.parametrize(
    ("code", "loads", "not_yet"),
    [
        ("import jaxmlp", "jaxmlp", HEAVY | {"jax", "numpy", "tyro"}),
        (HELP, "jaxmlp.runs.config", HEAVY),
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
