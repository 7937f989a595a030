"""Equinox: the loop of its examples, a filter_jit step over minibatches in NumPy."""
# pyright: reportMissingImports=false

from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax

from jaxmlp.bench.task import Contestant, Task, Weights


class Net(eqx.Module):
    """A multi-layer perceptron; its layers may have different widths."""

    layers: list[eqx.nn.Linear]

    def __init__(self, task: Task) -> None:
        self.layers = []
        for w, b in task.weights():
            linear = eqx.nn.Linear(*w.shape, key=jax.random.key(0))
            parts = jax.numpy.asarray(w.T), jax.numpy.asarray(b)
            self.layers.append(eqx.tree_at(lambda layer: (layer.weight, layer.bias), linear, parts))

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        return self.layers[-1](x)


def loop(task: Task) -> Contestant:
    """A call a minibatch."""
    x, labels = task.data()
    labels, rng = labels.astype(np.int32), np.random.default_rng(0)
    rule = optax.sgd(task.step, task.momentum)

    @eqx.filter_value_and_grad
    def loss(model: Net, x: Any, labels: Any) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(jax.vmap(model)(x), labels).mean()

    @eqx.filter_jit
    def train_step(model: Net, state: optax.OptState, x: Any, labels: Any):
        value, grads = loss(model, x, labels)
        updates, state = rule.update(grads, state, eqx.filter(model, eqx.is_inexact_array))
        return eqx.apply_updates(model, updates), state, value

    def run() -> Weights:
        model = Net(task)
        state = rule.init(eqx.filter(model, eqx.is_inexact_array))
        for _ in range(task.epochs):
            order = rng.permutation(task.examples)
            for start in range(0, task.examples, task.batch):
                rows = order[start : start + task.batch]
                model, state, _ = train_step(model, state, x[rows], labels[rows])
        return [(np.asarray(layer.weight).T, np.asarray(layer.bias)) for layer in model.layers]

    return Contestant(run, task.epochs)
