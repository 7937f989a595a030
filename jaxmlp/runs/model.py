"""A trained network as one file: weights, and all it takes to predict with them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp import display
from jaxmlp.data.preparing import Preparation
from jaxmlp.errors import RunError, UsageError
from jaxmlp.nn.network import Layer, Params, forward, outputs, predictions
from jaxmlp.runs import checkpoints
from jaxmlp.spec import Network, Spec, Training

FILE = "model.safetensors"


class Model(NamedTuple):
    """A trained network, and how the images it takes are prepared."""

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
            ("inputs", f"{list(preparation.image_shape)}, normalised {preparation.normalise}"),
            ("classes", display.summary(preparation.classes)),
        ]

    def logits(self, images: np.ndarray) -> np.ndarray:
        """The pre-activations of the output layer [N, K] for images [N, *image_shape], not normalised."""
        return np.asarray(compiled_forward(self.spec, self.params, jnp.asarray(self.preparation.apply(images))))

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """The outputs for each class [N, K]: probabilities, or under squared error f(z)."""
        return np.asarray(outputs(self.spec.network, jnp.asarray(self.logits(images))))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The label of each image [N]. Raises DataError for images of another shape than the model was trained on."""
        return np.asarray(self.preparation.classes)[np.asarray(predictions(jnp.asarray(self.logits(images))))]


compiled_forward = jax.jit(forward, static_argnums=0)


def save(run: Path, model: Model) -> None:
    """Write `model.safetensors`: tensors w0, b0, w1, ... and the description as JSON in its metadata."""
    tensors = {"mean": model.preparation.mean, "deviation": model.preparation.std}
    for index, layer in enumerate(model.params):
        tensors |= {f"w{index}": np.asarray(layer.w), f"b{index}": np.asarray(layer.b)}
    description = {
        "network": asdict(model.spec.network),
        "matmul_precision": model.spec.training.matmul_precision,
        "normalise": model.preparation.normalise,
        "classes": list(model.preparation.classes),
        "image_shape": list(model.preparation.image_shape),
    }
    checkpoints.save_tensors(run / FILE, tensors, {"model": json.dumps(description)})


def load(run: str | Path) -> Model:
    """The model of a run directory, or of its model.safetensors.

    Raises RunError if there is none or its file is damaged, and UsageError where it is in a folder below.

    Example:
        model = jaxmlp.load("runs/mine")
        model.predict(images)  # [N, *image_shape], not normalised
    """
    path = Path(run) / FILE if Path(run).is_dir() else Path(run)
    if not path.is_file():
        below = sorted(Path(run).glob(f"*/{FILE}"))
        if below:
            raise UsageError(f"{run} holds no model itself; take {below[0].parent}")
        raise RunError(
            f"{path} does not exist; give the directory of a run that has ended (or resume it with --resume)"
        )
    tensors, metadata = checkpoints.load_tensors(path)
    try:
        description = json.loads(metadata["model"])
        network = Network(**description["network"] | {"hidden": tuple(description["network"]["hidden"])})
        layers = len(network.hidden) + 1
        params = tuple(Layer(jnp.asarray(tensors[f"w{i}"]), jnp.asarray(tensors[f"b{i}"])) for i in range(layers))
        preparation = Preparation(
            description["normalise"],
            tensors["mean"],
            tensors["deviation"],
            tuple(description["classes"]),
            tuple(description["image_shape"]),
        )
        training = Training(matmul_precision=description["matmul_precision"])
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise RunError(f"{path} is not a model of this version of jaxmlp ({error!r}); train it again") from None
    spec = Spec(network, training, inputs=params[0].w.shape[0], classes=len(preparation.classes))
    return Model(spec, params, preparation)
