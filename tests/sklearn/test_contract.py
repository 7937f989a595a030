"""scikit-learn's own checks of an estimator: all of them, and no failure is expected."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from jaxmlp.sklearn import MLPClassifier, MLPRegressor

# each check has data of a shape of its own, which is a program of its own: the smallest that learns what is asked for
SMALL = {"hidden_layer_sizes": (), "solver": "sgd", "learning_rate_init": 0.1, "shuffle": False}


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.filterwarnings("ignore")  # the checks look at warnings themselves; most fits do not converge
@parametrize_with_checks([MLPClassifier(**SMALL), MLPRegressor(**SMALL)])
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)
