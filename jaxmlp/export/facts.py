"""What every format says of a network: what it takes, what it gives, and how its outputs come of the logits."""

from typing import Any

import numpy as np

import jaxmlp
from jaxmlp import display
from jaxmlp.data.columns import SPELT, Column
from jaxmlp.data.preparing import Preparation
from jaxmlp.errors import UsageError
from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.nn.losses import CLASSES
from jaxmlp.run.answers import ACTIVATION, LINKS, answer_names, said
from jaxmlp.spec import Network
from jaxmlp.training.model import Model
from jaxmlp.training.registering import replaced

BUILT_IN = frozenset(ACTIVATIONS)  # before anything was registered


def link(network: Network) -> str:
    """What makes outputs of the logits: softmax, sigmoid, exp, or the name of an activation.

    Raises UsageError where the network has an activation or a loss of the user's own, which exists in JAX alone.
    """
    of_loss = LINKS.get(network.loss)
    activations = [("activation", network.activation)]
    activations += [("output_activation", network.output_activation)] if of_loss == ACTIVATION else []
    unknown = [(key, name) for key, name in activations if name not in BUILT_IN or name in replaced]
    unknown += [("loss", network.loss)] if of_loss is None or network.loss in replaced else []
    if unknown:
        key, name = unknown[0]
        raise UsageError(
            f"network.{key} {name!r} is registered by you, and exists in JAX alone: take --format stablehlo"
        )
    return network.output_activation if of_loss == ACTIVATION else str(of_loss)


def input_dtype(model: Model) -> str:
    """The type of the numbers that an exported network takes: float64 where float32 might not tell them apart."""
    preparation = model.preparation
    is_wide = preparation.columns is not None or preparation.mean.dtype == np.float64
    return "float64" if is_wide or model.spec.training.dtype == "float64" else "float32"


def function_name(model: Model) -> str:
    """The function of an exported program that says it."""
    return "predict_proba" if said(model) == "probabilities" else said(model)


def answers(model: Model, x: Any) -> np.ndarray:
    """What `said` names, of examples as they came."""
    return model.predict_proba(x) if said(model) == "probabilities" else model.outputs(x)


def is_binary(model: Model) -> bool:
    """Whether one logit tells two classes apart: the probabilities are 1 - p and p."""
    return model.preparation.kind == CLASSES and model.spec.outputs == 1


def spellings(column: Column) -> dict[str, int]:
    """Every text that stands for a category, and the number of its input within the column."""
    assert column.categories is not None
    of_truths = set(column.categories) <= SPELT.keys()
    return {word: k for k, name in enumerate(column.categories) for word in (SPELT[name] if of_truths else (name,))}


def missing_text(column: Column) -> str:
    """The text that stands for a missing category: empty, where that is no category itself."""
    known, text = spellings(column), ""
    while text in known:
        text += "?"
    return text


def input_names(preparation: Preparation) -> list[str]:
    """The D inputs that the columns of a table become: size, city=Rome, city is missing."""
    assert preparation.columns is not None
    names: list[str] = []
    for column in preparation.columns.columns:
        categories = column.categories
        names += [column.name] if categories is None else [f"{column.name}={category}" for category in categories]
        names += [f"{column.name} is missing"] * column.indicator
    return names


def takes(model: Model) -> str:
    """What the network takes, in a few words: images [N, 28, 28], rows [N, 13], or a table and its columns."""
    preparation = model.preparation
    if preparation.columns is not None:
        names = [column.name for column in preparation.columns.columns]
        return f"the columns of a table ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})"
    noun = "images" if len(preparation.input_shape) > 1 else "rows"
    return f"{noun} [{', '.join(map(str, ('N', *preparation.input_shape)))}]"


def network_line(model: Model) -> str:
    """784-128-10, relu, softmax_cross_entropy."""
    network = model.spec.network
    return f"{display.sizes(model.params)}, {network.activation}, {network.loss}"


def description(model: Model) -> dict[str, Any]:
    """All that a reader of an exported file might ask, as JSON has it."""
    preparation, network = model.preparation, model.spec.network
    columns = preparation.columns
    return {
        "made_by": f"jaxmlp {jaxmlp.__version__}",
        "network": network_line(model),
        "kind": preparation.kind,
        "classes": list(preparation.classes),
        "output_activation": network.output_activation,
        "normalise": preparation.normalise,
        "input": {"shape": ["N", *preparation.input_shape], "dtype": input_dtype(model)},
        "columns": None if columns is None else columns.to_json(),
        "gives": list(answer_names(model)),
    }
