"""Keras on JAX: `fit` with several steps in one compiled call."""
# pyright: reportMissingImports=false

import keras

from jaxmlp.bench.task import Contestant, Task, Weights

STEPS = 32  # in a call: more take longer to compile


def fit(task: Task) -> Contestant:
    """Compiled once; the weights and the optimizer begin anew in each run."""
    x, labels = task.data()
    hidden = [keras.layers.Dense(units, activation="relu") for units in task.hidden]
    model = keras.Sequential([keras.Input((task.inputs,)), *hidden, keras.layers.Dense(task.outputs)])
    model.compile(
        optimizer=keras.optimizers.SGD(task.step, momentum=task.momentum),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=min(STEPS, max(task.examples // task.batch, 1)),
    )
    first = [part for layer in task.weights() for part in layer]
    model.optimizer.build(model.trainable_variables)
    untouched = [variable.numpy() for variable in model.optimizer.variables]

    def run() -> Weights:
        model.set_weights(first)
        for variable, value in zip(model.optimizer.variables, untouched, strict=True):
            variable.assign(value)
        model.fit(x, labels, batch_size=task.batch, epochs=task.epochs, verbose=0)
        parts = model.get_weights()
        return list(zip(parts[::2], parts[1::2], strict=True))

    return Contestant(run, task.epochs)
