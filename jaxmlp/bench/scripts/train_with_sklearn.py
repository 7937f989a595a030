"""scikit-learn's MLPClassifier, epoch by epoch."""

import numpy as np
from sklearn.neural_network import MLPClassifier

from jaxmlp.bench.scripts.common import Configuration, read, say, task


def main() -> None:
    """Epochs, each with its validation, until the target is reached; then the test examples."""
    goal = task()
    train, validation, test = read(goal["data"])
    network = MLPClassifier(
        tuple(goal["hidden"]),
        solver="sgd",
        alpha=0,
        batch_size=goal["batch"],
        learning_rate_init=Configuration(goal["learning_rate"], goal["momentum"], 0).step,
        momentum=goal["momentum"],
        nesterovs_momentum=False,
        random_state=0,
    )
    for _ in range(goal["epochs"]):
        network.partial_fit(train.x, train.y, classes=np.unique(train.y))
        accuracy = network.score(validation.x, validation.y)
        say(validation_accuracy=accuracy)
        if accuracy >= goal["target"]:
            return
    say(test_accuracy=network.score(test.x, test.y))


if __name__ == "__main__":
    main()
