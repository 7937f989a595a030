"""The notebooks: committed without outputs, and run top to bottom in an empty folder without network, all pictures shown."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

# as conftest.py has it, for quick compiling; how many devices there are is the notebook's own choice
FLAGS = " ".join(flag for flag in os.environ["XLA_FLAGS"].split() if "device_count" not in flag)
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
AT_LEAST = {"gradients", "grids", "perceptron", "report", "tables"}
# run by the kernel before the first cell: what tests/conftest.py does for the tests
STARTUP = """
import socket


def refuse(self, address, connect=socket.socket.connect):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise RuntimeError(f"a notebook reached for the network: {address}")
    return connect(self, address)


socket.socket.connect = refuse
del refuse, socket
"""
CUT = "splits = jaxmlp.Splits(*(part._replace(x=part.x[:256], targets=part.targets[:256]) for part in splits))"
FEWER_EXAMPLES = {"print({name: part.x.shape": f"{CUT}\nprint({{name: part.x.shape"}
# what takes time only: every cell runs, with fewer epochs, steps and sizes than readers see
SHORTER = {
    "gradients": {"(101_770)[:300]": "(101_770)[:20]"},
    "grids": {
        "max_epochs=60": "max_epochs=3",
        **FEWER_EXAMPLES,
        "rung_epochs=(2, 6)": "rung_epochs=(1, 2)",
        "for _ in range(3)": "for _ in range(1)",
        "steps=16": "steps=2",
        "steps=6)": "steps=2)",
        "seeds=64": "seeds=4",
        "FITTED = 5": "FITTED = 2",
        "    (*noise((64, 128, 10), batch=128), 16),\n    (*noise((784, 32, 10), batch=128), 16),\n": "",
        "    (*noise((784, 128, 10), batch=32), 4),\n    (*noise((784, 128, 10), batch=128), 4),\n": "",
        "    (*noise((256, 64, 10), batch=32), 16),\n": "",
    },
    "perceptron": {
        "threshold=3e-6, init_scale": "threshold=3e-6, max_steps=2_000, init_scale",
        "(20_000,)": "(2_000,)",
        "max_steps=40_000": "max_steps=2_000",
        "3e-6], range(4)": "3e-6], range(2)",
        'in ("tanh", "arctan", "identity")': 'in ("arctan",)',
    },
    "tables": {
        "(16,), (32, 16)": "(16,), (8,)",
        "seeds=3": "seeds=1",
        "cv=5": "cv=2",
        "[1e-4, 1e-2, 1.0]": "[1e-2]",
    },
    "report": {
        **FEWER_EXAMPLES,
        "l1_step=l1_step)": "l1_step=l1_step, max_epochs=2)",
        "(0.001, 0.003)": "(0.003,)",
    },
}
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Executes a notebook with nothing of the user's own: no settings, no startup files, no network."""
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "no_network.py").write_text(STARTUP)
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR", "PATH"):
        monkeypatch.setenv(f"JUPYTER_{name}", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("XLA_FLAGS", FLAGS)
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel has its own
    here = tmp_path / "here"
    here.mkdir()

    def execute(notebook):
        client = NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(here)}}
        )
        return client.execute()

    return execute


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shortened(notebook, name):
    """The notebook with its numbers of epochs and steps replaced, each of which stands in one place."""
    for longer, shorter in SHORTER.get(name, {}).items():
        (cell,) = [cell for cell in code_cells(notebook) if longer in cell.source]
        cell.source = cell.source.replace(longer, shorter)
    return notebook


def is_picture(cell):
    return "picture" in cell.metadata.get("tags", [])


def without_picture(notebook):
    """The cells that are to show a picture and do not, by their id."""
    shown = {
        cell.id for cell in code_cells(notebook) for output in cell.outputs if "image/png" in output.get("data", {})
    }
    return [cell.id for cell in code_cells(notebook) if is_picture(cell) and cell.id not in shown]


def complaints(notebook):
    """What was printed on stderr: warnings."""
    return [output.text for cell in code_cells(notebook) for output in cell.outputs if output.get("name") == "stderr"]


def test_the_notebooks_are_there():
    assert {path.stem for path in NOTEBOOKS} >= AT_LEAST


@every_notebook
def test_is_committed_without_outputs(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)  # cells have ids
    cells = code_cells(notebook)
    assert [cell.id for cell in cells if cell.outputs or cell.execution_count is not None] == []
    drawing = [cell for cell in cells if cell.source.splitlines()[-1].startswith(("plots.", "figure", "curves("))]
    assert [cell.id for cell in cells if is_picture(cell)] == [cell.id for cell in drawing]


@pytest.mark.whole_programs
@every_notebook
def test_runs_and_shows_its_pictures(path, run):
    notebook = run(shortened(nbformat.read(path, as_version=4), path.stem))
    assert without_picture(notebook) == []
    assert any(map(is_picture, code_cells(notebook)))
    assert complaints(notebook) == []


def test_what_a_notebook_must_not_do_is_seen(run):
    """A picture that is missing, a warning, and an address outside of this machine."""
    cells = [
        nbformat.v4.new_code_cell("print('no picture')", id="bare", metadata={"tags": ["picture"]}),
        nbformat.v4.new_code_cell("import warnings; warnings.warn('mind')"),
        nbformat.v4.new_code_cell("import socket; socket.create_connection(('192.0.2.1', 80), 1)"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with pytest.raises(CellExecutionError, match="a notebook reached for the network"):
        run(notebook)
    assert without_picture(notebook) == ["bare"]
    assert "mind" in complaints(notebook)[0]
