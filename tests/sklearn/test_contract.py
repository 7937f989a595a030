"""scikit-learn's own checks of an estimator: all of them, and no failure is expected."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from jaxmlp.sklearn import MLPClassifier, MLPRegressor


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.filterwarnings("ignore")  # the checks look at warnings themselves; most fits do not converge
@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)
