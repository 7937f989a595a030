"""The formats that a network is exported to: what is written, and how it is run to check it.

A new format is an entry of FORMATS: the command and the tests have it from there.
"""

import importlib.util
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.data import inputs
from jaxmlp.export import examples, facts, onnx_graph, programs, stablehlo
from jaxmlp.nn.losses import CLASSES, VALUES
from jaxmlp.run.answers import answer_names, said
from jaxmlp.training.model import Model

Run = Callable[[Any], tuple[np.ndarray, np.ndarray]]  # examples as they came -> (probabilities or values, predictions)


def installed(package: str) -> bool:
    """Whether a package is there."""
    return importlib.util.find_spec(package) is not None


class Format(NamedTuple):
    """One format: its files, and how a program that knows nothing of jaxmlp runs them."""

    name: str  # of its file in a run directory
    runtime: str  # the package that runs it
    needs: str  # the package that writes it, beside those that jaxmlp installs; installed by the extra of its name
    beside: tuple[str, ...]  # the ends of the files beside it
    files: Callable[[Model, str], dict[str, bytes]]  # (model, name of the file) -> the contents of its files by name
    open: Callable[[Model, Path], Run]
    takes_columns: bool = True  # of a table by their names; else the inputs [N, D] that they become

    @property
    def ending(self) -> str:
        """The end of the file's name."""
        return Path(self.name).suffix

    @property
    def runs_here(self) -> bool:
        """Whether the package that runs it is installed."""
        return installed(self.runtime)


def _open_onnx(model: Model, path: Path) -> Run:
    run, names = onnx_graph.runner(path), answer_names(model)

    def answer(x: Any) -> tuple[np.ndarray, np.ndarray]:
        if model.preparation.columns is None:
            given = {"input": np.asarray(x, facts.input_dtype(model))}
        else:
            given = onnx_graph.of_columns(model.preparation.columns, examples.by_column(model, x))
        results = run(given)
        return results[names.index(said(model))], results[0]

    return answer


def _open_stablehlo(model: Model, path: Path) -> Run:
    run, columns = stablehlo.runner(path), model.preparation.columns

    def answer(x: Any) -> tuple[np.ndarray, np.ndarray]:
        if columns is not None:
            x = columns.encode(inputs.as_table(x, "the table"), "the table", lambda _: None)
        with jax.enable_x64(facts.input_dtype(model) == "float64"):
            results = run(np.asarray(x, facts.input_dtype(model)))
        predicted = results[answer_names(model)[0]]
        is_class = model.preparation.kind == CLASSES
        return results[said(model)], np.asarray(model.preparation.classes)[predicted] if is_class else predicted

    return answer


def _open_program(model: Model, path: Path) -> Run:
    """The module of a Python file, run as it stands."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    outputs = getattr(module, facts.function_name(model))

    def answer(x: Any) -> tuple[np.ndarray, np.ndarray]:
        given = np.array(x) if model.preparation.columns is None else examples.by_column(model, x)  # PyTorch may write
        return np.asarray(outputs(given)), np.asarray(module.predict(given))

    return answer


FORMATS: dict[str, Format] = {
    "onnx": Format(
        "model.onnx", "onnxruntime", "onnx", (),
        lambda model, name: {name: onnx_graph.write(model)}, _open_onnx,
    ),
    "stablehlo": Format(
        "model.stablehlo", "jax", "", (),
        lambda model, name: {name: stablehlo.write(model)}, _open_stablehlo, takes_columns=False,
    ),
    "numpy": Format("model_numpy.py", "numpy", "", (".npz",), programs.numpy_files, _open_program),
    "torch": Format("model_torch.py", "torch", "", (".safetensors",), programs.torch_files, _open_program),
}  # fmt: skip


class Agreement(NamedTuple):
    """How near the answers of an exported file are to those of the model."""

    examples: int
    equal: int | None  # predictions that are equal; None for values
    largest: float  # of |difference| / max(1, |answer|)

    def __str__(self) -> str:
        if self.equal is None:
            return f"largest difference {self.largest:.1e} over {self.examples:,} examples"
        return f"{self.equal:,} of {self.examples:,} predictions equal, largest difference {self.largest:.1e}"


TOLERANCE = 1e-5  # the largest difference of a file that is kept
AT_ONCE = 4096  # examples


def agreement(model: Model, run: Run, raw: examples.Raw) -> Agreement:
    """Compare what a file says of examples with `Model.predict` and `Model.predict_proba`, or what stands for it."""
    count, equal, largest = len(raw.x), 0, 0.0
    for start in range(0, count, AT_ONCE):
        x = raw.part(start, min(start + AT_ONCE, count))
        answered, predicted = run(x)
        with warnings.catch_warnings(action="ignore"):  # of unknown categories
            expected, right = facts.answers(model, x), predicted == model.predict(x)
        with np.errstate(invalid="ignore"):
            differences = np.abs(answered.astype(float) - expected) / np.maximum(1, np.abs(expected))
        largest = float(np.maximum(largest, np.max(np.where(answered == expected, 0, differences))))  # NaN stays
        equal += int(np.sum(right if right.ndim == 1 else right.all(axis=1)))
    return Agreement(count, None if model.preparation.kind == VALUES else equal, largest)
