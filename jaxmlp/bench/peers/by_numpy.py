"""NumPy, as one writes it by hand: products, and everything else in place."""

import numpy as np

from jaxmlp.bench.task import Contestant, Task, Weights


def by_hand(task: Task) -> Contestant:
    """Forward, backward and momentum, layer by layer."""
    x, labels = task.data()
    targets = np.eye(task.outputs, dtype=np.float32)[labels]
    generator = np.random.default_rng(0)

    def run() -> Weights:
        layers = [[part.copy() for part in layer] for layer in task.weights()]
        velocities = [[np.zeros_like(part) for part in layer] for layer in layers]
        for _ in range(task.epochs):
            order = generator.permutation(task.examples)
            for start in range(0, task.examples, task.batch):
                rows = order[start : start + task.batch]
                grads = gradients(layers, x[rows], targets[rows])
                for layer, velocity, grad in zip(layers, velocities, grads, strict=True):
                    for p, v, g in zip(layer, velocity, grad, strict=True):
                        v *= task.momentum
                        v += task.step * g
                        p -= v
        return [(w, b) for w, b in layers]

    return Contestant(run, task.epochs)


def gradients(layers: list[list[np.ndarray]], x: np.ndarray, t: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The gradient (w, b) of each layer, of the mean loss of a minibatch."""
    activations = [x]
    for w, b in layers[:-1]:
        a = activations[-1] @ w
        a += b
        activations.append(np.maximum(a, 0, out=a))
    y = activations[-1] @ layers[-1][0]
    y += layers[-1][1]
    y -= y.max(axis=1, keepdims=True)
    np.exp(y, out=y)
    y /= y.sum(axis=1, keepdims=True)
    delta, grads = (y - t) / len(x), []
    for (w, _), a in zip(reversed(layers), reversed(activations), strict=True):
        grads.append((a.T @ delta, delta.sum(axis=0)))
        if a is not x:
            delta = delta @ w.T
            delta *= a > 0
    return grads[::-1]
