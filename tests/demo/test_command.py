"""`python -m jaxmlp.demo`: a page from a run or from a model alone, and one line for what cannot be shown."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import refused

import jaxmlp
from jaxmlp.data.config import Data
from jaxmlp.data.preparing import Preparation
from jaxmlp.demo import page
from jaxmlp.demo.command import main
from jaxmlp.demo.source import Source
from jaxmlp.errors import DataError, RunError
from jaxmlp.run import directory, model
from jaxmlp.run.config import Experiment
from jaxmlp.run.sealed import write_json
from jaxmlp.spec import Network, Spec, Training
from jaxmlp.training.model import Model

NOTHING = np.zeros(0, np.float32)


def untrained(shape=(8, 8), classes=tuple(range(10)), normalise="per_image", hidden=(), **network):
    spec = Spec(Network(hidden, **network), Training(), int(np.prod(shape)), len(classes))
    params = tuple(
        jaxmlp.Layer(jnp.zeros((inputs, outputs)), jnp.zeros(outputs))
        for inputs, outputs in zip(spec.sizes, spec.sizes[1:], strict=False)
    )
    return Model(spec, params, Preparation(normalise, NOTHING, NOTHING, classes, shape))


@pytest.fixture
def run(tmp_path):
    """A run directory of MNIST's digits, as far as the page reads it."""
    path = tmp_path / "run"
    directory.create(path, Experiment(Data("mnist5k")), overwrite=False)
    model.save(path, untrained((28, 28)))
    write_json(path / directory.SUMMARY, {"test": {"correct": 320, "count": 359}})
    return path


def made(capsys, *arguments):
    """The page that the command writes, and what it prints on standard error."""
    assert main([str(argument) for argument in arguments]) == 0
    said = capsys.readouterr()
    return Path(said.out.split(":")[0]).read_text(), said.err


@pytest.mark.parametrize("named", [".", "model.safetensors"])
def test_run_becomes_a_page_with_examples_and_its_test_result(run, tmp_path, capsys, named):
    text, said = made(capsys, run / named, "--out", tmp_path / "page.html")
    assert said == ""
    assert "89.14 % of 359 test images right" in text
    assert text.count('"pixels": ') == 12
    assert '"framing": "mnist"' in text
    assert '"high": 255.0, "whole": true' in text


def test_model_alone_becomes_a_page_without_examples(tmp_path, monkeypatch, capsys):
    untrained((28, 28)).save(tmp_path / "mine.safetensors")
    monkeypatch.chdir(tmp_path)
    text, said = made(capsys, "mine.safetensors")
    assert said == ""
    assert '"examples": []' in text
    assert '"framing": "mnist"' in text
    assert (tmp_path / "demo.html").exists()


@pytest.mark.parametrize(
    ("name", "way"),
    [("gone.npz", "is neither a known name nor an existing path"), ("mnist5k", "was trained on other data than")],
)
def test_data_that_are_not_those_of_the_run_cost_a_line(run, tmp_path, capsys, name, way):
    config = run / directory.CONFIG
    config.write_text(config.read_text().replace('"mnist5k"', f'"{name}"'))
    if name == "mnist5k":
        identity = {"keys": {}, "data": "00000000"}
        write_json(run / directory.ENVIRONMENT, {"identity": identity})
        (run / directory.SUMMARY).unlink()
        model.save(run, untrained((28, 28)), directory.identity_of(run))
    text, said = made(capsys, run, "--out", tmp_path / "page.html")
    assert '"examples": []' in text
    assert said.startswith("no examples, and ranges by the normalisation: the data are not at hand (")
    assert way in said
    assert said.count("\n") == 1


def test_no_data_are_read_where_no_examples_are_wanted(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("jaxmlp.demo.source.load_data", lambda _: pytest.fail("data are read"))
    text, _ = made(capsys, run, "--out", tmp_path / "page.html", "--examples", 0)
    assert '"examples": []' in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "page.txt"], ["--out page.txt does not end in .html", "--out demo.html"]),
        (["--examples", "101"], ["--examples is 101", "at most 100"]),
        (["--framing", "mnits"], ["--framing 'mnits' is unknown", "did you mean mnist?"]),
    ],
)
def test_arguments_that_make_no_page_are_refused(run, arguments, words):
    refused(words, main, [str(run), *arguments])


def test_folder_that_is_not_there_is_told(run, tmp_path):
    refused(["cannot write", "nowhere"], main, [str(run), "--out", str(tmp_path / "nowhere/d.html")], error=RunError)


@pytest.mark.parametrize(
    ("trained", "words"),
    [
        (untrained((8, 8, 4)), ["takes inputs [8, 8, 4]", "1 or 3 channels"]),
        (untrained((2, 2, 2, 2)), ["takes inputs [2, 2, 2, 2]", "1 or 3 channels"]),
        (untrained((200, 100)), ["takes 20,000 inputs", "at most 12,288"]),
        (untrained((301,)), ["takes 301 columns", "at most 300"]),
        (untrained((64, 64), hidden=(1000,)), ["has 4,107,010 parameters", "at most 4,000,000"]),
    ],
    ids=["alpha", "four axes", "too many pixels", "too many columns", "too many parameters"],
)
def test_network_that_no_page_shows_is_refused(trained, words):
    refused(words, page.check, trained)


def test_framing_is_for_images():
    refused(["--framing mnist is for images"], page.check, untrained((5,)), "mnist")


def test_range_of_a_column_that_nothing_tells_is_refused():
    refused(["range of column 'input 1'"], page.html, untrained((5,), normalise="none"), error=DataError)


def test_page_knows_every_activation_and_refuses_those_of_users(monkeypatch):
    assert set(page.ACTIVATIONS) == set(jaxmlp.nn.activations.ACTIVATIONS)
    monkeypatch.setattr("jaxmlp.training.registering.replaced", [])
    monkeypatch.setitem(jaxmlp.nn.activations.ACTIVATIONS, "square", jaxmlp.nn.activations.ACTIVATIONS["relu"])
    refused(
        ["network.activation 'square' is registered by you"], page.check, untrained(activation="square", hidden=(3,))
    )


def test_overwritten_activation_is_refused(monkeypatch):
    monkeypatch.setattr(page, "replaced", ["relu"])
    refused(["network.activation 'relu' is registered by you"], page.check, untrained(hidden=(3,)))


def test_names_of_classes_cannot_end_the_script(tmp_path):
    text = page.html(untrained((5, 5), ("</script><script>alert(1)</script>", "b")))
    assert text.count("</script>") == 2
    assert "\\u003c/script>" in text


def test_page_of_784_128_10_is_below_a_megabyte_and_a_half():
    assert len(page.html(untrained((28, 28), hidden=(128,)))) < 700_000


def test_digits_of_8_by_8_pixels_have_whole_numbers_up_to_16():
    text = page.html(untrained())
    assert '"framing": "digits"' in text
    assert '"high": 16.0, "whole": true' in text


def test_classes_of_fashion_mnist_have_names(tmp_path):
    text = page.html(untrained((28, 28)), Source("tfds:fashion_mnist"))
    assert '"Ankle boot"' in text
    assert '"framing": "fashion"' in text
    assert "A network that knows clothes" in text
