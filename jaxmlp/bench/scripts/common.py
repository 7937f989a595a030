"""What the programs share: the examples of a file, and the lines that they print. NumPy only."""

import json
import sys
from typing import Any, NamedTuple

import numpy as np

SPLITS = ("train", "val", "test")  # as the keys of the file end


class Examples(NamedTuple):
    """Images [N, ...] or inputs [N, D], these with mean 0 and variance 1 each, and the numbers of their classes [N]."""

    x: np.ndarray
    y: np.ndarray


class Configuration(NamedTuple):
    """A trial of the search: v <- momentum v + (1 - momentum) learning_rate g, w <- w - v, and l2/2 sum w^2."""

    learning_rate: float
    momentum: float
    l2: float

    @property
    def step(self) -> float:
        """The rate of v <- momentum v + g, w <- w - rate v: the same steps."""
        return (1 - self.momentum) * self.learning_rate


def task() -> dict[str, Any]:
    """The one argument of the program: fields of `jaxmlp.bench.programs.Goal`."""
    return json.loads(sys.argv[1])


def raw(path: str) -> tuple[Examples, Examples, Examples]:
    """Training, validation and test examples as they stand in an NPZ file."""
    with np.load(path) as arrays:
        train, validation, test = (Examples(arrays[f"x_{end}"], arrays[f"y_{end}"]) for end in SPLITS)
    return train, validation, test


def read(path: str) -> tuple[Examples, Examples, Examples]:
    """Training, validation and test examples of an NPZ file, normalised."""
    train, validation, test = (Examples(_normalised(x), y) for x, y in raw(path))
    return train, validation, test


def _normalised(images: np.ndarray) -> np.ndarray:
    x = images.reshape(len(images), -1).astype(np.float32)
    x -= x.mean(axis=1, keepdims=True)
    return x / np.maximum(x.std(axis=1, keepdims=True), 1e-6)


def configurations(task: dict[str, Any]) -> list[Configuration]:
    """All trials of the search."""
    axes = task["learning_rates"], task["momenta"], task["l2s"]
    return [Configuration(*map(float, values)) for values in np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3)]


def say(**reached: float) -> None:
    """Print what was reached, at once: as one piece, since processes that share the output print at the same time."""
    sys.stdout.write(json.dumps({name: float(value) for name, value in reached.items()}) + "\n")
    sys.stdout.flush()
