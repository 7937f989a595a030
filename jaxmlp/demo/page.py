"""The page: what it shows and what it refuses, joined from the templates into one file."""

import base64
import hashlib
import json
from typing import Any

import numpy as np

from jaxmlp import display
from jaxmlp.demo import columns, images
from jaxmlp.demo.numbers import packed
from jaxmlp.demo.source import Source
from jaxmlp.errors import UsageError, unknown
from jaxmlp.nn.activations import activation
from jaxmlp.nn.losses import CLASSES, VALUES, loss
from jaxmlp.run.answers import LINKS
from jaxmlp.training.model import Model
from jaxmlp.training.registering import replaced

AUTO = "auto"
NOTHING = Source()  # is known, of a model alone
ACTIVATIONS = ("identity", "sigmoid", "tanh", "relu", "arctan", "leaky_relu", "elu", "softplus", "silu", "gelu")
SCRIPTS = (
    "network",
    "painting",
    "framing",
    "drawing",
    "pictures",
    "image_page",
    "table_page",
    "answer",
    "hidden",
    "main",
)
MOST_PARAMETERS = 4_000_000  # 21 MB of a page
NORMALISED = {
    "per_image": "normalised by their own mean and deviation",
    "unit": "scaled to 1",
    "per_feature": "each normalised over the training images",
    "global": "normalised as all training images together",
    "none": "as they are",
}


def check(trained: Model, framing: str = AUTO) -> None:
    """Raise UsageError for a network that the page cannot run or show, and for a framing that is unknown or of no use."""
    network, shape = trained.spec.network, trained.preparation.input_shape
    for field, name in (("activation", network.activation), ("output_activation", network.output_activation)):
        if name not in ACTIVATIONS or name in replaced:
            raise UsageError(
                f"network.{field} {name!r} is registered by you, and the page knows {_listed(ACTIVATIONS)}"
            )
    if network.loss not in LINKS or network.loss in replaced:
        raise UsageError(f"network.loss {network.loss!r} is registered by you, and the page knows {_listed(LINKS)}")
    if framing not in (AUTO, *images.FRAMINGS):
        raise unknown("--framing", framing, (AUTO, *images.FRAMINGS))
    if (count := _parameters(trained)) > MOST_PARAMETERS:
        raise UsageError(
            f"the network has {count:,} parameters; a page holds at most {MOST_PARAMETERS:,}: take predict"
        )
    if len(shape) > 1:
        images.check(shape)
    elif framing != AUTO:
        raise UsageError(f"--framing {framing} is for images, and this network takes columns: leave it out")
    else:
        columns.check(trained.preparation)


def html(trained: Model, source: Source = NOTHING, examples: int = 0, framing: str = AUTO) -> str:
    """The page of a network that `check` has passed.

    Args:
        trained: The network.
        source: What is known of its run.
        examples: How many test images are put in.
        framing: How what is drawn is placed in the picture: one of `images.FRAMINGS`, or auto.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jaxmlp.demo"), autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    content, texts = _content(trained, source, examples, framing)
    script = "\n".join(_raw(environment, f"{name}.js") for name in SCRIPTS)
    style = _raw(environment, "style.css")
    return environment.get_template("page.html").render(
        texts,
        policy=f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; img-src data:;"
        " base-uri 'none'; form-action 'none'",
        script=Markup(script),
        style=Markup(style),
        content=Markup(json.dumps(content, allow_nan=False).replace("<", "\\u003c")),
    )


def description(trained: Model) -> dict[str, Any]:
    """The network as the page reads it: its weights in base64, in the precision they were trained in."""
    network, preparation = trained.spec.network, trained.preparation
    outputs = LINKS[network.loss]
    return {
        "activation": network.activation,
        "output_activation": network.output_activation,
        "outputs": "one_sigmoid" if preparation.kind == CLASSES and trained.spec.outputs == 1 else outputs,
        "normalise": preparation.normalise,
        "mean": packed(preparation.mean),
        "std": packed(preparation.std),
        "layers": [{"w": packed(np.asarray(w)), "b": packed(np.asarray(b))} for w, b in trained.params],
    }


def _content(trained: Model, source: Source, examples: int, framing: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the script reads, and what the template does."""
    network, preparation = trained.spec.network, trained.preparation
    of_images = len(preparation.input_shape) > 1
    names = images.class_names(preparation, source.key)
    image, text = None, {}
    if of_images:
        image = images.content(trained, source, names, examples, framing if framing != AUTO else None)
        text = images.texts(image)
    content = {
        "network": description(trained),
        "names": names,
        "kind": preparation.kind,
        "output_name": loss(network.loss).output_name,
        "activation": network.activation,
        "range": _range(trained, source),
        "target": "value" if len(names) > 1 or names == ["0"] else names[0],
        "image": image,
        "columns": None if of_images else columns.content(preparation, source.data),
    }
    dtype = trained.spec.training.dtype
    facts = [
        f"{display.sizes(trained.params)}, {network.activation}" if network.hidden else display.sizes(trained.params),
        network.loss.replace("_", " "),
        source.test_result("images" if of_images else "rows"),
    ]
    return content, {
        "title": text.get("title") or (f"A network trained on {source.key}" if source.name else "A trained network"),
        "facts": " · ".join(filter(None, facts)),
        "image": image and image | text,
        "columns_text": columns.TEXT,
        "normalised": NORMALISED[preparation.normalise],
        "has_hidden": bool(network.hidden),
        "parameters": f"{_parameters(trained):,}",
        "weights": dtype,
    }


def _range(trained: Model, source: Source) -> list[float] | None:
    """From where to where the bar of an output goes; None for no bar."""
    network = trained.spec.network
    if trained.preparation.kind == VALUES:
        return None
    if loss(network.loss).output_name == "probability":
        return [0.0, 1.0]
    return list(activation(network.output_activation).targets)


def _parameters(trained: Model) -> int:
    return sum(layer.w.size + layer.b.size for layer in trained.params)


def _raw(environment: Any, name: str) -> str:
    """A template as it stands: its braces are its own."""
    return environment.loader.get_source(environment, name)[0]


def _digest(text: str) -> str:
    """Of an inline script or style: the policy of the page allows this one alone."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _listed(names: Any) -> str:
    return ", ".join(names)
