"""The metrics are scikit-learn's, of classes, label sets and values, and say nothing of what no example has."""

import numpy as np
import pytest
from helpers import refused
from sklearn import metrics as sk

from jaxmlp.errors import DataError
from jaxmlp.evaluate.metrics import metrics

RNG = np.random.default_rng(0)
N = 60
WEIGHTS = RNG.integers(0, 3, N).astype(np.float32)


def classes(K, weights=None):
    targets = np.arange(N) % K
    p = RNG.dirichlet(np.ones(K), N) + np.eye(K)[targets] / 2
    p = (p / p.sum(1, keepdims=True)).astype(np.float32)
    said = p.argmax(1)
    return (targets, p, said), metrics("classes", targets, p, said, range(K), weights, probable=True)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["each once", "weighted"])
@pytest.mark.parametrize("K", [2, 4])
def test_metrics_of_classes(K, weights):
    (t, p, said), found = classes(K, weights)
    q = p.astype(float) / p.sum(1, dtype=float, keepdims=True)
    options = {"sample_weight": weights}
    macro = {"average": "macro"} | options
    scores = q[:, 1] if K == 2 else q
    expected = {
        "accuracy": sk.accuracy_score(t, said, **options),
        "precision": sk.precision_score(t, said, **macro),
        "recall": sk.recall_score(t, said, **macro),
        "f1": sk.f1_score(t, said, **macro),
        "log_loss": sk.log_loss(t, q, **options),
        "brier": sk.brier_score_loss(t, scores, **options),
    }
    if weights is None:
        expected["roc_auc"] = sk.roc_auc_score(t, scores, multi_class="ovr")
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert found["count"] == (N if weights is None else np.sum(WEIGHTS > 0))
    assert [entry["f1"] for entry in found["classes"]] == pytest.approx(sk.f1_score(t, said, average=None, **options))


def test_a_class_that_no_example_has_is_not_measured():
    found = metrics("classes", np.array([0, 1]), np.eye(3)[:2], np.array([0, 1]), "abc", None, probable=True)
    assert found["classes"][2] == {
        "class": "c",
        "count": 0,
        "precision": None,
        "recall": None,
        "f1": None,
        "roc_auc": None,
    }
    assert (found["accuracy"], found["f1"], found["roc_auc"]) == (1, 1, 1)


def test_outputs_that_are_no_probabilities_have_no_log_loss():
    t = np.arange(4) % 2
    found = metrics("classes", t, np.eye(2)[t], t, "ab", None, probable=False)
    assert not {"log_loss", "brier"} & found.keys()
    assert found["roc_auc"] == 1


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["each once", "weighted"])
def test_metrics_of_label_sets(weights):
    t, p = RNG.integers(0, 2, (N, 3)).astype(np.float32), RNG.random((N, 3)).astype(np.float32)
    said = (p > 0.5).astype(np.int32)
    found = metrics("labels", t, p, said, "abc", weights, probable=True)
    options = {"sample_weight": weights}
    assert found["exact_match"] == pytest.approx(sk.accuracy_score(t, said, **options))
    assert found["accuracy"] == pytest.approx(1 - sk.hamming_loss(t, said, **options))
    assert found["f1"] == pytest.approx(sk.f1_score(t, said, average="macro", **options))
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(t, p, **options))
    for k, entry in enumerate(found["labels"]):
        assert entry["label"] == "abc"[k]
        assert entry["brier"] == pytest.approx(sk.brier_score_loss(t[:, k], p[:, k], **options), rel=1e-6)
        assert entry["log_loss"] == pytest.approx(sk.log_loss(t[:, k], p[:, k].astype(float), **options))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["each once", "weighted"])
def test_metrics_of_values(weights):
    t = RNG.normal(size=(N, 2)).astype(np.float32)
    y = (t + RNG.normal(size=(N, 2)) / 3).astype(np.float32)
    found = metrics("values", t, y, y, ["length", "width"], weights, probable=False)
    options = {"sample_weight": weights}
    assert found["r2"] == pytest.approx(sk.r2_score(t, y, **options), rel=1e-6)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(t, y, **options), rel=1e-6)
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(t, y, **options), rel=1e-6)
    assert [entry["output"] for entry in found["values"]] == ["length", "width"]


@pytest.mark.parametrize(
    ("outputs", "weights", "words"),
    [
        (np.array([[np.nan], [1]]), None, ["1 of 2 examples are not finite"]),
        (np.ones((2, 1)), np.zeros(2), ["no examples of a weight above 0"]),
    ],
)
def test_what_cannot_be_measured_is_refused(outputs, weights, words):
    t = np.ones((2, 1))
    refused(words, metrics, "values", t, outputs, outputs, ["y"], weights, error=DataError, probable=False)
