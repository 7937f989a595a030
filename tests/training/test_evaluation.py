"""The metrics of a split, of every kind of targets, against those of scikit-learn."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import LEARNT, cases, of_kind
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score

from jaxmlp.nn import network
from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.nn.losses import CLASSES, LABELS, LOSSES, VALUES, output_targets
from jaxmlp.spec import Examples, Hyper, Network, Spec, Training
from jaxmlp.training import evaluation
from jaxmlp.training.evaluation import evaluate

pytestmark = pytest.mark.usefixtures("float64")

N, D = 11, 3
HYPER = Hyper(label_smoothing=0.2, huber_delta=0.8, quantile=0.3)
WEIGHTS = np.r_[0.0, 3.0, np.linspace(0.5, 2, N - 3), 0.0]


def problem(loss, kind, outputs, weights=None):
    spec = Spec(Network((), loss=loss, init="glorot_uniform_all"), Training(dtype="float64"), D, outputs)
    x = np.random.default_rng(0).normal(size=(N, D))
    params = network.init(spec, Hyper(), jax.random.key(0))
    return spec, params, of_kind(loss, kind, Examples(x, np.zeros(0), weights), outputs)


def evaluated(spec, params, examples, hyper=HYPER):
    return jax.jit(partial(evaluate, spec))(hyper, params, jax.tree.map(jnp.asarray, examples))


def expected(spec, params, examples):
    """The same by scikit-learn, of the examples that count."""
    weights = np.ones(len(examples.x)) if examples.weights is None else examples.weights
    kept = weights > 0
    x, targets, weights = examples.x[kept], examples.targets[kept], weights[kept]
    logits = network.forward(spec, params, jnp.asarray(x))
    loss, f = LOSSES[spec.network.loss], ACTIVATIONS["identity"]
    t = output_targets(jnp.asarray(targets), spec.outputs, loss, f, Hyper(), logits.dtype)
    found = {"loss": np.average(loss.value(logits, t, f, HYPER), weights=weights), "count": kept.sum()}
    if targets.ndim == 1 or spec.network.loss == "sigmoid_cross_entropy":
        right = np.asarray(network.predictions(logits, CLASSES if targets.ndim == 1 else LABELS))
        found["correct"] = accuracy_score(targets, right, normalize=False)
        found["right_labels"] = None if targets.ndim == 1 else (targets == right).sum()
        return found
    said = np.asarray(network.outputs(spec.network, logits))
    found["r2"] = r2_score(targets, said, sample_weight=weights)
    return found | {"mae": mean_absolute_error(targets, said, sample_weight=weights)}


def assert_as_expected(got, known):
    for name, metric in got._asdict().items():
        if known.get(name) is None:
            assert metric is None, name
        else:
            np.testing.assert_allclose(metric, known[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("together", [4, 4096])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize(("loss", "kind", "outputs"), cases(LEARNT))
def test_metrics_are_those_of_scikit_learn(loss, kind, outputs, weights, together, monkeypatch):
    """In blocks too, of which the last reaches back; a smoothing of the targets is not in a validation loss."""
    monkeypatch.setattr(evaluation, "EVALUATED_TOGETHER", together)
    spec, params, examples = problem(loss, kind, outputs, weights)
    assert_as_expected(evaluated(spec, params, examples), expected(spec, params, examples))


@pytest.mark.parametrize("exact", [False, True], ids=["off", "exact"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_r2_of_constant_targets_is_one_without_an_error_and_else_zero(exact, outputs):
    """As scikit-learn says it; the outputs that are not constant keep their own."""
    spec, params, examples = problem("squared_error", VALUES, outputs)
    targets = examples.targets
    targets[:, 0] = 2.0
    if exact:
        (layer,) = params
        params = (layer._replace(w=layer.w.at[:, 0].set(0.0), b=layer.b.at[0].set(2.0)),)
    got = evaluated(spec, params, examples._replace(targets=targets))
    said = np.asarray(network.outputs(spec.network, network.forward(spec, params, jnp.asarray(examples.x))))
    np.testing.assert_allclose(got.r2, r2_score(targets, said), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("loss", "kind", "outputs"), cases(LEARNT))
def test_no_examples_have_no_mean_and_count_none(loss, kind, outputs):
    spec, params, examples = problem(loss, kind, outputs)
    none = jax.tree.map(lambda a: a[:0], examples)
    got = evaluated(spec, params, none)
    assert np.isnan(got.loss)
    assert got.count == 0
    assert got.correct is None or got.correct == 0
    assert got.right_labels is None or got.right_labels == 0


def test_a_hidden_example_of_values_may_hold_anything():
    spec, params, examples = problem("squared_error", VALUES, 2, np.r_[0.0, np.ones(N - 1)])
    examples.x[0] = np.inf
    assert_as_expected(evaluated(spec, params, examples), expected(spec, params, examples))
