"""StableHLO: the whole program, as `jax.export` serialises it, in a ZIP with its description.

It is what JAX computes, so activations and losses of the user's own are in it too. StableHLO has no text: a table comes as
the inputs that its columns become, and classes as their numbers.
"""

import contextlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from jaxmlp.export import facts
from jaxmlp.nn.losses import VALUES
from jaxmlp.nn.network import forward, outputs, predictions
from jaxmlp.run.answers import answer_names
from jaxmlp.training.model import Model

PROGRAM, DESCRIPTION = "program", "description.json"
LOCATIONS = "jax_traceback_in_locations_limit"  # of JAX's configuration
PLATFORMS = ("cpu", "cuda", "tpu")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time of a ZIP: the same model gives the same bytes


def write(model: Model) -> bytes:
    """The file of a model: a ZIP of the serialised program, and of what its inputs and outputs are."""
    wide = facts.input_dtype(model) == "float64"
    with jax.enable_x64(wide), _without_locations():
        (N,) = export.symbolic_shape("N")
        shape = (N, *model.preparation.input_shape)
        x = jax.ShapeDtypeStruct(shape, jnp.dtype(facts.input_dtype(model)))
        program = export.export(jax.jit(lambda x: _answers(model, x)), platforms=PLATFORMS)(x).serialize()
    preparation = model.preparation
    description = facts.description(model) | {"platforms": PLATFORMS, "jax": jax.__version__}
    if preparation.columns is not None:
        description["inputs"] = facts.input_names(preparation)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo(PROGRAM, EPOCH), bytes(program))
        archive.writestr(zipfile.ZipInfo(DESCRIPTION, EPOCH), json.dumps(description, indent=2, ensure_ascii=False))
    return content.getvalue()


@contextlib.contextmanager
def _without_locations() -> Iterator[None]:
    """Keep file names and lines of this machine out of the program: the same model gives the same bytes."""
    before = getattr(jax.config, LOCATIONS)
    jax.config.update(LOCATIONS, 0)
    try:
        yield
    finally:
        jax.config.update(LOCATIONS, before)


def _answers(model: Model, x: Any) -> dict[str, Any]:
    """What `answer_names` says, of examples as they came."""
    spec, kind = model.spec, model.preparation.kind
    logits = forward(spec, model.params, _prepared(model, x))
    answered = outputs(spec.network, logits)
    if facts.is_binary(model):
        answered = jnp.concatenate([1 - answered, answered], axis=1)
    names = answer_names(model)
    return {names[-2]: answered, names[-1]: logits} | ({} if kind == VALUES else {names[0]: predictions(logits, kind)})


def _prepared(model: Model, x: Any) -> Any:
    """Rows [N, D], normalised in the type of the inputs."""
    preparation = model.preparation
    x = x.reshape(x.shape[0], model.spec.inputs)
    if preparation.normalise == "per_image":
        low, high = x.min(axis=1, keepdims=True), x.max(axis=1, keepdims=True)
        x = (x - x.mean(axis=1, keepdims=True)) / jnp.where(low == high, jnp.inf, x.std(axis=1, keepdims=True))
    elif preparation.mean.size:
        mean, std = (jnp.asarray(array[None], x.dtype) for array in (preparation.mean, preparation.std))
        x = (x - mean) / std
    return x.astype(model.spec.training.dtype)


def runner(path: Path) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """What the program of a file gives for its input, by name."""
    with zipfile.ZipFile(path) as archive:
        program = export.deserialize(bytearray(archive.read(PROGRAM)))
    with jax.enable_x64(program.in_avals[0].dtype == np.float64):
        return lambda x: jax.tree.map(np.asarray, program.call(x))
