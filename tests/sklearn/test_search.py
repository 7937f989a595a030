"""Searches: every trial is the estimator fitted on its fold alone, and scikit-learn's own search comes to the same table."""

import pickle

import numpy as np
import pandas as pd
import pytest
from helpers import refused
from scipy.sparse import csr_array
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jaxmlp.grid.program import PROGRAMS
from jaxmlp.sklearn import MLPClassifier, MLPGridSearchCV, MLPRandomizedSearchCV, MLPRegressor
from jaxmlp.sklearn.replays import _digest_of_data

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("standard_promotion"),
]


def some(X, y, each):
    """So many examples of each class, so that three folds are of one size, and one program serves them."""
    rows = np.sort(np.concatenate([np.flatnonzero(y == label)[:each] for label in np.unique(y)]))
    return X[rows], y[rows]


def wine():
    X, y = some(*load_wine(return_X_y=True), 48)
    return StandardScaler().fit_transform(X), np.array(["red", "rosé", "white"])[y]


def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(X)[:180], (y[:180] - y.mean()) / y.std()


def network(kind=MLPClassifier, **parameters):
    """A small one; to shuffle its examples is a third of the program to compile, and one search with it is enough."""
    small = {"hidden_layer_sizes": (8,), "max_iter": 6, "batch_size": 32, "random_state": 0, "shuffle": False}
    return kind(**small | parameters)


# four candidates of a network, here and wherever it is trained again: then one program serves them all
RATES = {"learning_rate_init": [0.001, 0.05], "alpha": [1e-4, 0.1]}
UNEQUAL = {"red": 0.5, "rosé": 2.0, "white": 1.0}
SEARCHES = {
    "wine, names of classes": (wine, network(), RATES, "neg_log_loss"),
    "diabetes": (diabetes, network(MLPRegressor, shuffle=True), RATES, "neg_mean_squared_error"),
    "several shapes": (wine, network(), RATES | {"hidden_layer_sizes": [(8,), (5,)]}, "neg_log_loss"),
    "sgd, adaptive": (
        *(wine, network(solver="sgd", learning_rate="adaptive", n_iter_no_change=1, tol=0.05)),
        *({"momentum": [0.5, 0.9], "learning_rate_init": [0.01, 0.3]}, "neg_log_loss"),
    ),
    "early stopping": (
        *(wine, network(early_stopping=True, n_iter_no_change=2)),
        *({"learning_rate_init": [0.01, 0.1], "validation_fraction": [0.1, 0.2]}, "neg_log_loss"),
    ),
    "class weights and rules": (
        *(wine, network()),
        [RATES | {"class_weight": [None, UNEQUAL]}, {"class_weight": [None, UNEQUAL], "solver": ["lbfgs"]}],
        "neg_log_loss",
    ),
}

REFITTED = ("wine, names of classes", "diabetes")  # by the estimator itself, on all examples


def scores(search):
    results = search.cv_results_
    return np.array([results[f"split{fold}_test_score"] for fold in range(search.n_splits_)])


def test_a_search_compiles_a_program_for_each_shape_and_no_more():
    X, y = wine()
    PROGRAMS.clear()
    search = MLPGridSearchCV(network(), RATES, cv=3, refit=False)
    assert search.fit(X, y).compiles_ == 1
    assert search.fit(X, y).compiles_ == 0
    search.set_params(param_grid=RATES | {"hidden_layer_sizes": [(8,), (5,)]})
    assert search.fit(X, y).compiles_ == 1


@pytest.mark.parametrize("name", SEARCHES)
def test_trials_equal_the_estimators_fitted_on_their_folds_alone(name):
    data, estimator, grid, scoring = SEARCHES[name]
    X, y = data()
    given = {"cv": 3, "scoring": scoring, "refit": name in REFITTED}
    ours = MLPGridSearchCV(estimator, grid, **given).fit(X, y)
    theirs = GridSearchCV(estimator, grid, **given).fit(X, y)
    np.testing.assert_allclose(scores(ours), scores(theirs), rtol=1e-6)
    np.testing.assert_array_equal(ours.cv_results_["rank_test_score"], theirs.cv_results_["rank_test_score"])
    assert (ours.best_params_, ours.best_index_) == (theirs.best_params_, theirs.best_index_)
    assert ours.cv_results_.keys() == theirs.cv_results_.keys()
    if name not in REFITTED:
        return
    for one, other in zip(ours.best_estimator_.coefs_, theirs.best_estimator_.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)
    assert type(ours.best_estimator_) is type(estimator)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_a_randomised_search_draws_what_scikit_learn_draws():
    X, y = wine()
    space = {"learning_rate_init": loguniform(1e-3, 0.1), "alpha": [1e-4, 1e-2]}
    given = {"n_iter": 4, "cv": 3, "random_state": 3, "scoring": "neg_log_loss"}
    ours = MLPRandomizedSearchCV(network(), space, **given).fit(X, y)
    theirs = RandomizedSearchCV(network(), space, **given).fit(X, y)
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    np.testing.assert_allclose(scores(ours), scores(theirs), rtol=1e-6)


def alike():
    """Three folds of the same examples, whose classes are not."""
    X, y = wine()
    return np.tile(X[::3], (3, 1)), np.concatenate([y[::3], y[1::3][::-1], np.roll(y[2::3], 7)])


@pytest.mark.parametrize("data", [wine, alike])
@pytest.mark.parametrize(
    "grid",
    [
        {"standardscaler__with_std": [True, False]} | {f"mlpclassifier__{name}": of for name, of in RATES.items()},
        {"mlpclassifier": [network(), network(alpha=9.0)]},
    ],
    ids=["parameters", "estimators"],
)
def test_a_pipeline_is_fitted_on_each_fold(data, grid):
    X, y = data()
    pipeline = make_pipeline(StandardScaler(), network())
    ours = MLPGridSearchCV(pipeline, grid, cv=KFold(3) if data is alike else 3, scoring="neg_log_loss").fit(X, y)
    theirs = GridSearchCV(pipeline, grid, cv=ours.cv, scoring="neg_log_loss").fit(X, y)
    np.testing.assert_allclose(scores(ours), scores(theirs), rtol=1e-6)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert type(ours.best_estimator_[-1]) is MLPClassifier


def test_several_scores_weights_and_groups():
    X, y = wine()
    weights = np.linspace(0.1, 2, len(y))
    given = {"scoring": ["accuracy", "f1_macro"], "refit": "f1_macro", "cv": GroupKFold(3), "return_train_score": True}
    fit = {"sample_weight": weights, "groups": np.arange(len(y)) % 6}
    ours = MLPGridSearchCV(network(), RATES, **given).fit(X, y, **fit)
    theirs = GridSearchCV(network(), RATES, **given).fit(X, y, **fit)
    for column in ("mean_test_accuracy", "mean_train_f1_macro", "rank_test_f1_macro"):
        np.testing.assert_allclose(ours.cv_results_[column], theirs.cv_results_[column])
    assert ours.best_params_ == theirs.best_params_
    assert ours.multimetric_


def test_weights_and_groups_go_to_those_that_request_them():
    X, y = wine()
    with config_context(enable_metadata_routing=True):
        given = {"cv": GroupKFold(3), "scoring": make_scorer(log_loss, response_method="predict_proba")}
        estimator = network().set_fit_request(sample_weight="costs")
        fit = {"costs": np.linspace(0.1, 2, len(y)), "groups": np.arange(len(y)) % 6}
        ours = MLPGridSearchCV(estimator, RATES, **given).fit(X, y, **fit)
        theirs = GridSearchCV(estimator, RATES, **given).fit(X, y, **fit)
    np.testing.assert_allclose(scores(ours), scores(theirs), rtol=1e-6)
    assert str(ours.best_estimator_.get_metadata_routing()) == str(estimator.get_metadata_routing())


@pytest.mark.parametrize("rows", [np.asarray, pd.DataFrame, csr_array, np.ndarray.tolist])
def test_no_candidate_is_trained_twice(rows, monkeypatch):
    X, y = wine()
    alone = []
    monkeypatch.setattr(MLPClassifier, "_fit", lambda self, *_, **__: alone.append(self))
    MLPGridSearchCV(network(), RATES, cv=3, refit=False).fit(rows(X), y)
    assert not alone


@pytest.mark.parametrize(("name", "wrong", "right"), [("alpha", -1.0, 1e-4), ("activation", "rely", "relu")])
def test_a_candidate_that_fails_costs_its_scores_alone(name, wrong, right):
    X, y = wine()
    grid = {name: [wrong, right], "learning_rate_init": [0.01, 0.02, 0.03, 0.04]}
    search = MLPGridSearchCV(network(), grid, cv=3, error_score=0.0)
    with pytest.warns(FitFailedWarning, match=name):
        search.fit(X, y)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"][:4], 0.0)
    assert search.best_params_[name] == right
    with pytest.raises(ValueError, match=name):
        MLPGridSearchCV(network(), {name: [wrong]}, cv=3, error_score="raise").fit(X, y)


def test_without_a_seed_one_is_drawn_for_all_candidates():
    X, y = wine()
    np.random.seed(7)
    search = MLPGridSearchCV(network(random_state=None), {"alpha": [1e-4] * 4}, cv=3, scoring="neg_log_loss")
    first = scores(search.fit(X, y))
    np.testing.assert_array_equal(first[:, 0], first[:, 1])
    assert search.best_estimator_.random_state is None
    assert not np.array_equal(first, scores(search.fit(X, y)))


def test_epochs_that_ran_out_are_said():
    X, y = wine()
    with pytest.warns(ConvergenceWarning, match="6"):
        MLPGridSearchCV(network(), RATES, cv=3, refit=False).fit(X, y)


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (LogisticRegression(), ["estimator is LogisticRegression;", "accepted is"]),
        (make_pipeline(StandardScaler(), make_pipeline(network())), ["ends with Pipeline", "steps of the inner one"]),
    ],
    ids=["other", "nested"],
)
def test_other_estimators_are_refused(estimator, words):
    refused(words, MLPGridSearchCV(estimator, {}).fit, *wine(), error=TypeError)


def test_a_search_without_targets_is_refused():
    refused(["requires y to be passed"], MLPGridSearchCV(network(), {}).fit, wine()[0], error=ValueError)


def test_a_search_is_pickled_without_its_trials():
    X, y = wine()
    search = MLPGridSearchCV(network(random_state=None), {"random_state": [1, 2]}, cv=3).fit(X, y)
    again = pickle.loads(pickle.dumps(search))
    assert again.score(X, y) == search.score(X, y)
    assert search.best_estimator_.random_state == search.best_params_["random_state"]


def test_a_search_is_cloned_and_shown():
    search = MLPGridSearchCV(network(), RATES, cv=3)
    assert clone(search).get_params().keys() == search.get_params().keys()
    assert "MLPGridSearchCV" in repr(search)


def test_other_data_have_other_digests():
    X, y = np.random.default_rng(0).normal(size=(6, 4)), np.arange(6)
    others = [X, X[::-1], X[:, ::-1], -X, X.astype(np.float32)]
    for entry in np.ndindex(*X.shape):
        for change in (lambda value: np.nextafter(value, 9), np.negative):  # the lowest bit, and the highest
            other = X.copy()
            other[entry] = change(other[entry])
            others.append(other)
    digests = {_digest_of_data(X, y[::-1], None), *(_digest_of_data(other, y, None) for other in others)}
    assert len(digests) == 1 + len(others)
