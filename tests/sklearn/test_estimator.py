"""What the estimators do as scikit-learn's do, what they have on top, and what they refuse."""

import inspect
import pickle

import numpy as np
import pytest
import scipy.sparse
from helpers import refused
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.sklearn import MLPClassifier, MLPRegressor, epochs
from jaxmlp.sklearn.outputs import BLOCKS, compiled
from jaxmlp.training.fitting import compiled_begin

BOTH = (MLPClassifier, MLPRegressor)
# to shuffle is a third of a program to compile: test_search.py trains networks that do
SMALL = {"hidden_layer_sizes": (5,), "max_iter": 8, "random_state": 0, "learning_rate_init": 0.02, "shuffle": False}
pytestmark = [pytest.mark.usefixtures("standard_promotion"), pytest.mark.filterwarnings("ignore:Stochastic Optimizer")]


def data(kind=MLPClassifier, count=40, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 4))
    score = X @ np.array([[1.0, -1, 0], [0, 1, -1], [1, 0, 1], [0.5, 0, -1]])
    return X, score.argmax(axis=1) if kind is MLPClassifier else score[:, 0]


@pytest.mark.parametrize(("ours", "theirs"), [(MLPClassifier, TheirClassifier), (MLPRegressor, TheirRegressor)])
def test_parameters_of_scikit_learn_have_its_order_and_defaults(ours, theirs):
    parameters = inspect.signature(ours).parameters
    expected = inspect.signature(theirs).parameters
    assert list(parameters.values())[: len(expected)] == list(expected.values())
    extra = list(parameters.values())[len(expected) :]
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in extra)


@pytest.mark.parametrize("kind", BOTH)
def test_another_value_or_number_of_epochs_compiles_nothing(kind):
    X, y = data(kind)
    kind(**SMALL, early_stopping=True).fit(X, y).predict(X)
    programs = [program._cache_size() for program in (epochs.train, compiled, compiled_begin)]
    for changed in (
        {},
        {"alpha": 0.3},
        {"max_iter": 11},
        {"tol": 1e-2, "n_iter_no_change": np.inf},
        {"random_state": 7},
    ):
        kind(**SMALL | changed, early_stopping=True).fit(X, y).predict(X)
    assert [program._cache_size() for program in (epochs.train, compiled, compiled_begin)] == programs


def test_the_first_state_is_compiled_once_for_all_batches_and_losses():
    X, y = data(MLPRegressor)
    before = compiled_begin._cache_size()
    for changed in ({}, {"batch_size": 9, "loss": "huber", "early_stopping": True, "dropout": 0.1}):
        MLPRegressor(**SMALL | {"hidden_layer_sizes": (3,), "max_iter": 1} | changed).fit(X, y)
    assert compiled_begin._cache_size() - before == 1


@pytest.mark.parametrize("kind", BOTH)
def test_early_stopping_keeps_the_best_weights_and_ends_after_n_iter_no_change(kind):
    (X, y), rows = data(kind), data(kind, 20, seed=1)
    stops = {"early_stopping": True, "n_iter_no_change": 3, "tol": 0.02, "max_iter": 300}
    model = kind(**SMALL | stops).fit(X, y, validation_data=rows)
    best, stale, ended = -np.inf, 0, 0
    for score in model.validation_scores_:
        ended += 1
        stale = stale + 1 if score < best + 0.02 else 0
        best = max(best, score)
        if stale > 3:
            break
    assert model.n_iter_ == ended < 300
    assert model.best_validation_score_ == best
    assert model.score(*rows) == pytest.approx(best)
    assert model.best_loss_ is None


def test_a_share_is_held_out_for_early_stopping():
    X, y = data()
    model = MLPClassifier(**SMALL, early_stopping=True, validation_fraction=0.25).fit(X, y)
    assert model.t_ == 30 * model.n_iter_
    assert {round(10 * score, 6) % 1 for score in model.validation_scores_} == {0}  # of ten examples


def test_validation_data_gives_a_curve_and_changes_nothing_else():
    X, y = data()
    plain = MLPClassifier(**SMALL).fit(X, y)
    watched = MLPClassifier(**SMALL).fit(X, y, validation_data=(X, y))
    assert plain.validation_curve_ is None
    assert len(watched.validation_curve_) == 8
    assert watched.validation_curve_[-1] < watched.validation_curve_[0]
    np.testing.assert_array_equal(plain.coefs_[0], watched.coefs_[0])
    assert watched.validation_scores_[-1] == pytest.approx(watched.score(X, y))


def test_validation_rows_of_no_weight_do_not_count():
    X, y = data()
    weights = np.arange(40) % 2
    model = MLPClassifier(**SMALL).fit(X, y, validation_data=(X, y, weights))
    assert model.validation_scores_[-1] == pytest.approx(model.score(X[1::2], y[1::2]))


@pytest.mark.parametrize("kind", BOTH)
def test_what_is_fitted_is_plain_arrays_that_pickle(kind):
    X, y = data(kind)
    model = kind(**SMALL, early_stopping=True).fit(X, y)
    assert {type(array) for array in (*model.coefs_, *model.intercepts_)} == {np.ndarray}
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.predict(X), again.predict(X))
    again.set_params(early_stopping=False).partial_fit(X, y)
    assert clone(model).get_params() == model.get_params()


def test_sparse_examples_train_and_predict_like_dense_ones():
    X, y = data()
    X[np.abs(X) < 0.5] = 0
    dense = MLPClassifier(**SMALL).fit(X, y)
    for container in (scipy.sparse.csr_matrix, scipy.sparse.csc_array):
        sparse = MLPClassifier(**SMALL).fit(container(X), y)
        np.testing.assert_array_equal(dense.predict_proba(X), sparse.predict_proba(container(X)))


def test_any_number_of_examples_is_predicted_by_programs_of_few_sizes():
    X, y = data()
    model = MLPClassifier(**SMALL).fit(X, y)
    many = np.concatenate([X] * 60)
    before = compiled._cache_size()
    for count in (1, 5, 31, 32, 33, 200, 300, 2400):
        probabilities = model.predict_proba(many[:count])
        np.testing.assert_allclose(probabilities, model.predict_proba(X)[np.arange(count) % 40], rtol=1e-12)
    assert compiled._cache_size() - before <= len(BLOCKS)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(model.predict_proba(X)))


def test_a_pipeline_is_searched_as_any_other():
    X, y = data()
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**SMALL))
    search = GridSearchCV(pipeline, {"mlpclassifier__alpha": [1e-4, 10.0]}, cv=2).fit(X, y)
    assert search.best_params_ == {"mlpclassifier__alpha": 1e-4}


def test_an_interruption_keeps_the_epochs_so_far(monkeypatch):
    X, y = data()
    train, calls = epochs.train, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train(*arguments)

    monkeypatch.setattr(epochs, "train", interrupted)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = MLPClassifier(**SMALL | {"max_iter": 10_000}).fit(X, y)
    assert 0 < model.n_iter_ == len(model.loss_curve_) < 10_000
    assert model.predict(X).shape == y.shape


def test_epochs_are_printed_as_they_are_done(capsys):
    X, y = data()
    MLPClassifier(**SMALL | {"max_iter": 2}, verbose=True).fit(X, y, validation_data=(X, y))
    words = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert words == ["Iteration", "Validation"] * 2


@pytest.mark.parametrize(
    ("parameters", "warning", "words"),
    [
        ({"batch_size": 999}, UserWarning, "clipped"),
        ({"max_iter": 1}, ConvergenceWarning, "Maximum iterations .1. reached"),
        ({"solver": "lbfgs", "max_iter": 1}, ConvergenceWarning, "lbfgs failed to converge"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_warnings_are_scikit_learns(parameters, warning, words):
    with pytest.warns(warning, match=words):
        MLPClassifier(**SMALL | parameters).fit(*data())


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        (
            MLPClassifier,
            {"activation": "rely"},
            ["'activation' parameter of MLPClassifier", "rely", "relu", "logistic"],
        ),
        (MLPClassifier, {"activation": "step"}, ["activation", "step", "sigmoid"]),
        (MLPClassifier, {"solver": "adem"}, ["'solver' parameter of MLPClassifier", "adem", "lbfgs", "lion"]),
        (MLPClassifier, {"class_weight": {0: np.nan}}, ["class_weight", "nan", "0 or more"]),
        (MLPClassifier, {"class_weight": {0: -1.0}}, ["class_weight", "-1.0", "0 or more"]),
        (MLPClassifier, {"hidden_layer_sizes": (10.7,)}, ["hidden_layer_sizes", "10.7", "whole numbers"]),
        (MLPClassifier, {"hidden_layer_sizes": (True,)}, ["hidden_layer_sizes", "True", "whole numbers"]),
        (MLPRegressor, {"hidden_layer_sizes": [10, "a"]}, ["hidden_layer_sizes", "'a'", "whole numbers"]),
        (MLPClassifier, {"solver": "lbfgs", "dropout": 0.5}, ["dropout", "0.5", "lbfgs", "accepted is 0"]),
        (MLPClassifier, {"device": "abacus"}, ["device", "abacus", "cpu"]),
        (MLPClassifier, {"device": "cpu:99"}, ["device", "cpu:99", "cpu:0"]),
        (MLPClassifier, {"hidden_layer_sizes": (3, 0)}, ["hidden_layer_sizes must be > 0"]),
        (MLPRegressor, {"loss": "hubert"}, ["loss", "hubert", "huber"]),
        (MLPRegressor, {"loss": "poisson"}, ["poisson", "accepted", "0 or more"]),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(kind, parameters, words):
    refused(words, kind(**SMALL | parameters).fit, *data(kind), error=ValueError)


@pytest.mark.parametrize("kind", BOTH)
def test_a_weight_below_0_is_refused(kind):
    X, y = data(kind)
    refused(["Negative values", "sample_weight"], kind(**SMALL).fit, X, y, np.full(40, -1.0), error=ValueError)


def test_label_smoothing_needs_three_classes():
    X, y = data()
    refused(["label_smoothing", "0.1"], MLPClassifier(label_smoothing=0.1).fit, X, y > 0, error=ValueError)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({"early_stopping": True}, ["early_stopping"]), ({"class_weight": "balanced"}, ["balanced", "mapping"])],
)
def test_partial_fit_refuses_what_needs_all_examples(parameters, words):
    X, y = data()
    refused(words, MLPClassifier(**parameters).partial_fit, X, y, classes=[0, 1, 2], error=ValueError)


ROWS = np.zeros((2, 4))


@pytest.mark.parametrize(
    ("estimator", "rows", "words"),
    [
        (MLPClassifier(), (ROWS, [0, 7]), ["classes not in", "7"]),
        (MLPClassifier(), (ROWS, [0]), ["inconsistent numbers of samples"]),
        (MLPClassifier(), (ROWS[:, :3], [0, 1]), ["3 features", "4 features"]),
        (MLPClassifier(), (ROWS, [0, 1], [-1, -1]), ["Negative values", "sample_weight"]),
        (MLPClassifier(), (ROWS, [0, 1], np.ones((2, 3))), ["1D array"]),
        (MLPClassifier(), 0.2, ["float", "accepted is (X, y)", "validation_fraction"]),
        (MLPClassifier(), ROWS, ["ndarray", "accepted is (X, y)"]),
        (MLPClassifier(), (ROWS,), ["tuple of 1", "accepted is (X, y)"]),
        (MLPRegressor(early_stopping=True), (ROWS, [0.0, np.nan]), ["y contains NaN"]),
        (MLPRegressor(), (ROWS, np.zeros((2, 2))), ["y has 2 outputs", "accepted is 1"]),
        (MLPClassifier(solver="lbfgs"), (ROWS, [0, 1]), ["lbfgs"]),
    ],
)
def test_validation_data_that_does_not_fit_is_refused(estimator, rows, words):
    X, y = data(type(estimator))
    fit = estimator.set_params(hidden_layer_sizes=5, max_iter=1).fit
    refused(["validation_data", *words], fit, X, y, validation_data=rows, error=ValueError)


def test_a_further_fit_of_other_layers_is_refused():
    X, y = data()
    model = MLPClassifier(**SMALL, warm_start=True).fit(X, y).set_params(hidden_layer_sizes=(6,))
    refused(["hidden_layer_sizes", "[(4, 6), (6, 3)]", "[(4, 5), (5, 3)]"], model.fit, X, y, error=ValueError)


@pytest.mark.filterwarnings("ignore:lbfgs")
def test_a_further_fit_may_be_by_another_solver():
    X, y = data()
    model = MLPClassifier(**SMALL, warm_start=True, solver="lbfgs").fit(X, y)
    before = model.loss_
    for solver in ("sgd", "adam", "lbfgs"):
        model.set_params(solver=solver).fit(X, y)
    assert len(model.loss_curve_) == 16
    assert model.loss_ < before


def test_a_training_that_diverges_says_so():
    X, y = data(MLPRegressor)
    with pytest.raises(ValueError, match="non-finite"), pytest.warns(ConvergenceWarning, match="not finite"):
        MLPRegressor(**SMALL | {"solver": "sgd", "learning_rate_init": 1e200}).fit(X, y)


def test_lbfgs_has_no_partial_fit():
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.filterwarnings("ignore:lbfgs")
def test_every_activation_trains(activation):
    """By the solver whose program is the smallest."""
    (X, y), network = data(), {"solver": "lbfgs", "activation": activation}
    short, longer = (MLPClassifier(**SMALL | network | {"max_iter": epochs}).fit(X, y).loss_ for epochs in (1, 8))
    assert longer < short


@pytest.mark.parametrize(
    "changed",
    [
        {"l1": 0.5},
        {"dropout": 0.5},
        {"label_smoothing": 0.2},
        {"class_weight": {0: 5.0, 1: 1.0, 2: 1.0}},
        {"solver": "adamw", "weight_decay": 0.5},
        {"solver": "lion"},
    ],
    ids=str,
)
def test_what_is_ours_on_top_changes_the_training(changed):
    X, y = data()
    plain, model = (MLPClassifier(**SMALL | {"max_iter": 60} | extra).fit(X, y) for extra in ({}, changed))
    assert np.abs(plain.coefs_[0] - model.coefs_[0]).max() > 1e-6
    assert model.score(X, y) > 0.5


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.filterwarnings("ignore:lbfgs")
def test_both_gradients_train_alike(solver):
    X, y = data()
    by_rule, by_autodiff = (
        MLPClassifier(**SMALL, solver=solver, gradient=gradient).fit(X, y) for gradient in ("delta_rule", "autodiff")
    )
    np.testing.assert_allclose(by_rule.coefs_[0], by_autodiff.coefs_[0], rtol=1e-6)


@pytest.mark.parametrize("quantile", [0.2, 0.8])
def test_a_quantile_is_learnt(quantile):
    rng = np.random.default_rng(0)
    X, y = np.zeros((400, 1)), rng.normal(size=400)
    settings = SMALL | {"max_iter": 60, "learning_rate_init": 0.05}
    predicted = MLPRegressor("quantile", quantile=quantile, **settings).fit(X, y).predict(X[:1])
    assert np.mean(y < predicted) == pytest.approx(quantile, abs=0.05)


def test_the_huber_loss_is_less_drawn_to_outliers():
    X, y = np.zeros((100, 1)), np.r_[np.zeros(90), np.full(10, 1000.0)]
    settings = SMALL | {"max_iter": 100, "learning_rate_init": 0.05}
    huber, squared = (MLPRegressor(loss, **settings).fit(X, y).predict(X[:1]) for loss in ("huber", "squared_error"))
    assert abs(huber) < 0.3 < squared
