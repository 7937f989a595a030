"""scikit-learn's MLPClassifier. It draws its first weights itself, from the same distribution."""

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from jaxmlp.bench.task import Contestant, Task, Weights


def classifier(task: Task) -> Contestant:
    """`fit`, without penalty and early stopping."""
    x, labels = task.data()

    def run() -> Weights:
        network = MLPClassifier(
            task.hidden,
            solver="sgd",
            alpha=0,
            batch_size=task.batch,  # pyright: ignore[reportArgumentType]
            learning_rate_init=task.step,
            momentum=task.momentum,
            nesterovs_momentum=False,
            max_iter=task.epochs,
            n_iter_no_change=task.epochs,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(x, labels)
        return list(zip(network.coefs_, network.intercepts_, strict=True))

    return Contestant(run, task.epochs)
