"""PyTorch, epoch by epoch."""
# pyright: reportMissingImports=false

import torch

from jaxmlp.bench.scripts.by_torch import epochs, measured, network
from jaxmlp.bench.scripts.common import Configuration, read, say, task


def main() -> None:
    """Epochs, each with its validation, until the target is reached; then the test examples."""
    goal = task()
    train, validation, test = read(goal["data"])
    torch.manual_seed(0)
    model = network(train.x.shape[1], goal["hidden"], int(train.y.max()) + 1)
    configuration = Configuration(goal["learning_rate"], goal["momentum"], 0)
    for _ in epochs(model, train, configuration, goal["batch"], goal["epochs"]):
        accuracy = measured(model, validation)[1]
        say(validation_accuracy=accuracy)
        if accuracy >= goal["target"]:
            return
    say(test_accuracy=measured(model, test)[1])


if __name__ == "__main__":
    main()
