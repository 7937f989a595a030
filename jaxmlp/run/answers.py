"""What a trained network says of examples that are prepared already."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxmlp.nn.losses import CLASSES, LABELS, VALUES, loss
from jaxmlp.training.model import Model, compiled_forward, compiled_outputs, compiled_predictions
from jaxmlp.training.precision import precision

SOFTMAX, SIGMOID, EXP, ACTIVATION = "softmax", "sigmoid", "exp", "activation"
LINKS = {  # what makes outputs of the logits, by loss; ACTIVATION is f of network.output_activation
    "softmax_cross_entropy": SOFTMAX,
    "smoothed_cross_entropy": SOFTMAX,
    "sigmoid_cross_entropy": SIGMOID,
    "squared_error": ACTIVATION,
    "huber": ACTIVATION,
    "quantile": ACTIVATION,
    "poisson": EXP,
}


class Answers(NamedTuple):
    """The outputs of examples, and what is predicted by them, as NumPy."""

    outputs: np.ndarray  # [N, K]: probabilities, or as the loss has them
    predicted: np.ndarray  # class numbers [N], labels of 0 and 1 [N, K], or values [N, K]

    @classmethod
    def of(cls, trained: Model, x: ArrayLike) -> "Answers":
        """Of the examples x [N, D], normalised."""
        with precision(trained.spec.training):
            inputs = jnp.asarray(x, trained.spec.training.dtype)
            logits = compiled_forward(trained.spec, trained.params, inputs)
            said, kind = np.asarray(compiled_outputs(trained.spec.network, logits)), trained.preparation.kind
            return cls(said, said if kind == VALUES else np.asarray(compiled_predictions(logits, kind)))

    def of_classes(self) -> np.ndarray:
        """The output of every class [N, K]; of a single one, which is that of class 1, what it leaves to class 0 [N, 2]."""
        p = self.outputs
        return np.concatenate([1 - p, p], axis=1) if p.shape[1] == 1 else p


def said(trained: Model) -> str:
    """The name of what it says: probabilities, values, or outputs, which are neither."""
    if trained.preparation.kind == VALUES:
        return "values"
    return "probabilities" if loss(trained.spec.network.loss).output_name == "probability" else "outputs"


def answer_names(trained: Model) -> tuple[str, ...]:
    """What it gives in other programs, in order: label or labels where there are some, what it says, and the logits."""
    labels = {CLASSES: ("label",), LABELS: ("labels",)}
    return (*labels.get(trained.preparation.kind, ()), said(trained), "logits")
