"""What the parameters of the estimators mean in a Spec and a Hyper."""

import numpy as np
import pytest

from jaxmlp.sklearn import MLPClassifier, MLPRegressor
from jaxmlp.sklearn.parameters import Sizes, spec_and_hyper
from jaxmlp.training.validation import check

CLASSES = Sizes(examples=500, inputs=4, outputs=3, kind="classes", dtype="float64")
BINARY = CLASSES._replace(outputs=1)
LABELS = CLASSES._replace(kind="labels")
VALUES = CLASSES._replace(kind="values")

TABLE = [  # parameters, sizes, section, field, value
    ({}, CLASSES, "network", "loss", "softmax_cross_entropy"),
    ({}, BINARY, "network", "loss", "sigmoid_cross_entropy"),
    ({}, LABELS, "network", "loss", "sigmoid_cross_entropy"),
    ({"label_smoothing": 0.1}, CLASSES, "network", "loss", "smoothed_cross_entropy"),
    ({"loss": "poisson"}, VALUES, "network", "loss", "poisson"),
    ({"activation": "logistic"}, CLASSES, "network", "activation", "sigmoid"),
    ({"activation": "gelu"}, CLASSES, "network", "activation", "gelu"),
    ({"hidden_layer_sizes": 9}, CLASSES, "network", "hidden", (9,)),
    ({"hidden_layer_sizes": np.array([9, 8])}, CLASSES, "network", "hidden", (9, 8)),
    ({"hidden_layer_sizes": ()}, CLASSES, "network", "hidden", ()),
    ({"dropout": 0.2}, CLASSES, "network", "dropout", True),
    ({"solver": "sgd"}, CLASSES, "training", "optimizer", "nesterov_velocity"),
    ({"solver": "sgd", "nesterovs_momentum": False}, CLASSES, "training", "optimizer", "velocity"),
    ({"solver": "rmsprop"}, CLASSES, "training", "optimizer", "rmsprop"),
    ({"solver": "adam", "learning_rate": "adaptive"}, CLASSES, "training", "schedule", "constant"),
    ({"solver": "sgd", "learning_rate": "adaptive"}, CLASSES, "training", "schedule", "plateau"),
    ({}, CLASSES, "training", "batch_size", 200),
    ({}, CLASSES._replace(examples=60), "training", "batch_size", 60),
    ({"batch_size": 32}, CLASSES, "training", "batch_size", 32),
    ({"solver": "lbfgs"}, CLASSES, "training", "batch_size", 500),
    ({}, CLASSES, "training", "monitor", "train_objective"),
    ({"early_stopping": True}, CLASSES, "training", "monitor", "score"),
    ({}, CLASSES, "training", "shuffle", True),
    ({"shuffle": False}, CLASSES, "training", "shuffle", False),
    ({}, CLASSES._replace(dtype="float32"), "training", "dtype", "float32"),
    ({"n_iter_no_change": 10}, CLASSES, "hyper", "patience", 11),
    ({"n_iter_no_change": np.inf}, CLASSES, "hyper", "patience", 0),
    ({"solver": "heavy_ball", "momentum": 0.3}, CLASSES, "hyper", "momentum", 0.3),
    ({"alpha": 0.3}, CLASSES, "hyper", "l2", 0.3),
    ({"tol": 0.01}, CLASSES, "hyper", "min_delta", 0.01),
    ({"tol": 0.01, "loss": "squared_error"}, VALUES, "hyper", "min_delta", 0.03),
    ({"tol": 0.01, "loss": "squared_error", "early_stopping": True}, VALUES, "hyper", "min_delta", 0.01),
    ({"solver": "sgd", "learning_rate": "invscaling"}, CLASSES, "hyper", "decay_epochs", 1 / 500),
]


@pytest.mark.parametrize(("parameters", "sizes", "section", "field", "value"), TABLE, ids=str)
def test_a_parameter_means(parameters, sizes, section, field, value):
    kind = MLPRegressor if sizes.kind == "values" else MLPClassifier
    spec, hyper = spec_and_hyper(kind(**parameters).get_params(deep=False), sizes)
    sections = {"network": spec.network, "training": spec.training, "hyper": hyper}
    assert getattr(sections[section], field) == value


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "lion", "rmsprop", "momentum"])
@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive"])
def test_what_comes_out_passes_the_checks_of_every_training(kind, solver, learning_rate):
    parameters = kind(solver=solver, learning_rate=learning_rate, momentum=0.5, beta_1=0.7, epsilon=1e-6, dropout=0.1)
    check(*spec_and_hyper(parameters.get_params(deep=False), CLASSES if kind is MLPClassifier else VALUES))
