"""From a dataset as loaded to the examples a network trains on: checked, split, numbered and normalised."""

import math
from typing import NamedTuple

import numpy as np

from jaxmlp import display
from jaxmlp.data.bundled import hold_out
from jaxmlp.data.columns import Columns
from jaxmlp.data.sources import Data, Dataset
from jaxmlp.errors import DataError, line_of, unknown
from jaxmlp.fields import shown
from jaxmlp.nn.losses import CLASSES
from jaxmlp.spec import Examples, Splits

NORMALISATIONS = ("per_image", "unit", "per_feature", "global", "none")
MOST_LABEL = 2**63 - 1  # they are kept as int64
BLOCK = 512  # images normalised at once, in double precision, within the cache of a core


class Preparation(NamedTuple):
    """What it takes to treat a new image like the training examples; stored with the model.

    per_image    (x - mean) / standard deviation, of each image by itself; a constant image becomes zeros
    unit         x / 255 for uint8 pixels, else x / (the largest magnitude in the training examples)
    per_feature  (x - mean) / standard deviation, of each pixel over the training examples; 1 for a constant pixel
    global       (x - mean) / standard deviation, of all pixels of the training examples together
    none         x
    """

    normalise: str
    mean: np.ndarray  # float32: [D] for per_feature, [1] for global and unit, else empty
    std: np.ndarray  # standard deviation (or scale), of the shape of mean
    classes: (
        tuple[int, ...] | tuple[str, ...]
    )  # class k is classes[k]; of label sets and values the names of the outputs
    input_shape: tuple[int, ...]  # of one example, as it comes: [H, W], [H, W, C] or [D]
    kind: str = CLASSES  # of the targets: classes, labels or values
    columns: Columns | None = None  # how a table becomes [N, D]; None for arrays

    @property
    def outputs(self) -> int:
        """How many output units the targets ask for: K."""
        return len(self.classes)

    def __repr__(self) -> str:
        return display.fields(self)

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Normalised examples, float32 [N, D], of images [N, *input_shape]. Raises DataError for another shape, or NaN."""
        if images.shape[1:] != self.input_shape:
            raise DataError(f"images have shape {images.shape[1:]}; the model was trained on {self.input_shape}")
        _check_pixels(images, "images")
        images = images.reshape(len(images), math.prod(self.input_shape))
        x = np.empty(images.shape, np.float32)  # [N, D]
        for start in range(0, len(images), BLOCK):
            block = images[start : start + BLOCK]
            scaled = _per_image(block) if self.normalise == "per_image" else self._scaled(block)
            with np.errstate(over="ignore"):
                x[start : start + BLOCK] = scaled
            if not np.isfinite(x[start : start + BLOCK]).all():
                raise DataError(f"pixels exceed float32 after data.normalise = {self.normalise!r}; rescale them first")
        return x

    def _scaled(self, block: np.ndarray) -> np.ndarray:
        return (block - self.mean.astype(float)) / self.std.astype(float) if self.mean.size else block


def prepare(dataset: Dataset, data: Data) -> tuple[Splits, Preparation]:
    """Training, validation and test examples as float32 [N, D] and class numbers, and how to treat other images alike.

    Classes, means and standard deviations are those of the training examples, without the validation examples. Raises
    UsageError for an unknown normalisation and DataError for what cannot be learnt from.
    """
    if data.normalise not in NORMALISATIONS:
        raise unknown("data.normalise", data.normalise, NORMALISATIONS)
    train_labels = _check(dataset.train_images, dataset.train_labels, "training")
    test_labels = _check(dataset.test_images, dataset.test_labels, "test")
    input_shape, test_shape = dataset.train_images.shape[1:], dataset.test_images.shape[1:]
    if input_shape != test_shape:
        raise DataError(f"training images have shape {input_shape}, test images {test_shape}; they must be the same")
    if train_labels.dtype.kind != test_labels.dtype.kind:
        raise DataError(f"training labels are {train_labels.dtype}, test labels {test_labels.dtype}; bring one kind")

    train, validation = hold_out(train_labels, data.validation, data.split_seed, stratified=data.stratified)
    if not len(train) or not len(validation):
        _check_stratified(train_labels, data)
        raise DataError(
            f"{len(train_labels):,} training examples and data.validation = {data.validation} leave an empty split "
            f"({len(train):,} to train, {len(validation):,} to validate); bring more examples or change the share"
        )
    classes = np.unique(train_labels[train])
    if len(classes) < 2:
        raise DataError(f"all {len(train):,} training examples have the label {classes[0]!s}; two classes are needed")

    images = dataset.train_images[train]
    preparation = Preparation(
        data.normalise, *_statistics(images, data.normalise), tuple(classes.tolist()), tuple(input_shape)
    )
    splits = [
        _examples(preparation, images, train_labels[train], "training"),
        _examples(preparation, dataset.train_images[validation], train_labels[validation], "validation"),
        _examples(preparation, dataset.test_images, test_labels, "test"),
    ]
    return Splits(*splits), preparation


def _check_stratified(labels: np.ndarray, data: Data) -> None:
    """Raise DataError if no example is held out because each class has too few, where a draw over all of them could."""
    if data.stratified and 0 < round(data.validation * len(labels)) < len(labels):
        classes, counts = np.unique(labels, return_counts=True)
        listed = ", ".join(f"{shown(name)}: {count}" for name, count in zip(classes[:5].tolist(), counts, strict=False))
        raise DataError(
            f"no training example can be held out for validation: a class keeps its last one, and the {len(classes):,}"
            f" classes have so many ({listed}{', ...' if len(classes) > 5 else ''}); bring more examples of them, or draw"
            " over all classes together with --data.no-stratified (data.stratified = false)"
        )


def _examples(preparation: Preparation, images: np.ndarray, labels: np.ndarray, split: str) -> Examples:
    """Inputs as float32 and class numbers as int32; in NumPy, until they are put on a device."""
    numbers = _number(labels, np.asarray(preparation.classes), split)
    return Examples(preparation.apply(images), numbers)  # pyright: ignore[reportArgumentType]


def _check(images: np.ndarray, labels: np.ndarray, split: str) -> np.ndarray:
    """The labels as int64 or str, once images and labels are known to be fit for use."""
    if labels.ndim != 1:
        raise DataError(f"{split} labels have shape {labels.shape}; one label for each image is expected: [N]")
    if images.ndim < 2:
        raise DataError(f"{split} images have shape {images.shape}; [N, D] or [N, height, width, ...] is expected")
    if len(images) != len(labels):
        raise DataError(f"{len(images):,} {split} images, but {len(labels):,} {split} labels")
    if not images.size:
        raise DataError(f"the {split} split is empty: images of shape {images.shape}")
    _check_pixels(images, f"{split} images")
    if labels.dtype.kind in "iub":
        if (largest := int(labels.max())) > MOST_LABEL:
            raise DataError(f"{split} labels go up to {largest}; accepted are whole numbers of at most {MOST_LABEL}")
        return labels.astype(np.int64)
    try:
        if labels.dtype.kind == "U":
            "".join(labels.tolist()).encode()  # numbers that are no characters would fail where they are printed
            return labels
        if labels.dtype.kind == "S":
            return np.char.decode(labels, "utf-8")
    except (ValueError, SystemError) as error:  # SystemError: NumPy's, for numbers beyond Unicode
        raise DataError(
            f"{split} labels are no text in UTF-8 ({line_of(error)}); save them as text or as numbers"
        ) from None
    raise DataError(f"{split} labels are {labels.dtype}; integers or strings are expected")


def _check_pixels(images: np.ndarray, what: str) -> None:
    if images.dtype.kind not in "uifb":
        raise DataError(f"{what} are {images.dtype}; numbers (integers or floats) are expected")
    if images.dtype.kind != "f" or not images.size:
        return
    largest = max(abs(float(images.min())), abs(float(images.max())))  # NaN goes through min and max
    if not largest <= float(np.finfo(np.float32).max):
        bad = int(np.sum(~np.isfinite(images)))
        wrong = f"{bad:,} pixels are NaN or infinite" if bad else f"pixels as large as {largest:.3g} exceed float32"
        raise DataError(f"{what}: {wrong}; clean or rescale them first")


def _number(labels: np.ndarray, classes: np.ndarray, split: str) -> np.ndarray:
    """Class numbers, int32, 0 to K-1."""
    numbers = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    strange = np.unique(labels[classes[numbers] != labels])
    if len(strange):
        named = ", ".join(str(label) for label in strange[:5]) + (", ..." if len(strange) > 5 else "")
        raise DataError(
            f"{split} labels that no training example has: {named}; bring training examples of these classes"
        )
    return numbers.astype(np.int32)


def _statistics(images: np.ndarray, normalise: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (or scale) of the training examples, float32; empty where the normalisation needs none."""
    images = images.reshape(len(images), -1)
    if normalise == "unit":
        largest = 255.0 if images.dtype == np.uint8 else max(abs(float(images.max())), abs(float(images.min())))
        return np.zeros(1, np.float32), np.asarray([largest or 1.0], np.float32)
    if normalise not in ("per_feature", "global"):
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    blocks = [images[start : start + BLOCK] for start in range(0, len(images), BLOCK)]
    over_pixels = np.mean if normalise == "global" else np.asarray
    mean = np.atleast_1d(over_pixels(sum(block.sum(0, dtype=float) for block in blocks) / len(images)))
    squares = sum(np.square(block - mean).sum(0) for block in blocks) / len(images)
    std = np.sqrt(np.atleast_1d(over_pixels(squares)))
    lowest, highest = images.min(0), images.max(0)
    constant = lowest == highest if normalise == "per_feature" else np.atleast_1d(lowest.min() == highest.max())
    return _as_float32(mean, np.where(constant, 1.0, std))


def _as_float32(mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    std = std.astype(np.float32)
    return mean.astype(np.float32), np.where(std == 0, np.float32(1), std)


def _per_image(block: np.ndarray) -> np.ndarray:
    """Each image with mean 0 and standard deviation 1, or zeros where all its pixels are equal (compared, not computed)."""
    varied = block.min(1) != block.max(1)  # [n]
    centred = block - block.mean(1, keepdims=True, dtype=float)  # [n, D]
    std = np.sqrt(np.einsum("nd,nd->n", centred, centred) / block.shape[1])
    centred *= np.divide(1.0, std, where=varied & (std > 0), out=np.zeros_like(std))[:, None]
    return centred
