"""Examples as they came, in parts: checked against each other, and drawn of one another."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jaxmlp.data import normalising
from jaxmlp.data.bundled import hold_out
from jaxmlp.data.columns import check_types
from jaxmlp.data.targets import KINDS, be, is_text
from jaxmlp.errors import DataError
from jaxmlp.fields import shown
from jaxmlp.text import count


class Called(NamedTuple):
    """What messages call the examples of a part, their targets and their weights."""

    x: str
    y: str
    weights: str


@dataclass(frozen=True)
class Part:
    """Examples as they came: an array [N, ...] or a table of Arrow, targets [N] or [N, K], and weights [N] or none."""

    x: Any
    y: np.ndarray
    weights: np.ndarray | None
    called: Called

    def take(self, rows: np.ndarray, split: str = "") -> "Part":
        """Some of the examples, in that order; of which split they become, where that is another than it was."""
        x = self.x[rows] if isinstance(self.x, np.ndarray) else self.x.take(rows)
        weights = None if self.weights is None else self.weights[rows]
        return Part(x, self.y[rows], weights, self.called if not split else drawn(self.called, split))


@dataclass(frozen=True)
class Choices:
    """How examples are prepared, beside what they are."""

    normalise: str
    images: bool = False  # whether they are the images of a data set
    kind: str = normalising.AUTO
    learns: Collection[str] = KINDS  # of the loss, where the kind is told from the targets
    class_weight: Any = None
    names: tuple[str, ...] = ()  # of the outputs, where they are no classes
    seed: int = 0  # of the draw of validation examples
    test_seed: int = 0
    stratified: bool = True


def drawn(called: Called, split: str) -> Called:
    """What messages call examples that were drawn of others."""
    if called.y.startswith("training "):
        return Called(*(name.replace("training", split) for name in called))
    return Called(*(f"{name} ({split} rows)" for name in called))


def check(part: Part, train: Part) -> None:
    """Raise DataError for examples that do not fit their targets, their weights, or the training examples."""
    called, rows = part.called, len(part.x)
    if isinstance(part.x, np.ndarray):
        if part.x.ndim < 2:
            raise DataError(
                f"{be(called.x, 'have')} shape {part.x.shape}; [N, D] or [N, height, width, ...] is expected"
            )
        if rows and not part.x.size:
            raise DataError(f"{be(called.x, 'have')} shape {part.x.shape}: no inputs")
    if part.y.ndim not in (1, 2):
        raise DataError(f"{be(called.y, 'have')} shape {part.y.shape}; [N] or [N, K] is expected")
    if rows != len(part.y):
        images = called.x.endswith("images")
        raise DataError(
            f"{rows:,} {called.x}, but {len(part.y):,} {called.y}"
            if images
            else f"{called.x} has {count(rows, 'row')}, and {called.y} {len(part.y):,}; accepted is one target a row"
        )
    if not rows:
        raise DataError(f"{be(called.x)} empty: no examples")
    if isinstance(part.x, np.ndarray) != isinstance(train.x, np.ndarray):
        raise DataError(f"{called.x} and {train.called.x}: one is a frame, the other an array; bring one kind")
    if not isinstance(part.x, np.ndarray):
        check_types(part.x, called.x)
    else:
        normalising.check_numbers(part.x, called.x)
        if part.x.shape[1:] != train.x.shape[1:]:
            raise DataError(
                f"{be(train.called.x, 'have')} shape {train.x.shape[1:]}, {called.x} {part.x.shape[1:]}; they must be the"
                " same"
            )


def check_alike(train: Part, part: Part) -> None:
    """Raise DataError where targets of one kind are of two types, or of two numbers of outputs."""
    types = (train.y.dtype, part.y.dtype)
    if is_text(train.y) != is_text(part.y):
        raise DataError(f"{be(train.called.y)} {types[0]}, {part.called.y} {types[1]}; bring one kind")
    if train.y.shape[1:] != part.y.shape[1:]:
        raise DataError(
            f"{be(train.called.y, 'have')} shape {train.y.shape}, {part.called.y} {part.y.shape}; they must have the same"
            " outputs"
        )


def draw(
    train: Part, part: Part | float | None, split: str, seed: int, *, stratified: bool
) -> tuple[Part, Part | None]:
    """The examples that stay, and a share of them that is held out; parts that are given, or none, as they are."""
    if part is None or isinstance(part, Part):
        return train, part
    kept, held = hold_out(train.y, part, seed, stratified=stratified)
    field = f"data.{split}" if _of_config(train.called) else split
    if not len(kept) or not len(held):
        if stratified and 0 < round(part * len(train.y)) < len(train.y):
            _refuse_stratified(train, field)
        raise DataError(
            f"{count(len(train.y), 'training example')} and {field} = {part} leave an empty split "
            f"({len(kept):,} to train, {len(held):,} to {'validate' if split == 'validation' else 'test'}); bring more"
            " examples or change the share"
        )
    return train.take(kept), train.take(held, split)


def _of_config(called: Called) -> bool:
    """Whether the examples are those of a config, and not the arguments of a function."""
    return called.x != "X"


def _refuse_stratified(train: Part, field: str) -> None:
    """Raise DataError: no example is held out because each class has too few, where a draw over all of them could."""
    classes, counts = np.unique(train.y, return_counts=True)
    listed = ", ".join(f"{shown(name)}: {number}" for name, number in zip(classes[:5].tolist(), counts, strict=False))
    way_out = "draw over all classes together with --data.no-stratified (data.stratified = false)"
    raise DataError(
        f"no training example can be held out for {field.removeprefix('data.')}: a class keeps its last one, and the"
        f" {len(classes):,} classes have so many ({listed}{', ...' if len(classes) > 5 else ''}); bring more examples of"
        f" them, or {way_out if _of_config(train.called) else f'give {field}=(X, y)'}"
    )
