"""A trained network that predicts: classes, labels and values, one output or many; what it gives back from its file."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers import assert_same, cases, refused

import jaxmlp
from jaxmlp.data.preparing import Preparation
from jaxmlp.errors import DataError
from jaxmlp.nn.losses import CLASSES, LABELS, VALUES
from jaxmlp.nn.network import forward, init, outputs
from jaxmlp.spec import Examples, Hyper, Network, Spec, Training
from jaxmlp.training.evaluation import evaluate
from jaxmlp.training.model import Model, as_it_is
from jaxmlp.training.precision import precision

X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
NOTHING = np.zeros(0, np.float32)


def untrained(loss="softmax_cross_entropy", kind=CLASSES, names=("ant", "bee", "cat"), K=3, dtype="float32", **network):
    """A model with its first weights, which predicts as well as any."""
    spec = Spec(Network((5,), "tanh", loss=loss, **network), Training(dtype=dtype), 4, K)
    with precision(spec.training):
        params = init(spec, Hyper(), jax.random.key(1))
    return Model(spec, params, Preparation("none", NOTHING, NOTHING, names, (4,), kind))


MODELS = {
    "classes": untrained(),
    "classes, by squared error": untrained("squared_error", output_activation="tanh"),
    "two classes, one output": untrained("sigmoid_cross_entropy", names=(3, 8), K=1),
    "labels": untrained("sigmoid_cross_entropy", LABELS),
    "values": untrained("squared_error", VALUES, K=2, names=("width", "height")),
    "one value": untrained("huber", VALUES, K=1, names=("price",)),
    "counts": untrained("poisson", VALUES, K=1, names=("visits",)),
    "values in float64": untrained("squared_error", VALUES, K=2, names=("width", "height"), dtype="float64"),
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@every_model
def test_outputs_are_those_of_the_forward_pass(model):
    with precision(model.spec.training):
        logits = forward(model.spec, model.params, jnp.asarray(X, model.spec.training.dtype))
        expected = np.asarray(outputs(model.spec.network, logits))
    assert model.logits(X).dtype == model.spec.training.dtype
    np.testing.assert_allclose(model.logits(X), np.asarray(logits), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.outputs(X.tolist()), expected, rtol=1e-5, atol=1e-6)


PREDICTED = {  # of outputs [N, K], as each kind has it
    "classes": lambda p: np.array(["ant", "bee", "cat"])[p.argmax(axis=1)],
    "classes, by squared error": lambda p: np.array(["ant", "bee", "cat"])[p.argmax(axis=1)],
    "two classes, one output": lambda p: np.where(p[:, 0] > 0.5, 8, 3),
    "labels": lambda p: (p > 0.5).astype(int),
    "values": lambda p: p,
    "one value": lambda p: p[:, 0],
    "counts": lambda p: p[:, 0],
    "values in float64": lambda p: p,
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_predicted_follows_from_the_outputs_by_kind(name):
    predicted = MODELS[name].predict(X)
    np.testing.assert_array_equal(predicted, PREDICTED[name](MODELS[name].outputs(X)))
    assert len({str(row) for row in predicted.tolist()}) > 1, "all are alike: this tests nothing"


def test_probabilities_are_those_of_classes_and_labels():
    p = MODELS["classes"].predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    p = MODELS["two classes, one output"].predict_proba(X)
    np.testing.assert_array_equal(p[:, 1], MODELS["two classes, one output"].outputs(X)[:, 0])
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    assert MODELS["labels"].predict_proba(X).shape == (20, 3)


@pytest.mark.parametrize("name", ["classes, by squared error", "values", "one value", "counts"])
def test_probabilities_that_the_loss_does_not_make_are_refused(name):
    model = MODELS[name]
    refused(["predict_proba", repr(model.spec.network.loss), model.preparation.kind], model.predict_proba, X)


@every_model
def test_the_score_is_that_of_evaluate(model):
    """Of targets that are half right: accuracy, the share of examples with all labels right, or R2."""
    rng, K = np.random.default_rng(1), model.spec.outputs
    y, names = model.predict(X), np.asarray(model.preparation.classes)
    if model.preparation.kind == VALUES:
        y = y + rng.normal(size=y.shape)
        targets = y.reshape(20, K)
    elif model.preparation.kind == LABELS:
        y = np.where(rng.random(y.shape) < 0.2, 1 - y, y)
        targets = y.astype(np.float32)
    else:
        y = np.where(rng.random(20) < 0.5, names[0], y)
        targets = np.searchsorted(names, y).astype(np.int32)
    with precision(model.spec.training):
        dtype = model.spec.training.dtype
        targets = jnp.asarray(targets) if model.preparation.kind == CLASSES else jnp.asarray(targets, dtype)
        metrics = evaluate(model.spec, Hyper(), model.params, Examples(jnp.asarray(X, dtype), targets))
    expected = metrics.r2 if metrics.correct is None else metrics.correct / 20
    assert model.score(X, y.tolist()) == pytest.approx(float(expected), abs=1e-6)
    assert model.score(X, y) < 1
    assert model.score(X, model.predict(X)) == 1


@every_model
def test_what_is_loaded_is_what_was_saved_to_the_bit(model, tmp_path):
    for path in (tmp_path / "one.safetensors", str(tmp_path / "other")):
        model.save(path)
        loaded = jaxmlp.load(path)
        assert loaded.spec == model.spec
        assert_same(loaded.params, model.params)
        assert_same(loaded.preparation, model.preparation)
        assert_same(loaded.predict(X), model.predict(X))
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_folder_is_no_file_to_save_to(tmp_path):
    refused([str(tmp_path), "is a folder", "model.safetensors"], MODELS["classes"].save, tmp_path)
    refused(["nowhere"], MODELS["classes"].save, tmp_path / "nowhere" / "model", error=jaxmlp.RunError)


def other(name, **spec):
    return replace(MODELS[name].spec, **spec)


CLASSIFIER, REGRESSOR = MODELS["classes"], MODELS["values"]
MISFITS = {
    "inputs": (other("classes", inputs=6), CLASSIFIER, ["params[0]", "[4, 5]", "[6, 5]"]),
    "outputs": (other("classes", outputs=2), CLASSIFIER, ["params[1]", "[5, 3]", "[5, 2]"]),
    "layers": (other("classes", network=Network(())), CLASSIFIER, ["params has 2 layers", "1"]),
}


@pytest.mark.parametrize(("spec", "model", "words"), cases(MISFITS))
def test_weights_of_other_shapes_than_the_spec_says_are_refused(spec, model, words):
    refused(words, Model, spec, model.params, model.preparation)
    refused(words, forward, spec, model.params, jnp.zeros((2, spec.inputs)))
    refused(words, jax.jit(forward, static_argnums=0), spec, model.params, jnp.zeros((2, spec.inputs)))


def test_inputs_of_another_shape_than_the_spec_says_are_refused():
    refused(["[2, 7]", "[examples, 4]"], forward, CLASSIFIER.spec, CLASSIFIER.params, jnp.zeros((2, 7)))
    for rows, word in (
        (X[:, :3], "(3,)"),
        (X[0], "()"),
        ([[1.0, 2.0], [3.0]], "rows of unequal lengths"),
        (X + np.nan, "NaN"),
    ):
        refused([word], CLASSIFIER.predict, rows, error=DataError)


PREPARATIONS = {
    "of other inputs": (CLASSIFIER, {"input_shape": (2, 3)}, ["spec.inputs is 4", "[2, 3]", "6"]),
    "of more classes": (CLASSIFIER, {"classes": (1, 2, 3, 4)}, ["spec.outputs is 3", "4 classes"]),
    "of values": (CLASSIFIER, {"kind": VALUES}, ["values", "'softmax_cross_entropy' learns classes"]),
    "of labels": (REGRESSOR, {"kind": LABELS}, ["labels", "'squared_error' learns classes or values"]),
    "of two values": (MODELS["one value"], {"classes": ("a", "b")}, ["spec.outputs is 1", "2 values"]),
}


@pytest.mark.parametrize(("model", "change", "words"), cases(PREPARATIONS))
def test_a_preparation_that_does_not_fit_the_spec_is_refused(model, change, words):
    refused(words, replace, model, preparation=model.preparation._replace(**change))


SCORED = {
    "fewer": (CLASSIFIER, ["ant"] * 19, ["[19]", "[20]"]),
    "numbers for names": (CLASSIFIER, [0] * 20, ["y has the type int64", "labels like '"]),
    "names for numbers": (MODELS["two classes, one output"], ["3"] * 20, ["<U1", "labels like 3"]),
    "a strange name": (CLASSIFIER, ["dog"] * 20, ["y: classes that no training example has: dog"]),
    "one output of two": (REGRESSOR, [0.0] * 20, ["[20, 1]", "[20, 2]"]),
}


@pytest.mark.parametrize(("model", "y", "words"), cases(SCORED))
def test_targets_of_another_form_than_predictions_are_refused(model, y, words):
    refused(words, model.score, X, y, error=DataError)


@pytest.mark.parametrize(
    ("loss", "targets", "K", "kind", "names"),
    [
        ("softmax_cross_entropy", np.zeros(3, int), 4, CLASSES, (0, 1, 2, 3)),
        ("sigmoid_cross_entropy", np.zeros(3, int), 1, CLASSES, (0, 1)),
        ("sigmoid_cross_entropy", np.zeros((3, 1)), 1, LABELS, (0,)),
        ("squared_error", np.zeros((3, 2)), 2, VALUES, (0, 1)),
    ],
)
def test_examples_without_a_preparation_go_in_as_they_are(loss, targets, K, kind, names):
    spec = Spec(Network((5,), loss=loss), Training(dtype="float64"), 4, K)
    preparation = as_it_is(spec, targets)
    assert (preparation.kind, preparation.classes) == (kind, names)
    with precision(spec.training):
        model = Model(spec, init(spec, Hyper(), jax.random.key(0)), preparation)
        wide = np.random.default_rng(0).normal(size=(3, 4))  # float64 holds more than float32
        np.testing.assert_array_equal(model.logits(wide), jax.jit(forward, static_argnums=0)(spec, model.params, wide))


def test_a_model_of_a_frame_predicts_and_scores_frames_after_it_was_saved(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=60), "colour": rng.choice(["red", "blue"], 60)})
    answer = pd.Series(np.where(frame["colour"] == "red", "yes", "no"), name="answer")
    splits, preparation = jaxmlp.splits_from(frame, answer, test=0.2)
    spec = Spec(Network((8,)), Training(max_epochs=20, batch_size=8), splits.train.x.shape[1], 2)
    model = jaxmlp.fit(spec, Hyper(), splits, preparation=preparation).model
    model.save(tmp_path / "model")
    assert model.score(frame[["colour", "size"]], answer) > 0.9
    loaded = jaxmlp.load(tmp_path / "model")
    assert_same(loaded.preparation, model.preparation)
    assert_same(loaded.predict_proba(frame), model.predict_proba(frame))
