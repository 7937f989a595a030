"""From the same first weights, and without shuffling, the estimators come to the weights of scikit-learn's."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor

from jaxmlp.sklearn import MLPClassifier, MLPRegressor

THEIRS = {MLPClassifier: TheirClassifier, MLPRegressor: TheirRegressor}
SGD = {
    "solver": "sgd",
    "learning_rate_init": 0.05,
    "shuffle": False,
    "batch_size": 8,
    "random_state": 0,
    "max_iter": 12,
}
SGD |= {"hidden_layer_sizes": (7,)}
N, D = 27, 6  # three batches of 8, and one of 3
pytestmark = [pytest.mark.usefixtures("standard_promotion"), pytest.mark.filterwarnings("ignore")]


def data(targets, dtype=np.float64):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(N, D)).astype(dtype)
    score = X @ rng.normal(size=(D, 3))
    y = {
        "binary": score[:, 0] > 0,
        "multiclass": np.array(["ant", "bee", "cat"])[score.argmax(axis=1)],
        "multilabel": (score > 0).astype(int),
        "value": score[:, 0].astype(dtype),
        "values": score.astype(dtype),
        "count": rng.poisson(np.exp(score[:, 0] / 4)),
    }[targets]
    return X, y


def first_weights(ours, X, y, sample_weight):
    """The weights that ours begins with: steps of this size change none of them, and L-BFGS is content with any."""
    fitted = clone(ours).set_params(**{"tol": 1e30} if ours.solver == "lbfgs" else {"learning_rate_init": 1e-30})
    fitted.set_params(max_iter=1).fit(X, y, sample_weight)
    return list(zip(fitted.coefs_, fitted.intercepts_, strict=True))


def from_the_same_weights(ours, X, y, sample_weight=None):
    """scikit-learn's estimator of the same parameters, which begins with the weights of ours."""
    theirs = THEIRS[type(ours)]
    weights = iter(first_weights(ours, X, y, sample_weight))

    class Started(theirs):
        def _init_coef(self, fan_in, fan_out, dtype):
            w, b = next(weights)
            return w.astype(dtype), b.astype(dtype)

    known = theirs().get_params()
    return Started().set_params(**{name: value for name, value in ours.get_params().items() if name in known})


def assert_weights_agree(ours, theirs, tolerance):
    for name in ("coefs_", "intercepts_"):
        for array, other in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            assert array.dtype == other.dtype
            np.testing.assert_allclose(array, other, rtol=0, atol=tolerance)


CASES = {
    "binary": (MLPClassifier, "binary", {}),
    "multiclass": (MLPClassifier, "multiclass", {}),
    "multilabel, two hidden layers": (MLPClassifier, "multilabel", {"hidden_layer_sizes": (7, 5)}),
    "value": (MLPRegressor, "value", {}),
    "values": (MLPRegressor, "values", {}),
    "count": (MLPRegressor, "count", {"loss": "poisson", "learning_rate_init": 0.01}),
    "logistic, invscaling": (
        *(MLPClassifier, "multiclass"),
        {"activation": "logistic", "learning_rate": "invscaling", "power_t": 0.3},
    ),
    "tanh, plain momentum": (MLPClassifier, "multiclass", {"activation": "tanh", "nesterovs_momentum": False}),
    "identity": (MLPClassifier, "multiclass", {"activation": "identity"}),
    "alpha": (MLPClassifier, "multiclass", {"alpha": 0.8}),
    "no momentum": (MLPClassifier, "multiclass", {"momentum": 0}),
    "one batch": (MLPClassifier, "multiclass", {"batch_size": "auto", "hidden_layer_sizes": 4}),
    "adaptive": (
        MLPClassifier,
        "multiclass",
        {"learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1, "max_iter": 60},
    ),
    "stops": (MLPClassifier, "multiclass", {"tol": 0.05, "n_iter_no_change": 2, "max_iter": 60}),
}


@pytest.mark.parametrize(("kind", "targets", "parameters"), CASES.values(), ids=CASES)
def test_weights_curves_and_the_last_epoch_are_scikit_learns(kind, targets, parameters):
    X, y = data(targets)
    ours = kind(**SGD | parameters)
    theirs = from_the_same_weights(ours, X, y).fit(X, y)
    ours.fit(X, y)
    assert (ours.n_iter_, ours.t_, ours.out_activation_) == (theirs.n_iter_, theirs.t_, theirs.out_activation_)
    assert_weights_agree(ours, theirs, 1e-6)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose([ours.loss_, ours.best_loss_], [theirs.loss_, theirs.best_loss_], rtol=1e-9)
    np.testing.assert_array_equal(ours.predict(X[:5]), theirs.predict(X[:5])) if kind is MLPClassifier else None
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-9)


@pytest.mark.parametrize(("kind", "targets"), [(MLPClassifier, "multiclass"), (MLPRegressor, "value")])
def test_float32_comes_to_the_same_weights_in_float32(kind, targets):
    X, y = data(targets, np.float32)
    ours = kind(**SGD)
    theirs = from_the_same_weights(ours, X, y).fit(X, y)
    assert_weights_agree(ours.fit(X, y), theirs, 1e-4)


@pytest.mark.parametrize(("kind", "targets"), [(MLPClassifier, "binary"), (MLPRegressor, "values")])
def test_sample_weights_weigh_as_in_scikit_learn(kind, targets):
    X, y = data(targets)
    weights = np.random.default_rng(0).uniform(0.2, 3, N)
    ours = kind(**SGD, alpha=0.3)
    theirs = from_the_same_weights(ours, X, y, weights).fit(X, y, sample_weight=weights)
    assert_weights_agree(ours.fit(X, y, sample_weight=weights), theirs, 1e-6)
    assert ours.score(X, y, weights) == pytest.approx(theirs.score(X, y, weights))


def test_class_weights_are_sample_weights():
    X, y = data("multiclass")
    weights = {"ant": 0.5, "bee": 2.0, "cat": 1.0}
    by_class = MLPClassifier(**SGD, class_weight=weights).fit(X, y)
    by_sample = MLPClassifier(**SGD).fit(X, y, sample_weight=np.vectorize(weights.get)(y))
    assert_weights_agree(by_class, by_sample, 0)


@pytest.mark.parametrize("warm", [{"warm_start": True}, {}], ids=["fit", "partial_fit"])
def test_a_further_fit_goes_on_as_scikit_learns_does(warm):
    X, y = data("multiclass")
    ours = MLPClassifier(**SGD | {"max_iter": 2, "learning_rate": "invscaling"} | warm)
    theirs = from_the_same_weights(ours, X, y)
    for _ in range(3):
        for model in (ours, theirs):
            model.fit(X, y) if warm else model.partial_fit(X, y, classes=["ant", "bee", "cat"])
        if warm:  # theirs forgets the rule, but not the examples that its rate depends on
            theirs.t_ = 0
    assert ours.n_iter_ == theirs.n_iter_
    assert_weights_agree(ours, theirs, 1e-6)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize(("kind", "targets"), [(MLPClassifier, "multiclass"), (MLPRegressor, "value")])
def test_adam_follows_scikit_learns(kind, targets):
    """Its epsilon stands elsewhere (optax divides the mean square by 1 - beta^t first), which matters where g is tiny."""
    X, y = data(targets)
    ours = kind(**SGD | {"solver": "adam", "learning_rate_init": 1e-3})
    theirs = from_the_same_weights(ours, X, y).fit(X, y)
    assert_weights_agree(ours.fit(X, y), theirs, 1e-3)


@pytest.mark.parametrize(
    ("kind", "targets", "parameters"),
    [
        (MLPClassifier, "binary", {}),
        (MLPClassifier, "multiclass", {"alpha": 0.5}),
        (MLPClassifier, "multilabel", {}),
        (MLPRegressor, "value", {"activation": "tanh"}),
        (MLPRegressor, "count", {"loss": "poisson"}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_lbfgs_minimises_scikit_learns_objective(kind, targets, parameters):
    X, y = data(targets)
    parameters = {"solver": "lbfgs", "hidden_layer_sizes": (4,), "random_state": 0} | parameters
    ours, weights = kind(**parameters, max_iter=40), np.random.default_rng(0).uniform(0.5, 2, N)
    theirs = from_the_same_weights(ours, X, y, weights).fit(X, y, weights)
    ours.fit(X, y, weights)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=0.05, abs=1e-3)
    one_step = kind(**parameters, max_iter=1, max_fun=2)
    theirs = from_the_same_weights(one_step, X, y, weights).fit(X, y, weights)
    one_step.fit(X, y, weights)
    assert one_step.loss_ == pytest.approx(theirs.loss_, rel=1e-9)
    assert_weights_agree(one_step, theirs, 1e-9)
