"""The file of a model: tensors w0, b0, w1, ..., and as JSON in its metadata what the network is, and what its inputs are."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmlp import display, tensors
from jaxmlp.data.columns import Columns
from jaxmlp.data.normalising import NORMALISATIONS
from jaxmlp.data.preparing import Preparation
from jaxmlp.errors import RunError, UsageError, line_of
from jaxmlp.nn.losses import CLASSES, LABELS, VALUES, loss
from jaxmlp.nn.network import Layer, Params
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.training.precision import precision
from jaxmlp.training.validation import check

Parts = tuple[Spec, Params, Preparation]


def write(path: Path, spec: Spec, params: Params, preparation: Preparation, mark: dict[str, str] | None = None) -> None:
    """Write the parts of a model; `mark` goes into the metadata, such as the run that it belongs to."""
    arrays = {"mean": preparation.mean, "deviation": preparation.std}
    for index, layer in enumerate(params):
        arrays |= {f"w{index}": np.asarray(layer.w), f"b{index}": np.asarray(layer.b)}
    columns = preparation.columns
    description = {
        "network": asdict(spec.network),
        "training": asdict(spec.training),
        "outputs": spec.outputs,
        "normalise": preparation.normalise,
        "classes": list(preparation.classes),
        "kind": preparation.kind,
        "input_shape": list(preparation.input_shape),
        "columns": None if columns is None else columns.to_json(),
    }
    tensors.save(path, arrays, {"model": json.dumps(description)} | (mark or {}))


def read(path: Path, way_out: str = "bring a copy back, or train it again") -> tuple[Parts, dict[str, str]]:
    """The parts of a model as `write` left them, and the metadata.

    Raises RunError if the file is damaged, which `way_out` says what to do about, or holds no model.
    """
    arrays, metadata = tensors.load(path, way_out)
    try:
        spec, params, preparation = _parts(json.loads(metadata["model"]), arrays)
        check(spec, Hyper())
        contradiction = _contradiction(spec, params, preparation, len(arrays))
        if not contradiction:
            check_preparation(spec, preparation)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        what = line_of(error, named=True)
        raise RunError(f"{path} is not a model of this version of jaxmlp ({what}); train it again") from None
    if contradiction:
        raise RunError(f"{path} contradicts itself: {contradiction}; train it again")
    return (spec, params, preparation), metadata


def check_preparation(spec: Spec, preparation: Preparation) -> None:
    """Raise UsageError if prepared examples, or what the outputs stand for, do not fit the spec."""
    D, K = math.prod(preparation.input_shape), len(preparation.classes)
    if spec.inputs != D:
        shape = list(preparation.input_shape)
        raise UsageError(f"spec.inputs is {spec.inputs}, where a preparation of inputs {shape} makes {D}: inputs={D}")
    kind, learns = preparation.kind, loss(spec.network.loss).learns
    if kind not in learns:
        raise UsageError(
            f"preparation is of {kind}; network.loss {spec.network.loss!r} learns {' or '.join(learns)}: take another loss"
        )
    is_binary = kind == CLASSES and K == 2 and LABELS in learns
    if spec.outputs not in ({1, 2} if is_binary else {K}):
        raise UsageError(f"spec.outputs is {spec.outputs}, where the preparation has {K} {kind}: take outputs={K}")


def _parts(description: dict[str, Any], arrays: dict[str, np.ndarray]) -> Parts:
    """What a file describes. Raises KeyError, TypeError or ValueError where it describes no model."""
    before = "image_shape" in description  # of a version that knew images and classes alone
    columns = None if before else description["columns"]
    preparation = Preparation(
        description["normalise"],
        arrays["mean"],
        arrays["deviation"],
        tuple(description["classes"]),
        tuple(description["image_shape" if before else "input_shape"]),
        CLASSES if before else description["kind"],
        None if columns is None else Columns.from_json(columns),
    )
    network = Network(**description["network"] | {"hidden": tuple(description["network"]["hidden"])})
    precision_alone = {"matmul_precision": description["matmul_precision"]} if before else {}
    training = Training(**precision_alone) if before else Training(**description["training"])
    outputs = len(preparation.classes) if before else description["outputs"]
    spec = Spec(network, training, inputs=math.prod(preparation.input_shape), outputs=outputs)
    with precision(training):
        params = tuple(
            Layer(jnp.asarray(arrays[f"w{i}"]), jnp.asarray(arrays[f"b{i}"])) for i in range(len(network.hidden) + 1)
        )
    return spec, params, preparation


def _contradiction(spec: Spec, params: Params, preparation: Preparation, tensors: int) -> str | None:
    """What in a model does not fit together; None where all does."""
    classes, shape, sizes = preparation.classes, preparation.input_shape, spec.sizes
    kinds = {type(label) for label in classes}
    if preparation.kind not in (CLASSES, LABELS, VALUES):
        return f"its targets are {preparation.kind!r}"
    least = 2 if preparation.kind == CLASSES else 1
    if len(kinds) != 1 or not kinds <= {int, bool, str} or len(set(classes)) != len(classes) or len(classes) < least:
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
        if layer.w.dtype != spec.training.dtype or layer.b.dtype != spec.training.dtype:
            return f"layer {number} is {layer.w.dtype}, where {spec.training.dtype} is expected"
    lengths = {"per_feature": sizes[0], "global": 1, "unit": 1}
    if preparation.normalise not in NORMALISATIONS:
        return f"its normalisation is {preparation.normalise!r}"
    length = lengths.get(preparation.normalise, 0)
    if preparation.mean.shape != (length,) or preparation.std.shape != (length,):
        return f"means and deviations have the shapes {preparation.mean.shape} and {preparation.std.shape}"
    if not (np.isfinite(preparation.mean).all() and np.isfinite(preparation.std).all() and (preparation.std > 0).all()):
        return "its means are not finite, or its deviations not above 0"
    return None
