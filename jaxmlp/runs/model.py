"""A trained network as one file: weights, and all it takes to predict with them."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp import display
from jaxmlp.data.columns import Columns
from jaxmlp.data.preparing import NORMALISATIONS, Preparation
from jaxmlp.errors import RunError, UsageError, line_of
from jaxmlp.nn.losses import CLASSES, LABELS, VALUES
from jaxmlp.nn.network import Layer, Params, forward, outputs, predictions
from jaxmlp.runs import sealed
from jaxmlp.runs.directory import CONFIG, ENVIRONMENT, RUN, identity_of
from jaxmlp.runs.identity import Identity
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.text import short_path, typed
from jaxmlp.training.validation import check

FILE = "model.safetensors"


class Model(NamedTuple):
    """A trained network, and how the examples it takes are prepared."""

    spec: Spec
    params: Params
    preparation: Preparation

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

    def logits(self, images: np.ndarray) -> np.ndarray:
        """The pre-activations of the output layer [N, K] for images [N, *input_shape], not normalised."""
        return np.asarray(compiled_forward(self.spec, self.params, jnp.asarray(self.preparation.apply(images))))

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """The outputs for each class [N, K], as the loss has them: probabilities softmax(z), or f(z)."""
        return np.asarray(outputs(self.spec.network, jnp.asarray(self.logits(images))))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The label of each image [N]. Raises DataError for images of another shape than the model was trained on."""
        return np.asarray(self.preparation.classes)[np.asarray(predictions(jnp.asarray(self.logits(images))))]


compiled_forward = jax.jit(forward, static_argnums=0)


def save(path: Path, model: Model, identity: Identity | None = None) -> None:
    """Write `model.safetensors`: tensors w0, b0, w1, ... and the description as JSON in its metadata.

    With the digest of the `identity` of the run that it belongs to.
    """
    tensors = {"mean": model.preparation.mean, "deviation": model.preparation.std}
    for index, layer in enumerate(model.params):
        tensors |= {f"w{index}": np.asarray(layer.w), f"b{index}": np.asarray(layer.b)}
    columns = model.preparation.columns
    description = {
        "network": asdict(model.spec.network),
        "matmul_precision": model.spec.training.matmul_precision,
        "normalise": model.preparation.normalise,
        "classes": list(model.preparation.classes),
        "kind": model.preparation.kind,
        "input_shape": list(model.preparation.input_shape),
        "columns": None if columns is None else columns.to_json(),
    }
    mark = {} if identity is None else {"run": identity.digest}
    sealed.save_tensors(path / FILE, tensors, {"model": json.dumps(description)} | mark)


def load(run: str | Path) -> Model:
    """The model of a run directory, or of its model.safetensors.

    Raises RunError if there is none or its file is damaged, and UsageError where it is in a folder below.

    Example:
        model = jaxmlp.load("runs/mine")
        model.predict(images)  # [N, *input_shape], not normalised
    """
    path = Path(run) / FILE if Path(run).is_dir() else Path(run)
    if not path.is_file():
        below = sorted(Path(run).glob(f"*/{FILE}"))
        if below:
            raise UsageError(f"{run} holds no model itself; take {below[0].parent}")
        raise RunError(
            f"{path} does not exist; give the directory of a run that has ended (or resume it with --resume)"
        )
    tensors, metadata = sealed.load_tensors(path, f"bring a copy back, or {_again(path.parent)}")
    of_run = identity_of(path.parent) if Path(run).is_dir() else None
    if of_run is not None and metadata.get("run") != of_run.digest:
        raise RunError(
            f"{path} belongs to another run than {ENVIRONMENT} beside it; remove it, and {_again(path.parent)}"
        )
    try:
        description = json.loads(metadata["model"])
        network = Network(**description["network"] | {"hidden": tuple(description["network"]["hidden"])})
        layers = len(network.hidden) + 1
        params = tuple(Layer(jnp.asarray(tensors[f"w{i}"]), jnp.asarray(tensors[f"b{i}"])) for i in range(layers))
        preparation = _preparation(description, tensors)
        training = Training(matmul_precision=description["matmul_precision"])
        inputs = math.prod(preparation.input_shape)
        spec = Spec(network, training, inputs=inputs, outputs=preparation.outputs)
        check(spec, Hyper())
        contradiction = _contradiction(spec, params, preparation, len(tensors))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        what = line_of(error, named=True)
        raise RunError(f"{path} is not a model of this version of jaxmlp ({what}); train it again") from None
    if contradiction:
        raise RunError(f"{path} contradicts itself: {contradiction}; train it again")
    return Model(spec, params, preparation)


def _preparation(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> Preparation:
    """How examples are prepared, as a file describes it. Raises KeyError, TypeError or ValueError where it does not."""
    before = "image_shape" in description  # of a version that knew images and classes alone
    columns = None if before else description["columns"]
    return Preparation(
        description["normalise"],
        tensors["mean"],
        tensors["deviation"],
        tuple(description["classes"]),
        tuple(description["image_shape" if before else "input_shape"]),
        CLASSES if before else description["kind"],
        None if columns is None else Columns.from_json(columns),
    )


def _again(folder: Path) -> str:
    """How to write the model of a run again: by the command, where that can."""
    try:
        RUN.check(folder)
    except UsageError:
        return "train it again"
    if not (folder / CONFIG).exists():
        return "train it again"
    return f"write it again by {typed('train', '--out', short_path(folder), '--resume')}"


def _contradiction(spec: Spec, params: Params, preparation: Preparation, tensors: int) -> str | None:
    """What in a model does not fit together; None where all does."""
    classes, shape, sizes = preparation.classes, preparation.input_shape, spec.sizes
    kinds = {type(label) for label in classes}
    if preparation.kind not in (CLASSES, LABELS, VALUES):
        return f"its targets are {preparation.kind!r}"
    least = 2 if preparation.kind == CLASSES else 1
    if len(kinds) != 1 or not kinds <= {int, str} or len(set(classes)) != len(classes) or len(classes) < least:
        return f"its classes are {display.summary(classes)}, where different numbers, or different names, are expected"
    if preparation.columns is not None and (preparation.columns.inputs,) != shape:
        return f"its columns make {preparation.columns.inputs} inputs, and its inputs have the shape {list(shape)}"
    if not shape or not all(type(length) is int and length > 0 for length in shape):
        return f"its inputs have the shape {list(shape)}"
    if tensors != 2 * len(params) + 2:
        return f"it has {tensors} tensors, where {2 * len(params) + 2} are expected"
    for number, (layer, D, K) in enumerate(zip(params, sizes, sizes[1:], strict=False)):
        if layer.w.shape != (D, K) or layer.b.shape != (K,):
            shapes = f"{list(layer.w.shape)} and {list(layer.b.shape)}"
            return f"layer {number} is {shapes}, where [{D}, {K}] and [{K}] are expected"
        if layer.w.dtype != jnp.float32 or layer.b.dtype != jnp.float32:
            return f"layer {number} is {layer.w.dtype}, where float32 is expected"
    lengths = {"per_feature": sizes[0], "global": 1, "unit": 1}
    if preparation.normalise not in NORMALISATIONS:
        return f"its normalisation is {preparation.normalise!r}"
    length = lengths.get(preparation.normalise, 0)
    if preparation.mean.shape != (length,) or preparation.std.shape != (length,):
        return f"means and deviations have the shapes {preparation.mean.shape} and {preparation.std.shape}"
    if not (np.isfinite(preparation.mean).all() and np.isfinite(preparation.std).all() and (preparation.std > 0).all()):
        return "its means are not finite, or its deviations not above 0"
    return None
