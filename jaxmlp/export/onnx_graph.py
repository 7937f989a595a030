"""ONNX: the network and the preparation of its inputs as one graph, written node by node.

The graph is written with `onnx.helper`. A converter of JAX programs (jax2onnx; jax2tf with tf2onnx) has to follow every
version of JAX, and cannot write what JAX does not compute: the columns of a table, whose text becomes one-hot inputs. The
network is a handful of nodes, and each activation a line of the table below; tests compare all with `Model`.
It computes in float32, as runtimes have few kernels for float64; only the normalisation of wide numbers is in float64.
"""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxmlp.data.columns import Column, Columns
from jaxmlp.errors import UsageError
from jaxmlp.export import facts
from jaxmlp.nn.activations import LEAK
from jaxmlp.run.answers import EXP, SOFTMAX, answer_names
from jaxmlp.training.model import Model

OPSET, ML_OPSET, IR = 19, 3, 9  # the lowest that compare text


class Graph:
    """Nodes and constants as they are added, each result under a name of its own."""

    def __init__(self, taken: set[str]) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._taken = taken

    def name(self, wanted: str) -> str:
        """The wanted name, or one near to it that is free."""
        name, number = wanted, 1
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name

    def add(self, op: str, *inputs: Any, named: str = "", **attributes: Any) -> str:
        """A node; inputs are names, or arrays that become constants. Returns the name of its result."""
        from onnx import helper

        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        result = self.name(named or op.lower())
        self.nodes.append(helper.make_node(op, names, [result], **attributes))
        return result

    def constant(self, array: np.ndarray) -> str:
        """A constant; text is kept as UTF-8."""
        from onnx import TensorProto, helper, numpy_helper

        name = self.name("constant")
        if array.dtype.kind == "U":
            words = [word.encode() for word in array.ravel().tolist()]
            self.constants.append(helper.make_tensor(name, TensorProto.STRING, array.shape, words))
        else:
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name


def _scalar(value: float) -> np.ndarray:
    return np.asarray(value, np.float32)


def _gelu(graph: Graph, z: str) -> str:
    """z Phi(z) = z / 2 (1 + erf(z / sqrt 2))."""
    error = graph.add("Erf", graph.add("Mul", z, _scalar(np.sqrt(0.5))))
    return graph.add("Mul", graph.add("Mul", z, _scalar(0.5)), graph.add("Add", error, _scalar(1)))


NODES: dict[
    str, Callable[[Graph, str], str]
] = {  # (graph, z) -> a: of activations, and of what makes outputs of logits
    "identity": lambda graph, z: z,
    "sigmoid": lambda graph, z: graph.add("Sigmoid", z),
    "tanh": lambda graph, z: graph.add("Tanh", z),
    "relu": lambda graph, z: graph.add("Relu", z),
    "arctan": lambda graph, z: graph.add("Atan", z),
    "leaky_relu": lambda graph, z: graph.add("LeakyRelu", z, alpha=LEAK),
    "elu": lambda graph, z: graph.add("Elu", z, alpha=1.0),
    "softplus": lambda graph, z: graph.add("Softplus", z),
    "silu": lambda graph, z: graph.add("Mul", z, graph.add("Sigmoid", z)),
    "gelu": _gelu,
    SOFTMAX: lambda graph, z: graph.add("Softmax", z, axis=1),
    EXP: lambda graph, z: graph.add("Exp", z),
}


def write(model: Model) -> bytes:
    """The ONNX file of a model. Raises UsageError where it has an activation or a loss of the user's own."""
    from onnx import checker, helper

    facts.link(model.spec.network)  # refuses before anything is made
    columns = model.preparation.columns
    names = ["input"] if columns is None else [column.name for column in columns.columns]
    if "" in names:
        raise UsageError(
            "a column of the table has no name, which ONNX needs: take --format numpy, or train with names"
        )
    graph = Graph(set(names))
    inputs, x = _inputs(graph, model)
    outputs = _answers(graph, model, _logits(graph, model, x))
    network = helper.make_graph(graph.nodes, "jaxmlp", inputs, outputs, graph.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    proto = helper.make_model(network, opset_imports=opsets, ir_version=IR, producer_name="jaxmlp")
    properties = {key: json.dumps(value, ensure_ascii=False) for key, value in facts.description(model).items()}
    if columns is not None:
        del properties["input"]  # each column is one
    helper.set_model_props(proto, properties | _missing_texts(model))
    checker.check_model(proto)
    return proto.SerializeToString()


def _missing_texts(model: Model) -> dict[str, str]:
    columns = model.preparation.columns
    if columns is None:
        return {}
    texts = {column.name: facts.missing_text(column) for column in columns.columns if column.categories is not None}
    return {"missing_texts": json.dumps(texts, ensure_ascii=False)}


def _inputs(graph: Graph, model: Model) -> tuple[list[Any], str]:
    """The inputs of the graph as they come, and the rows [N, D] made of them: normalised, float32."""
    from onnx import TensorProto, helper

    preparation = model.preparation
    wide = facts.input_dtype(model) == "float64"
    if preparation.columns is None:
        kind = TensorProto.DOUBLE if wide else TensorProto.FLOAT
        inputs = [helper.make_tensor_value_info("input", kind, ["N", *preparation.input_shape])]
        x = graph.add("Flatten", "input", axis=1) if len(preparation.input_shape) > 1 else "input"
    else:
        inputs, parts = [], []
        for column in preparation.columns.columns:
            kind = TensorProto.DOUBLE if column.categories is None else TensorProto.STRING
            inputs.append(helper.make_tensor_value_info(column.name, kind, ["N", 1]))
            parts += _encoded(graph, column)
        x = graph.add("Concat", *parts, axis=1)
    if preparation.normalise == "per_image":
        x = _per_image(graph, x, np.float64 if wide else np.float32)
    elif preparation.mean.size:
        dtype = np.float64 if wide else np.float32
        centred = graph.add("Sub", x, preparation.mean.astype(dtype))
        x = graph.add("Div", centred, preparation.std.astype(dtype))
    return inputs, graph.add("Cast", x, to=TensorProto.FLOAT) if wide else x


def _encoded(graph: Graph, column: Column) -> list[str]:
    """The inputs [N, 1] or [N, categories] of a column, and the one that says where it is missing; as float64."""
    from onnx import TensorProto

    if column.categories is None:
        is_missing = graph.add("IsNaN", column.name)
        parts = [graph.add("Where", is_missing, np.asarray([[column.median]]), column.name)]
    else:
        words = facts.spellings(column)
        number = graph.add(
            "LabelEncoder", column.name, domain="ai.onnx.ml", keys_strings=[*words], values_int64s=[*words.values()],
            default_int64=-1,
        )  # fmt: skip
        one_hot = graph.add("Equal", number, np.arange(len(column.categories), dtype=np.int64)[None])
        parts = [graph.add("Cast", one_hot, to=TensorProto.DOUBLE)]
        is_missing = graph.add("Equal", column.name, np.asarray([facts.missing_text(column)]))
    return [*parts, graph.add("Cast", is_missing, to=TensorProto.DOUBLE)] if column.indicator else parts


def _per_image(graph: Graph, x: str, dtype: Any) -> str:
    """Each image with mean 0 and standard deviation 1, or zeros where all its pixels are equal."""
    axes = np.asarray([1], np.int64)
    low, high = graph.add("ReduceMin", x, axes), graph.add("ReduceMax", x, axes)
    centred = graph.add("Sub", x, graph.add("ReduceMean", x, axes))
    variance = graph.add("ReduceMean", graph.add("Mul", centred, centred), axes)
    constant = graph.add("Equal", low, high)
    std = graph.add("Where", constant, np.asarray(np.inf, dtype), graph.add("Sqrt", variance))
    return graph.add("Div", centred, std)


def _logits(graph: Graph, model: Model, x: str) -> str:
    layers = [(np.asarray(w, np.float32), np.asarray(b, np.float32)) for w, b in model.params]
    for w, b in layers[:-1]:
        x = NODES[model.spec.network.activation](graph, graph.add("Gemm", x, w, b))
    return graph.add("Gemm", x, *layers[-1])


def _answers(graph: Graph, model: Model, logits: str) -> list[Any]:
    """The outputs of the graph, as `answer_names` orders them."""
    from onnx import TensorProto, helper

    said = NODES[facts.link(model.spec.network)](graph, logits)
    if facts.is_binary(model):
        said = graph.add("Concat", graph.add("Sub", _scalar(1), said), said, axis=1)
    label_type = {str: TensorProto.STRING, bool: TensorProto.BOOL, int: TensorProto.INT64}
    makers: dict[str, tuple[Callable[[], str], int]] = {  # how an answer is made, and its type
        "label": (lambda: _label(graph, model, logits), label_type[type(model.preparation.classes[0])]),
        "labels": (lambda: _labels(graph, logits), TensorProto.INT64),
        "logits": (lambda: logits, TensorProto.FLOAT),
    }
    outputs = []
    for name in answer_names(model):
        make, kind = makers.get(name, (lambda: said, TensorProto.FLOAT))
        result = graph.add("Identity", make(), named=name)
        outputs.append(helper.make_tensor_value_info(result, kind, ["N"] if name == "label" else ["N", None]))
    return outputs


def _label(graph: Graph, model: Model, logits: str) -> str:
    """The class of the largest logit, the first of equals; of a single logit the second class where it is above 0."""
    from onnx import TensorProto

    if facts.is_binary(model):
        above = graph.add("Cast", graph.add("Greater", logits, _scalar(0)), to=TensorProto.INT64)
        number = graph.add("Squeeze", above, np.asarray([1], np.int64))
    else:
        number = graph.add("ArgMax", logits, axis=1, keepdims=0)
    return graph.add("Gather", np.asarray(model.preparation.classes), number)


def _labels(graph: Graph, logits: str) -> str:
    """1 for each label whose logit is above 0."""
    from onnx import TensorProto

    return graph.add("Cast", graph.add("Greater", logits, _scalar(0)), to=TensorProto.INT64)


def runner(path: Any) -> Callable[[dict[str, np.ndarray]], list[np.ndarray]]:
    """What onnxruntime gives for named inputs, in the order of `answer_names`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda inputs: [np.asarray(result) for result in session.run(None, inputs)]


def of_columns(columns: Columns, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The inputs [N, 1] of a graph, of columns [N] where a missing text is None."""
    given = {name: array[:, None] for name, array in values.items()}
    for column in columns.columns:
        if column.categories is not None:
            is_missing = np.array([text is None for text in values[column.name]])
            given[column.name][is_missing] = facts.missing_text(column)
    return given
