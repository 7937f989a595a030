"""Flax NNX: the loop of its tutorials, a compiled step with the module cached, over minibatches in NumPy."""
# pyright: reportMissingImports=false

from itertools import pairwise

import jax
import numpy as np
import optax
from flax import nnx

from jaxmlp.bench.task import Contestant, Task, Weights


class Net(nnx.Module):
    """A multi-layer perceptron."""

    def __init__(self, task: Task) -> None:
        rngs = nnx.Rngs(0)
        self.layers = nnx.List([nnx.Linear(*sizes, rngs=rngs) for sizes in pairwise(task.sizes)])
        for layer, (w, b) in zip(self.layers, task.weights(), strict=True):
            layer.kernel[...], layer.bias[...] = w, b

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x))
        return self.layers[-1](x)


@nnx.jit
def train_step(model: Net, optimizer: nnx.Optimizer, x: jax.Array, labels: jax.Array) -> jax.Array:
    """One minibatch; the model and the optimizer are changed in place."""

    def loss(model: Net) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(model(x), labels).mean()

    value, grads = nnx.value_and_grad(loss)(model)
    optimizer.update(model, grads)
    return value


def loop(task: Task) -> Contestant:
    """A call a minibatch."""
    x, labels = task.data()
    labels, rng = labels.astype(np.int32), np.random.default_rng(0)
    rule = optax.sgd(task.step, task.momentum)

    def run() -> Weights:
        model = Net(task)
        step = nnx.cached_partial(train_step, model, nnx.Optimizer(model, rule, wrt=nnx.Param))
        for _ in range(task.epochs):
            order = rng.permutation(task.examples)
            for start in range(0, task.examples, task.batch):
                rows = order[start : start + task.batch]
                step(x[rows], labels[rows])
        return [(np.asarray(layer.kernel[...]), np.asarray(layer.bias[...])) for layer in model.layers]

    return Contestant(run, task.epochs)
