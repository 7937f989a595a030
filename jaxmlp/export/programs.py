"""NumPy and PyTorch: a short program as text, and its weights beside it."""

import io
import pprint
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

import jaxmlp
from jaxmlp.data.columns import Column
from jaxmlp.export import facts
from jaxmlp.nn.activations import LEAK
from jaxmlp.run.answers import EXP, SOFTMAX
from jaxmlp.training.model import Model

IN_NUMPY = {  # a of z: activations, and what makes outputs of logits
    "identity": "z",
    "sigmoid": "0.5 * (1 + np.tanh(0.5 * z))",
    "tanh": "np.tanh(z)",
    "relu": "np.maximum(z, 0)",
    "arctan": "np.arctan(z)",
    "leaky_relu": f"np.where(z >= 0, z, {LEAK} * z)",
    "elu": "np.where(z > 0, z, np.expm1(np.minimum(z, 0)))",
    "softplus": "np.logaddexp(z, 0)",
    "silu": "0.5 * z * (1 + np.tanh(0.5 * z))",
    "gelu": "0.5 * z * (1 + np.vectorize(math.erf, z.dtype.char)(z / math.sqrt(2)))",
    SOFTMAX: "softmax",  # two lines of the template
    EXP: "np.exp(z)",
}
IN_TORCH = {  # modules of nn.Sequential
    "identity": "nn.Identity()",
    "sigmoid": "nn.Sigmoid()",
    "tanh": "nn.Tanh()",
    "relu": "nn.ReLU()",
    "arctan": "Arctan()",
    "leaky_relu": f"nn.LeakyReLU({LEAK})",
    "elu": "nn.ELU()",
    "softplus": "nn.Softplus()",
    "silu": "nn.SiLU()",
    "gelu": "nn.GELU()",
    SOFTMAX: "nn.Softmax(dim=1)",
    EXP: "",  # a method of tensors
}
ARCTAN = """class Arctan(nn.Module):
    def forward(self, z):
        return torch.arctan(z)"""
HOW = {
    "per_image": ": each of mean 0 and deviation 1, or zeros where it is constant",
    "unit": ", over the largest magnitude",
    "per_feature": ": each input less its mean, over its deviation",
    "global": ": less the mean, over the deviation",
    "none": "",
}


def numpy_files(model: Model, file: str) -> dict[str, bytes]:
    """The program `file`, which predicts by NumPy alone, and its weights in an NPZ."""
    link = facts.link(model.spec.network)
    network = model.spec.network
    text = _render(
        "numpy.py.jinja", model, file, link=IN_NUMPY[link], activation=IN_NUMPY[network.activation],
        gelu="gelu" in (link, network.activation if network.hidden else ""),
    )  # fmt: skip
    return {file: text.encode(), str(Path(file).with_suffix(".npz")): _npz(_arrays(model))}


def torch_files(model: Model, file: str) -> dict[str, bytes]:
    """The program `file`, with the network as nn.Sequential, and its state_dict as safetensors."""
    link = facts.link(model.spec.network)
    network, preparation = model.spec.network, model.preparation
    used = (network.activation if network.hidden else "", link)
    text = _render(
        "torch.py.jinja", model, file,
        link="torch.exp(logits(x))" if link == EXP else f"{IN_TORCH[link]}(logits(x))",
        activation=IN_TORCH[network.activation], activation_module=ARCTAN if "arctan" in used else "",
        statistics=preparation.mean.size, sizes=list(zip(model.spec.sizes, model.spec.sizes[1:], strict=False)),
    )  # fmt: skip
    state = {}
    if preparation.mean.size:
        wide = np.dtype(facts.input_dtype(model))
        state = {"0.mean": preparation.mean.astype(wide), "0.std": preparation.std.astype(wide)}
    for index, (w, b) in enumerate(model.params):
        state |= {
            f"{2 * index + 1}.weight": np.ascontiguousarray(np.asarray(w).T),
            f"{2 * index + 1}.bias": np.asarray(b),
        }
    metadata = {"format": "pt"}
    return {
        file: text.encode(),
        str(Path(file).with_suffix(".safetensors")): safetensors.numpy.save(state, metadata),
    }


def _arrays(model: Model) -> dict[str, np.ndarray]:
    arrays = {}
    for index, layer in enumerate(model.params):
        arrays |= {f"w{index}": np.asarray(layer.w), f"b{index}": np.asarray(layer.b)}
    preparation = model.preparation
    return arrays | ({"mean": preparation.mean, "std": preparation.std} if preparation.mean.size else {})


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)  # pyright: ignore[reportArgumentType]
    return content.getvalue()


def _render(template: str, model: Model, file: str, **more: Any) -> str:
    import jinja2

    preparation, spec = model.preparation, model.spec
    columns = preparation.columns
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jaxmlp.export"),
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    stem = Path(file).stem
    module = stem if stem.isidentifier() else "module"
    shared = {
        "title": f"A network {facts.network_line(model)}, by jaxmlp {jaxmlp.__version__}",
        "file": _quoted(file),
        "stem": _quoted(stem),
        "module": module,
        "importing": f"import {stem}" if module == stem else f"{module} = importlib.import_module('{_quoted(stem)}')",
        "takes": _quoted(facts.takes(model)),
        "example": "rows.npy" if columns is None else "rows.csv",
        "said": facts.function_name(model),
        "kind": preparation.kind,
        "classes": _listed(preparation.classes),
        "columns": None if columns is None else [(repr(column.name), _entry(column)) for column in columns.columns],
        "marked": None if columns is None else repr([column.name for column in columns.columns if column.indicator]),
        "inputs": spec.inputs,
        "outputs": spec.outputs,
        "hidden": len(spec.network.hidden),
        "normalise": preparation.normalise,
        "how": HOW[preparation.normalise],
        "dtype": spec.training.dtype,
        "input_dtype": facts.input_dtype(model),
        "binary": facts.is_binary(model),
    }
    return environment.get_template(template).render(shared | more)


def _listed(classes: tuple[Any, ...]) -> str:
    """The classes as Python writes them, on lines of a readable length."""
    return pprint.pformat(list(classes), width=100, compact=True)


def _quoted(text: str) -> str:
    """Text that may stand in a docstring."""
    return text.replace("\\", "\\\\").replace('"', "'")


def _entry(column: Column) -> str:
    if column.categories is None:
        return repr((None, column.median))
    return repr((facts.spellings(column), len(column.categories)))
