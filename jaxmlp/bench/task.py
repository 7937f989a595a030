"""What every entry trains: one network on one data set, drawn anew by each process from the same seed. NumPy only."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

Weights = list[tuple[np.ndarray, np.ndarray]]  # (w [I, O], b [O]) of each layer
DISTANCE = 4.0  # between the centres of two classes, in standard deviations of the noise around them


class Contestant(NamedTuple):
    """What an entry runs: a whole training from the first weights, which returns the last ones."""

    run: Callable[[], Weights | None]  # None: nothing is learnt
    epochs: float  # of one network, that a run is worth


@dataclass(frozen=True)
class Task:
    """A ReLU network with a softmax, trained by minibatches with momentum, in float32."""

    inputs: int
    hidden: tuple[int, ...]
    outputs: int
    examples: int
    batch: int
    epochs: int  # of a run
    trials: int  # of the grid
    device: str = "cpu"  # or gpu
    learning_rate: float = 0.1  # alpha of v <- gamma v + (1 - gamma) alpha g, w <- w - v
    momentum: float = 0.9  # gamma

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer, inputs first."""
        return (self.inputs, *self.hidden, self.outputs)

    @property
    def step(self) -> float:
        """The rate of v <- gamma v + g, w <- w - rate v, the rule of other libraries: the steps are the same."""
        return (1 - self.momentum) * self.learning_rate

    @property
    def flops(self) -> int:
        """Operations of the matrix products of an epoch; the gradient of the inputs is not needed."""
        first, *others = (inputs * outputs for inputs, outputs in pairwise(self.sizes))
        return self.examples * (4 * first + 6 * sum(others))

    def learning_rates(self) -> list[float]:
        """Those of the grid; the first trial is the single network."""
        return [float(rate) for rate in np.geomspace(self.learning_rate, self.learning_rate / 10, self.trials)]

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs x [N, D] and labels [N]: overlapping clouds, a centre for each class."""
        rng = np.random.default_rng(0)
        centres = DISTANCE / math.sqrt(2 * self.inputs) * rng.standard_normal((self.outputs, self.inputs))
        labels = rng.integers(0, self.outputs, self.examples)
        x = rng.standard_normal((self.examples, self.inputs), np.float32)
        x += centres.astype(np.float32)[labels]
        return x, labels

    def weights(self) -> Weights:
        """The first weights, uniform(-a, a) with a = sqrt(6 / (I + O)) (Glorot and Bengio 2010), and biases of 0."""
        rng, layers = np.random.default_rng(1), []
        for inputs, outputs in pairwise(self.sizes):
            bound = math.sqrt(6 / (inputs + outputs))
            w = rng.uniform(-bound, bound, (inputs, outputs)).astype(np.float32)
            layers.append((w, np.zeros(outputs, np.float32)))
        return layers

    def loss(self, weights: Weights) -> float:
        """The mean cross-entropy of the training examples: what tells whether all did the same work."""
        x, labels = self.data()
        total = 0.0
        for start in range(0, self.examples, 10_000):
            a, rows = x[start : start + 10_000], labels[start : start + 10_000]
            for w, b in weights[:-1]:
                a = np.maximum(a @ w + b, 0)
            z = a @ weights[-1][0] + weights[-1][1]
            z = z - z.max(axis=1, keepdims=True)
            total += float(np.sum(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(rows)), rows]))
        return total / self.examples


PRESETS = {
    "report": Task(784, (128,), 10, examples=48_000, batch=128, epochs=1, trials=64),
    "digits": Task(64, (32,), 10, examples=1_150, batch=32, epochs=20, trials=1_000),
    "wide": Task(784, (1_024,), 10, examples=12_000, batch=128, epochs=1, trials=8),
    "deep": Task(784, (256, 256, 256, 256), 10, examples=12_000, batch=128, epochs=1, trials=16),
    "accelerator": Task(784, (128,), 10, examples=48_000, batch=128, epochs=2, trials=4_096, device="gpu"),
    "table": Task(32, (64, 64), 2, examples=100_000, batch=256, epochs=2, trials=64),
}
