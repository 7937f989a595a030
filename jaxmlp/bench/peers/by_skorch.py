"""skorch: scikit-learn's interface to PyTorch, whose minibatches a DataLoader makes."""
# pyright: reportMissingImports=false

import torch
from skorch import NeuralNetClassifier

from jaxmlp.bench.peers.by_torch import device, network, weights
from jaxmlp.bench.task import Contestant, Task, Weights


def classifier(task: Task) -> Contestant:
    """`fit`, without a validation split."""
    x, labels = task.data()

    def run() -> Weights:
        net = NeuralNetClassifier(
            network(task),
            criterion=torch.nn.CrossEntropyLoss,
            optimizer=torch.optim.SGD,
            optimizer__momentum=task.momentum,
            lr=task.step,
            max_epochs=task.epochs,
            batch_size=task.batch,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
            device=device(task),
        )
        net.fit(x, labels)
        return weights(net.module_)

    return Contestant(run, task.epochs)
