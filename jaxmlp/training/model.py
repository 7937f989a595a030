"""A trained network that predicts, and its file: weights, and all it takes to treat new examples like those of training."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxmlp import display
from jaxmlp.data import inputs
from jaxmlp.data.preparing import Preparation
from jaxmlp.data.targets import as_kind, number
from jaxmlp.errors import DataError, UsageError
from jaxmlp.fields import shown
from jaxmlp.nn.losses import CLASSES, VALUES, kind_of_targets, loss
from jaxmlp.nn.network import Params, check_shapes, forward, outputs, predictions
from jaxmlp.spec import Examples, Spec, Splits
from jaxmlp.training import model_file
from jaxmlp.training.evaluation import Sums, metrics
from jaxmlp.training.precision import precision

compiled_forward = jax.jit(forward, static_argnums=0)
compiled_outputs = jax.jit(outputs, static_argnums=0)
compiled_predictions = jax.jit(predictions, static_argnums=1)


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A trained network, and how the examples it takes are prepared. Raises UsageError where these do not fit together.

    Example:
        model = jaxmlp.fit(spec, hyper, splits, preparation=preparation).model
        model.predict(X)  # X as it came, not normalised
        model.save("iris.safetensors")  # jaxmlp.load("iris.safetensors") is the same model
    """

    spec: Spec
    params: Params
    preparation: Preparation

    def __post_init__(self) -> None:
        check_shapes(self.spec, self.params)
        model_file.check_preparation(self.spec, self.preparation)

    def __repr__(self) -> str:
        facts = "\n".join(f"  {name}: {value}" for name, value in self._facts())
        return f"Model(\n{facts}\n)"

    def _repr_html_(self) -> str:
        return display.table("Model", (), self._facts())

    def _facts(self) -> list[tuple[str, str]]:
        network, preparation = self.spec.network, self.preparation
        count = sum(layer.w.size + layer.b.size for layer in self.params)
        return [
            ("units", f"{display.sizes(self.params)} ({network.activation}, {network.loss}), {count:,} parameters"),
            ("inputs", f"{list(preparation.input_shape)}, normalised {preparation.normalise}"),
            (preparation.kind, display.summary(preparation.classes)),
        ]

    def logits(self, X: Any) -> np.ndarray:
        """The pre-activations of the output layer [N, K] for examples [N, *input_shape], or the rows of a table."""
        preparation = self.preparation
        x = preparation.apply(X)  # [N, D]
        if preparation.columns is None and preparation.normalise == "none":
            rows = X if isinstance(X, np.ndarray) else inputs.as_rows(X, "rows")
            x = rows.reshape(x.shape)  # as it is, in float64 too
        with precision(self.spec.training):
            return np.asarray(compiled_forward(self.spec, self.params, jnp.asarray(x, self.spec.training.dtype)))

    def outputs(self, X: Any) -> np.ndarray:
        """What the network says [N, K], as its loss has it: probabilities softmax(z) or sigmoid(z), exp(z), or f(z)."""
        with precision(self.spec.training):
            return np.asarray(compiled_outputs(self.spec.network, jnp.asarray(self.logits(X))))

    def predict(self, X: Any) -> np.ndarray:
        """The label of each example [N]; its labels [N, K], 1 for those it has; or its values [N, K], of one output [N].

        Raises DataError for examples of another shape than the model was trained on.
        """
        preparation = self.preparation
        if preparation.kind == VALUES:
            values = self.outputs(X)
            return values[:, 0] if self.spec.outputs == 1 else values
        predicted = np.asarray(compiled_predictions(jnp.asarray(self.logits(X)), preparation.kind))
        return np.asarray(preparation.classes)[predicted] if preparation.kind == CLASSES else predicted

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class or label [N, K]; of two classes with a single output [N, 2].

        Raises UsageError where the loss makes no probabilities of the outputs, as of values.
        """
        name = self.spec.network.loss
        if loss(name).output_name != "probability":
            raise UsageError(
                f"predict_proba: network.loss {name!r} gives {self.preparation.kind} no probabilities; take predict or"
                " outputs, or train with a cross-entropy"
            )
        p = self.outputs(X)
        is_binary = self.preparation.kind == CLASSES and self.spec.outputs == 1
        return np.concatenate([1 - p, p], axis=1) if is_binary else p

    def score(self, X: Any, y: Any) -> float:
        """The share of the examples whose label, or all of whose labels, are predicted; of values R2, the mean over outputs.

        Raises DataError for `y` of another shape than `predict` gives, and for labels that no training example had.
        """
        predicted, (y, _) = self.predict(X), inputs.as_targets(y, "y")
        if self.preparation.kind == VALUES:
            predicted = predicted.reshape(len(predicted), -1)
            y = y[:, None] if y.ndim == 1 else y
        if not y.size or y.shape != predicted.shape:
            raise DataError(
                f"y has the shape {list(y.shape)}; accepted is {list(predicted.shape)}, with an example or more"
            )
        if self.preparation.kind == VALUES:
            return self._r2(predicted, y)
        if y.dtype.kind not in ("OSU" if predicted.dtype.kind == "U" else "Obiuf"):
            raise DataError(f"y has the type {y.dtype}; accepted are labels like {shown(predicted.flat[0].item())}")
        if self.preparation.kind == CLASSES:
            number(as_kind(y, CLASSES, "y"), np.asarray(self.preparation.classes), "y: classes")
        right = y == predicted
        return float(np.mean(right if right.ndim == 1 else right.all(axis=1)))

    def _r2(self, predicted: np.ndarray, y: np.ndarray) -> float:
        with precision(self.spec.training):
            t = jnp.asarray(y, self.spec.training.dtype)  # [N, K]
            errors = t - jnp.asarray(predicted)
            sums = Sums(errors.sum(), squared=jnp.sum(errors**2, axis=0), absolute=jnp.sum(jnp.abs(errors), axis=0))
            r2 = metrics(Examples(t, t), sums).r2
            assert r2 is not None
            return float(r2)

    def save(self, path: str | Path) -> None:
        """Write the model to a safetensors file, whole or not at all: `jaxmlp.load` gives it back, to the bit.

        Raises UsageError for a folder, and RunError where the disk refuses.
        """
        if Path(path).is_dir():
            raise UsageError(f"{path} is a folder; give the name of a file, such as {Path(path) / 'model.safetensors'}")
        model_file.write(Path(path), self.spec, self.params, self.preparation)


def as_it_is(spec: Spec, targets: ArrayLike) -> Preparation:
    """The preparation of examples that are [N, D] already: x goes in unchanged, classes are 0 to K-1."""
    kind, nothing = kind_of_targets(loss(spec.network.loss), targets), np.zeros(0, np.float32)
    names = tuple(range(max(spec.outputs, 2) if kind == CLASSES else spec.outputs))
    return Preparation("none", nothing, nothing, names, (spec.inputs,), kind)


def checked_preparation(spec: Spec, splits: Splits, preparation: Any) -> Preparation:
    """How the examples were prepared; None stands for: not at all. Raises UsageError for one that they do not come from."""
    own = as_it_is(spec, splits.train.targets)
    if preparation is None:
        return own
    if not isinstance(preparation, Preparation):
        raise UsageError(
            f"preparation is a {type(preparation).__name__}; accepted is that of splits_from or prepare, or None"
        )
    model_file.check_preparation(spec, preparation)
    if preparation.kind != own.kind:
        raise UsageError(
            f"preparation is of {preparation.kind}, splits.train.targets are {own.kind}; accepted is one kind"
        )
    return preparation
