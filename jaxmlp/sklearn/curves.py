"""What the epochs of a call have come to, as scikit-learn's estimators keep it."""

from typing import NamedTuple

import numpy as np

from jaxmlp.nn.losses import VALUES, kind_of_targets, loss
from jaxmlp.spec import Spec, Splits
from jaxmlp.training.loop import EpochLog
from jaxmlp.training.validation import counted


class Curves(NamedTuple):
    """A value for each epoch."""

    objective: list[float]  # of the minibatches as they were trained, with the penalties
    scores: list[float]  # of the validation examples: accuracy or R2; none where there are no examples
    validation: list[float]  # their mean loss


def curves_of(spec: Spec, splits: Splits, log: EpochLog, *, averaged: bool) -> Curves:
    """The curves of a log [E]; where the loss is `averaged` over the outputs, the mean of their losses, not the sum."""
    objective, losses = np.asarray(log.train_objective, float), np.asarray(log.train_loss, float)
    if averaged:
        objective = objective - losses * (1 - 1 / spec.outputs)
    if not len(splits.validation.x):
        return Curves(objective.tolist(), [], [])
    values = kind_of_targets(loss(spec.network.loss), splits.train.targets) == VALUES
    scores = np.asarray(log.validation_score, float) / (1 if values else counted(splits.validation))
    return Curves(objective.tolist(), scores.tolist(), np.asarray(log.validation_loss, float).tolist())


def show(curves: Curves, first: int) -> None:
    """Print the epochs, numbered from `first` on."""
    for index, objective in enumerate(curves.objective):
        print(f"Iteration {first + index}, loss = {objective:.8f}")
        if curves.scores:
            print(f"Validation score: {curves.scores[index]:f}")
