"""`export` as users call it: where files go, what they are checked on, what is refused, and processes that read them."""

import json
import shutil
import subprocess
import sys
import zipfile

import jax
import numpy as np
import pandas as pd
import pytest
from helpers import files, refused, save_clouds

import jaxmlp
from jaxmlp.data.columns import Column, Columns
from jaxmlp.data.config import Data
from jaxmlp.data.preparing import Preparation
from jaxmlp.errors import RunError, UsageError
from jaxmlp.export import formats
from jaxmlp.export.command import main
from jaxmlp.export.formats import FORMATS
from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.run import directory, model, runner
from jaxmlp.run.config import Experiment
from jaxmlp.run.sealed import write_json
from jaxmlp.spec import Hyper, Network
from jaxmlp.training import registering
from jaxmlp.training.model import Model


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run directory with untrained weights, and the data that its config names."""
    folder = tmp_path_factory.mktemp("whole")
    experiment = Experiment(Data(str(save_clouds(folder / "data.npz"))), Network((4,)))
    data = runner.read_data(experiment)
    directory.create(folder / "run", experiment, overwrite=False)
    spec = runner.spec_of(experiment, data.splits, data.preparation)
    params = jaxmlp.init(spec, Hyper(), jax.random.key(0))
    model.save(folder / "run", Model(spec, params, data.preparation))
    return folder / "run"


@pytest.fixture
def run(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "run")


def export(*words):
    return main([str(word) for word in words])


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "torch"])
def test_a_file_goes_into_the_run_and_is_checked_on_its_test_examples(run, capsys, format):
    assert export(run, "--format", format) == 0
    said = capsys.readouterr().out
    assert f"export/{FORMATS[format].name}: " in said
    assert "20 of 20 predictions equal" in said
    assert "on test examples of" in said
    assert "takes rows [N, 5], float32, as they came; gives label, probabilities, logits" in said
    names = files(run / "export")
    assert names == {FORMATS[format].name, *(f"model_numpy{ending}" for ending in FORMATS[format].beside)}
    before = {name: (run / "export" / name).read_bytes() for name in names}
    refused(["exists", "--overwrite", "--out"], export, run, "--format", format)
    assert export(run, "--format", format, "--overwrite") == 0
    assert {name: (run / "export" / name).read_bytes() for name in names} == before  # the same bits
    assert directory.check_new(run, overwrite=True)  # a new run may replace it


def test_where_torch_is_missing_the_file_is_written_and_said_to_be_unchecked(run, capsys, monkeypatch):
    monkeypatch.setattr(formats, "installed", lambda package: False)
    assert export(run, "--format", "torch") == 0
    assert "not checked: torch is not installed here" in capsys.readouterr().out
    assert files(run / "export") == {"model_torch.py", "model_torch.safetensors"}


def test_where_onnx_is_missing_the_line_names_the_extra(run, monkeypatch):
    monkeypatch.setattr(formats, "installed", lambda package: False)
    refused(["onnx", "not installed", "pip install 'jaxmlp[onnx]'"], export, run)


def test_other_data_under_the_name_of_those_of_the_run_are_not_called_its_test_examples(run, capsys):
    write_json(run / directory.ENVIRONMENT, {"identity": {"keys": {}, "data": "00000000"}})
    model.save(run, jaxmlp.load(run / "model.safetensors"), directory.identity_of(run))
    export(run, "--format", "numpy")
    assert "on random examples (" in (said := capsys.readouterr().out)
    assert "was trained on other data than" in said


@pytest.mark.parametrize(
    ("gone", "cause"), [("gone.npz", "data.name"), ("other.npz", "test examples of"), ("run", "no run")]
)
def test_without_the_data_it_is_checked_on_random_examples(run, whole, tmp_path, capsys, gone, cause):
    with np.load(whole.parent / "data.npz") as arrays:
        np.savez(
            whole.parent / "other.npz", **{name: x[..., :4] if name[0] == "x" else x for name, x in arrays.items()}
        )
    if gone != "run":
        config = (run / "config.toml").read_text()
        (run / "config.toml").write_text(config.replace("data.npz", gone))
        export(run, "--format", "numpy")
    else:
        (tmp_path / "alone").mkdir()
        shutil.copy(run / "model.safetensors", tmp_path / "alone/rings.safetensors")
        export(tmp_path / "alone/rings.safetensors", "--format", "numpy")
        assert files(tmp_path / "alone") == {"rings.safetensors", "rings_numpy.py", "rings_numpy.npz"}
    said = capsys.readouterr().out
    assert "1,000 of 1,000 predictions equal" in said
    assert f"random examples ({cause}" in said


def test_out_names_the_file_and_its_folders_are_made(run, tmp_path):
    export(run, "--format", "numpy", "--out", tmp_path / "new/folder/rings.py")
    assert files(tmp_path / "new/folder") == {"rings.py", "rings.npz"}
    assert not (run / "export").exists()


REFUSED = {
    "another end": (["--out", "model.pb"], ["model.pb", "ends with .onnx"]),
    "a folder": (["--out", "."], ["is a folder", "model.onnx"]),
    "a package": (["--format", "torch", "--out", "torch.py"], ["torch.py", "imported instead", "model_torch.py"]),
    "a typo": (["--fromat", "onnx"], ["--fromat", "--format"]),
    "a format": (["--format", "tflite"], ["tflite", "stablehlo"]),
}


@pytest.mark.parametrize(("words", "line"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_costs_one_line(run, words, line):
    refused(line, export, run, *words)
    assert not (run / "export").exists()


def test_the_weights_of_a_program_never_replace_a_model(run):
    before = (run / "model.safetensors").read_bytes()
    words = [str(run / "model.safetensors"), "is a model of jaxmlp", "--out"]
    refused(words, export, run, "--format", "torch", "--out", run / "model.py", "--overwrite")
    assert (run / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("folder", ["nothing", "sweep"])
def test_what_is_no_model_costs_one_line(run, tmp_path, folder):
    (tmp_path / "sweep").mkdir()
    shutil.copytree(run, tmp_path / "sweep/best")
    words = {"nothing": ["does not exist"], "sweep": ["holds no model itself", "best"]}[folder]
    refused(words, export, tmp_path / folder, error=(RunError, UsageError))


def test_answers_that_differ_are_never_written(run, monkeypatch):
    chosen = FORMATS["numpy"]

    def wrong(trained, path):
        right = chosen.open(trained, path)
        return lambda x: (right(x)[0] + 1e-4, right(x)[1])

    monkeypatch.setitem(FORMATS, "numpy", chosen._replace(open=wrong))
    words = ["not written", "1.0e-04", "test examples", "1e-05"]
    refused(words, export, run, "--format", "numpy", error=RunError)
    assert not (run / "export").exists()


@pytest.fixture
def own():
    """An activation of the user's own."""
    registering.register_activation("square", lambda z: z * z, lambda z, a: 2 * z)
    yield "square"
    del ACTIVATIONS["square"]


@pytest.mark.parametrize("format", FORMATS)
def test_an_activation_of_ones_own_goes_into_stablehlo_alone(own, whole, tmp_path, format):
    trained = jaxmlp.load(whole)
    network = Network((4,), own)
    trained = Model(jaxmlp.Spec(network, trained.spec.training, 5, 3), trained.params, trained.preparation)
    path = tmp_path / f"square{FORMATS[format].ending}"
    if format == "stablehlo":
        assert jaxmlp.export_model(trained, format, path).equal == 1000
    else:
        refused(["network.activation 'square'", "stablehlo"], jaxmlp.export_model, trained, format, path)
        assert files(tmp_path) == set()


def test_onnx_says_what_the_network_is(run):
    onnx = pytest.importorskip("onnx")
    export(run)
    proto = onnx.load(run / "export/model.onnx")
    said = {entry.key: json.loads(entry.value) for entry in proto.metadata_props}
    assert said["classes"] == [0, 1, 2]
    assert (said["kind"], said["normalise"]) == ("classes", "per_feature")
    assert said["network"] == "5-4-3, relu, softmax_cross_entropy"
    (x,) = proto.graph.input
    assert [dimension.dim_param or dimension.dim_value for dimension in x.type.tensor_type.shape.dim] == ["N", 5]


@pytest.mark.parametrize(
    ("name", "line"),
    [("rings.py", "    import rings\n"), ("my-rings.py", "    module = importlib.import_module('my-rings')\n")],
)
def test_a_torch_program_says_how_it_is_imported(run, tmp_path, monkeypatch, name, line):
    monkeypatch.setattr(formats, "installed", lambda package: False)
    export(run, "--format", "torch", "--out", tmp_path / name)
    assert line in (tmp_path / name).read_text()


def process(program, *words, cwd):
    done = subprocess.run(
        [sys.executable, "-W", "error", *program, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


X = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)


def test_the_numpy_program_runs_without_jax_and_jaxmlp(run):
    export(run, "--format", "numpy")
    np.save(run / "export/rows.npy", X)
    expected = jaxmlp.load(run).predict(X).tolist()
    assert process(["model_numpy.py"], "rows.npy", cwd=run / "export") == "".join(f"{label}\n" for label in expected)
    code = "import sys, numpy, model_numpy; print(model_numpy.predict(numpy.load('rows.npy')).tolist(), *sys.modules)"
    labels, _, modules = process(["-c", code], cwd=run / "export").partition("] ")
    assert json.loads(f"{labels}]") == expected
    assert not {"jax", "jaxmlp"} & set(modules.split())


def test_stablehlo_is_read_by_jax_alone(run):
    export(run, "--format", "stablehlo")
    np.save(run / "export/rows.npy", X)
    code = (run.parent / "read.py").resolve()
    code.write_text(
        "import sys, zipfile, jax, numpy\n"
        "from jax import export\n"
        "program = export.deserialize(bytearray(zipfile.ZipFile('model.stablehlo').read('program')))\n"
        "answers = program.call(numpy.load('rows.npy'))\n"
        "assert 'jaxmlp' not in sys.modules\n"
        "print(answers['probabilities'].tolist())\n"
    )
    said = json.loads(process([code], cwd=run / "export"))
    np.testing.assert_allclose(said, jaxmlp.load(run).predict_proba(X), atol=1e-6)
    with zipfile.ZipFile(run / "export/model.stablehlo") as archive:
        description = json.loads(archive.read("description.json"))
    assert description["platforms"] == ["cpu", "cuda", "tpu"]
    assert description["classes"] == [0, 1, 2]


@pytest.fixture
def table(tmp_path):
    """A model of a table without its run, and a CSV of the table."""
    columns = Columns((Column("size", median=2.0, indicator=True), Column("town", ("Oslo", "Åbo"))))
    preparation = Preparation("none", np.zeros(0), np.zeros(0), ("ant", "bee"), (4,), columns=columns)
    spec = jaxmlp.Spec(Network(()), jaxmlp.Training(), 4, 2)
    path = tmp_path / "table.safetensors"
    Model(spec, jaxmlp.init(spec, Hyper(), jax.random.key(0)), preparation).save(path)
    (tmp_path / "rows.csv").write_text("size,town\n1.5,Oslo\n,Åbo\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])  # spreadsheets write the second
def test_the_numpy_program_of_a_table_reads_csv_in_utf_8(table, encoding):
    rows = table.parent / "rows.csv"
    rows.write_text(rows.read_text(encoding="utf-8"), encoding=encoding)
    export(table, "--format", "numpy")
    expected = jaxmlp.load(table).predict(pd.DataFrame({"size": [1.5, np.nan], "town": ["Oslo", "Åbo"]})).tolist()
    assert process(["table_numpy.py"], "rows.csv", cwd=table.parent).split() == expected


@pytest.mark.parametrize(
    ("format", "words"),
    [
        ("numpy", "takes the columns of a table (size, town), as they came;"),
        ("stablehlo", "takes the 4 inputs [N, 4] that the columns of a table become, float64;"),
    ],
)
def test_of_a_table_the_command_says_what_the_format_takes(table, capsys, format, words):
    export(table, "--format", format)
    assert words in capsys.readouterr().out
