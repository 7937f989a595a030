"""Searches: every trial is the estimator fitted on its fold alone, and scikit-learn's own search comes to the same table."""

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jaxmlp.sklearn import MLPClassifier, MLPGridSearchCV, MLPRandomizedSearchCV, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("standard_promotion"),
]


def some(X, y, each):
    """So many examples of each class, so that three folds are of one size, and one program serves them."""
    rows = np.sort(np.concatenate([np.flatnonzero(y == label)[:each] for label in np.unique(y)]))
    return X[rows], y[rows]


def digits():
    X, y = load_digits(return_X_y=True)
    return some(X / 16, y, 18)


def wine():
    X, y = some(*load_wine(return_X_y=True), 48)
    return StandardScaler().fit_transform(X), np.array(["red", "rosé", "white"])[y]


def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(X)[:180], (y[:180] - y.mean()) / y.std()


def network(kind=MLPClassifier, **parameters):
    return kind(**{"hidden_layer_sizes": (8,), "max_iter": 6, "batch_size": 32, "random_state": 0} | parameters)


RATES = {"learning_rate_init": [0.001, 0.01, 0.05], "alpha": [1e-4, 0.1]}
SEARCHES = {
    "wine, names of classes": (wine, network(), RATES, "neg_log_loss"),
    "diabetes": (diabetes, network(MLPRegressor), RATES, "neg_mean_squared_error"),
    "several shapes": (wine, network(), {"hidden_layer_sizes": [(8,), (4,)], "alpha": [1e-4, 1.0]}, "neg_log_loss"),
    "sgd, adaptive": (
        *(wine, network(solver="sgd", learning_rate="adaptive", n_iter_no_change=1, tol=0.05)),
        *({"momentum": [0.5, 0.9], "learning_rate_init": [0.01, 0.3]}, "neg_log_loss"),
    ),
    "early stopping": (
        *(digits, network(early_stopping=True, n_iter_no_change=2)),
        *({"learning_rate_init": [0.01, 0.1], "validation_fraction": [0.1, 0.2]}, "neg_log_loss"),
    ),
    "class weights and rules": (
        *(wine, network(), {"class_weight": [None, "balanced"], "solver": ["adam", "lbfgs"]}, "neg_log_loss"),
    ),
}


def scores(search):
    results = search.cv_results_
    return np.array([results[f"split{fold}_test_score"] for fold in range(search.n_splits_)])


@pytest.mark.parametrize("name", SEARCHES)
def test_trials_equal_the_estimators_fitted_on_their_folds_alone(name):
    data, estimator, grid, scoring = SEARCHES[name]
    X, y = data()
    ours = MLPGridSearchCV(estimator, grid, cv=3, scoring=scoring).fit(X, y)
    theirs = GridSearchCV(estimator, grid, cv=3, scoring=scoring).fit(X, y)
    np.testing.assert_allclose(scores(ours), scores(theirs), rtol=1e-6)
    np.testing.assert_array_equal(ours.cv_results_["rank_test_score"], theirs.cv_results_["rank_test_score"])
    assert (ours.best_params_, ours.best_index_) == (theirs.best_params_, theirs.best_index_)
    assert ours.cv_results_.keys() == theirs.cv_results_.keys()
    for one, other in zip(ours.best_estimator_.coefs_, theirs.best_estimator_.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)
    assert type(ours.best_estimator_) is type(estimator)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_a_search_compiles_a_program_for_each_shape_and_no_more():
    X, y = digits()
    grid = {"learning_rate_init": [0.001, 0.01, 0.1], "alpha": [1e-4, 1e-2]}
    search = MLPGridSearchCV(network(hidden_layer_sizes=(5,)), grid, cv=3, refit=False)
    assert search.fit(X, y).compiles_ == 1
    assert search.fit(X, y).compiles_ == 0
    search.set_params(param_grid=grid | {"hidden_layer_sizes": [(5,), (6,)]})
    assert search.fit(X, y).compiles_ == 1


def test_a_randomised_search_draws_what_scikit_learn_draws():
    X, y = wine()
    space = {"learning_rate_init": loguniform(1e-3, 0.1), "alpha": [1e-4, 1e-2]}
    given = {"n_iter": 5, "cv": 3, "random_state": 3, "scoring": "neg_log_loss"}
    ours = MLPRandomizedSearchCV(network(), space, **given).fit(X, y)
    theirs = RandomizedSearchCV(network(), space, **given).fit(X, y)
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    np.testing.assert_allclose(scores(ours), scores(theirs), rtol=1e-6)


def test_a_pipeline_is_fitted_on_each_fold():
    X, y = some(*load_wine(return_X_y=True), 48)
    pipeline = make_pipeline(StandardScaler(), network())
    grid = {"standardscaler__with_std": [True, False], "mlpclassifier__alpha": [1e-4, 1.0]}
    ours = MLPGridSearchCV(pipeline, grid, cv=3, scoring="neg_log_loss").fit(X, y)
    theirs = GridSearchCV(pipeline, grid, cv=3, scoring="neg_log_loss").fit(X, y)
    np.testing.assert_allclose(scores(ours), scores(theirs), rtol=1e-6)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


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


def test_a_candidate_that_fails_costs_its_scores_alone():
    X, y = wine()
    search = MLPGridSearchCV(network(), {"alpha": [-1.0, 1e-4]}, cv=3, error_score=0.0)
    with pytest.warns(FitFailedWarning, match="alpha"):
        search.fit(X, y)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"][0], 0.0)
    assert search.best_params_ == {"alpha": 1e-4}
    with pytest.raises(ValueError, match="alpha"):
        MLPGridSearchCV(network(), {"alpha": [-1.0]}, cv=3, error_score="raise").fit(X, y)


def test_without_a_seed_one_is_drawn_for_all_candidates():
    X, y = wine()
    np.random.seed(7)
    search = MLPGridSearchCV(network(random_state=None), {"alpha": [1e-4, 1e-4]}, cv=3, scoring="neg_log_loss")
    first = scores(search.fit(X, y))
    np.testing.assert_array_equal(first[:, 0], first[:, 1])
    assert search.best_estimator_.random_state is None
    assert not np.array_equal(first, scores(search.fit(X, y)))


def test_epochs_that_ran_out_are_said():
    X, y = wine()
    with pytest.warns(ConvergenceWarning, match="6"):
        MLPGridSearchCV(network(), {"alpha": [1e-4]}, cv=3, refit=False).fit(X, y)


def test_other_estimators_are_refused():
    X, y = wine()
    with pytest.raises(TypeError, match="LogisticRegression"):
        MLPGridSearchCV(LogisticRegression(), {"C": [1.0]}).fit(X, y)


def test_a_search_is_cloned_and_shown():
    search = MLPGridSearchCV(network(), RATES, cv=3)
    assert clone(search).get_params().keys() == search.get_params().keys()
    assert "MLPGridSearchCV" in repr(search)
