"""A trained network as a file: what it predicts is what was trained, and damage is told in one line."""

import json
from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest
from helpers import refused

import jaxmlp
from jaxmlp import tensors
from jaxmlp.data.config import Data
from jaxmlp.data.normalising import NORMALISATIONS
from jaxmlp.data.preparing import prepare
from jaxmlp.data.sources import Dataset
from jaxmlp.errors import RunError, UsageError
from jaxmlp.nn.network import init
from jaxmlp.run import model
from jaxmlp.run.identity import Identity
from jaxmlp.run.sealed import write_json
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.training.model import Model

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 3, 4)).astype(np.uint8)


def untrained(labels=("ant", "bee"), normalise="per_image", images=IMAGES, **network):
    """A model with its first weights, which predicts as well as any."""
    labels = np.asarray(labels)[np.arange(len(images)) % len(labels)]
    splits, preparation = prepare(Dataset(images, labels, images, labels, ""), Data(normalise=normalise))
    spec = Spec(Network(**network), Training(), splits.train.x.shape[1], len(preparation.classes))
    return Model(spec, init(spec, Hyper(), jax.random.key(1)), preparation)


@pytest.mark.parametrize("normalise", NORMALISATIONS)
@pytest.mark.parametrize(("labels", "hidden"), [(("ant", "bee", "ä"), (5, 4)), ((-3, 7, 900), ())], ids=str)
def test_what_is_loaded_is_what_was_saved(tmp_path, normalise, labels, hidden):
    saved = untrained(labels, normalise, hidden=hidden, activation="tanh")
    model.save(tmp_path, saved)
    for loaded in (jaxmlp.load(tmp_path), jaxmlp.load(str(tmp_path / "model.safetensors"))):
        assert loaded.spec == saved.spec
        assert loaded.preparation.classes == saved.preparation.classes
        assert loaded.preparation.input_shape == (3, 4)
        assert np.array_equal(loaded.logits(IMAGES), saved.logits(IMAGES))
        assert loaded.predict(IMAGES).tolist() == saved.predict(IMAGES).tolist()
        assert set(loaded.predict(IMAGES).tolist()) <= set(labels)


@pytest.mark.parametrize("kind", ["classes", "labels", "values"])
def test_a_model_of_a_table_is_loaded_with_its_columns(tmp_path, kind):
    frame = pd.DataFrame({"size": [1.5, None, 3.0, 9.0] * 5, "city": ["oslo", "rome", "lima", None] * 5})
    y = {"classes": np.arange(20) % 3, "labels": np.eye(2, dtype=int)[np.arange(20) % 2], "values": np.arange(20) / 8}
    splits, preparation = jaxmlp.splits_from(frame, y[kind])
    loss = {"classes": "softmax_cross_entropy", "labels": "sigmoid_cross_entropy", "values": "huber"}[kind]
    spec = Spec(Network((3,), loss=loss), Training(), splits.train.x.shape[1], preparation.outputs)
    model.save(tmp_path, Model(spec, init(spec, Hyper(), jax.random.key(1)), preparation))
    loaded = jaxmlp.load(tmp_path).preparation
    assert (loaded.kind, loaded.classes, loaded.columns) == (kind, preparation.classes, preparation.columns)
    assert np.array_equal(loaded.apply(frame[["city", "size"]]), preparation.apply(frame))


def test_a_model_of_an_earlier_version_is_loaded(tmp_path):
    saved = untrained(hidden=(5,))
    model.save(tmp_path, saved)
    arrays, metadata = tensors.load(tmp_path / model.FILE)
    description = json.loads(metadata["model"])
    before = {key: description[key] for key in ("network", "normalise", "classes")}
    before |= {"matmul_precision": "highest", "image_shape": description["input_shape"]}
    tensors.save(tmp_path / model.FILE, arrays, {"model": json.dumps(before)})
    assert np.array_equal(jaxmlp.load(tmp_path).logits(IMAGES), saved.logits(IMAGES))


def test_the_same_model_gives_the_same_bytes(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for name in ("one", "two"):
        model.save(tmp_path / name, untrained(hidden=(5,)))
    assert (tmp_path / "one/model.safetensors").read_bytes() == (tmp_path / "two/model.safetensors").read_bytes()


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(RunError, match=r"model.safetensors does not exist; give the directory of a run that has ended"):
        jaxmlp.load(tmp_path)
    with pytest.raises(RunError, match="does not exist"):
        jaxmlp.load(tmp_path / "nowhere")


def test_a_folder_above_a_run_names_the_run(tmp_path):
    (tmp_path / "best").mkdir()
    model.save(tmp_path / "best", untrained(hidden=(2,)))
    with pytest.raises(UsageError, match=r"holds no model itself; take .*/best$"):
        jaxmlp.load(tmp_path)


@pytest.mark.parametrize(
    "key", ["network", "classes", "input_shape", "normalise", "training", "outputs", "kind", "columns"]
)
def test_a_whole_file_that_is_no_model_is_refused(tmp_path, key):
    path = tmp_path / "model.safetensors"
    model.save(tmp_path, untrained(hidden=(2,)))
    arrays, metadata = tensors.load(path)
    description = json.loads(metadata["model"])
    del description[key]
    for texts in ({"model": json.dumps(description)}, {"model": "[]"}, {"model": "{"}, {}):
        tensors.save(path, arrays, texts)
        with pytest.raises(RunError, match="is not a model of this version of jaxmlp"):
            jaxmlp.load(tmp_path)
    without = {name: tensor for name, tensor in arrays.items() if name != "b1"}
    tensors.save(path, without, metadata)
    with pytest.raises(RunError, match="is not a model"):
        jaxmlp.load(tmp_path)


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


STRANGE = {  # what somebody else's file may say, sealed as it should be: keys of the description, and tensors
    "classes twice": ({"classes": ["ant", "ant"]}, {}),
    "one class": ({"classes": ["ant"]}, {}),
    "classes of two kinds": ({"classes": ["ant", 3]}, {}),
    "classes that are lists": ({"classes": [[1], [2]]}, {}),
    "more classes": ({"classes": ["ant", "bee", "cat"]}, {}),
    "another image": ({"input_shape": [4, 4]}, {}),
    "no image": ({"input_shape": []}, {}),
    "a negative image": ({"input_shape": [-3, -4]}, {}),
    "an image of words": ({"input_shape": ["3", "4"]}, {}),
    "an endless image": ({"input_shape": [10**30, 10**30]}, {}),
    "columns of another width": (
        {"columns": [{"name": "a", "categories": None, "median": 0.0, "indicator": False}]},
        {},
    ),
    "columns that are none": ({"columns": [3]}, {}),
    "an unknown normalisation": ({"normalise": "best"}, {}),
    "a normalisation without means": ({"normalise": "per_feature"}, {}),
    "an unknown precision": ({"training": {"matmul_precision": "low"}}, {}),
    "a loss of values": ({"network": {"hidden": [5], "loss": "huber"}}, {}),
    "an unknown kind": ({"kind": "colours"}, {}),
    "values": ({"kind": "values"}, {}),
    "more outputs": ({"outputs": 3}, {}),
    "outputs that are a word": ({"outputs": "2"}, {}),
    "an unknown activation": ({"network": {"hidden": [5], "activation": "sine"}}, {}),
    "an unknown field": ({"network": {"hidden": [5], "colour": "red"}}, {}),
    "a layer more": ({"network": {"hidden": [5, 5]}}, {}),
    "a layer less": ({"network": {"hidden": []}}, {}),
    "hidden is a word": ({"network": {"hidden": "five"}}, {}),
    "weights of another shape": ({}, {"w0": zeros(12, 6)}),
    "weights of one axis": ({}, {"w0": zeros(12)}),
    "biases of another shape": ({}, {"b1": zeros(3)}),
    "weights of another type": ({}, {"w0": zeros(12, 5, dtype=np.int32)}),
    "a tensor more": ({}, {"w7": zeros(1)}),
    "a mean that is not wanted": ({}, {"mean": zeros(1)}),
}


@pytest.mark.parametrize(("keys", "changed"), STRANGE.values(), ids=STRANGE)
def test_a_file_that_contradicts_itself_is_refused(tmp_path, keys, changed):
    model.save(tmp_path, untrained(hidden=(5,)))
    arrays, metadata = tensors.load(tmp_path / model.FILE)
    description = json.dumps(json.loads(metadata["model"]) | keys)
    tensors.save(tmp_path / model.FILE, arrays | changed, {"model": description})
    refused([model.FILE], jaxmlp.load, tmp_path, error=RunError)


@pytest.mark.parametrize("std", [0.0, -1.0, np.nan, np.inf])
def test_a_normalisation_that_cannot_be_is_refused(tmp_path, std):
    saved = untrained(hidden=(5,), normalise="global")
    model.save(tmp_path, replace(saved, preparation=saved.preparation._replace(std=np.float32([std]))))
    refused([model.FILE, "contradicts itself"], jaxmlp.load, tmp_path, error=RunError)


def test_a_model_of_another_run_is_refused(tmp_path):
    run, other = Identity.of({"seed": 1}, ""), Identity.of({"seed": 2}, "")
    write_json(tmp_path / "environment.json", {"identity": run._asdict()})
    model.save(tmp_path, untrained(), run)
    jaxmlp.load(tmp_path)
    model.save(tmp_path, untrained(), other)
    refused(["belongs to another run"], jaxmlp.load, tmp_path, error=RunError)
    jaxmlp.load(tmp_path / model.FILE)  # alone it is nobody's
