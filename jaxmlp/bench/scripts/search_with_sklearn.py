"""scikit-learn's HalvingRandomSearchCV over its MLPClassifier, a process a core; epochs are what is halved."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV, PredefinedSplit
from sklearn.neural_network import MLPClassifier

from jaxmlp.bench.scripts.common import configurations, read, say, task


def main() -> None:
    """The search, and its best at the end."""
    goal = task()
    train, validation, _ = read(goal["data"])
    network = MLPClassifier(
        tuple(goal["hidden"]),
        solver="sgd",
        batch_size=goal["batch"],
        nesterovs_momentum=False,
        n_iter_no_change=goal["epochs"],
        random_state=0,
    )
    grid = [
        {"learning_rate_init": [trial.step], "momentum": [trial.momentum], "alpha": [trial.l2 * goal["batch"]]}
        for trial in configurations(goal)  # alpha is divided by the examples of a minibatch
    ]
    fold = [-1] * len(train.x) + [0] * len(validation.x)
    search = HalvingRandomSearchCV(
        network,
        grid,
        n_candidates=len(grid),  # pyright: ignore[reportArgumentType]
        factor=3,
        resource="max_iter",
        min_resources=goal["rungs"][0],
        max_resources=goal["epochs"],
        cv=PredefinedSplit(fold),  # pyright: ignore[reportArgumentType]
        scoring="neg_log_loss",
        refit=False,
        random_state=0,
        n_jobs=goal["cores"],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(np.concatenate([train.x, validation.x]), np.concatenate([train.y, validation.y]))
    say(validation_loss=-np.nanmax(search.cv_results_["mean_test_score"]))


if __name__ == "__main__":
    main()
