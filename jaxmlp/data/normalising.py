"""Normalisation: the statistics of the training examples, and numbers scaled by them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from jaxmlp.data.targets import be
from jaxmlp.errors import DataError, UsageError, unknown
from jaxmlp.machine import cores

AUTO = "auto"
NORMALISATIONS = ("per_image", "unit", "per_feature", "global", "none")
OF_TABLES = ("per_feature", "none")
BLOCK = 512  # examples normalised at once, in double precision, within the cache of a core


def resolved(normalise: str, shape: tuple[int, ...], *, images: bool, table: bool = False) -> str:
    """What a normalisation comes to for examples of a shape: auto is per_image for images, per_feature for features.

    Raises UsageError for an unknown name, and for one that a table of columns cannot have.
    """
    if normalise == AUTO:
        return "per_image" if images or len(shape) > 1 else "per_feature"
    if normalise not in NORMALISATIONS:
        raise unknown("data.normalise", normalise, (AUTO, *NORMALISATIONS))
    if table and normalise not in OF_TABLES:
        raise UsageError(
            f"data.normalise is {normalise!r}, and a table has columns; accepted is {', '.join(OF_TABLES)}"
        )
    return normalise


def statistics(x: np.ndarray, normalise: str, *, images: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (or scale) of the training examples; empty where the normalisation needs none.

    Float32, but float64 for features, other than pixels of images, that float32 might not tell apart.
    """
    kind = x.dtype
    x = x.reshape(len(x), -1)
    if normalise == "unit":
        largest = 255.0 if kind == np.uint8 else max(abs(float(x.max())), abs(float(x.min())))
        return np.zeros(1, np.float32), np.asarray([largest or 1.0], np.float32)
    if normalise not in ("per_feature", "global"):
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    blocks = [x[start : start + BLOCK] for start in range(0, len(x), BLOCK)]
    over_pixels = np.mean if normalise == "global" else np.asarray
    mean = np.atleast_1d(over_pixels(sum(block.sum(0, dtype=float) for block in blocks) / len(x)))
    squares = sum(np.square(block - mean).sum(0) for block in blocks) / len(x)
    std = np.sqrt(np.atleast_1d(over_pixels(squares)))
    lowest, highest = x.min(0), x.max(0)
    constant = lowest == highest if normalise == "per_feature" else np.atleast_1d(lowest.min() == highest.max())
    std = np.where(constant | (std == 0), 1.0, std)
    if (
        normalise == "per_feature"
        and not images
        and kind.kind in "iuf"
        and kind.itemsize >= (4 if kind.kind in "iu" else 8)
    ):
        return np.where(constant, lowest, mean).astype(float), std
    return _as_float32(mean, std)


def scaled(x: np.ndarray, normalise: str, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Examples [N, D] as float32, normalised. Raises DataError where float32 does not hold them."""
    result = np.empty(x.shape, np.float32)  # [N, D]

    def fill(start: int) -> None:
        block = x[start : start + BLOCK]
        if normalise == "per_image":
            block = _per_image(block)
        elif mean.size:
            block = (block - mean.astype(float)) / std.astype(float)
        with np.errstate(over="ignore"):
            result[start : start + BLOCK] = block
        if not np.isfinite(result[start : start + BLOCK]).all():
            raise DataError(f"numbers exceed float32 after data.normalise = {normalise!r}; rescale them first")

    starts = range(0, len(x), BLOCK)
    with ThreadPoolExecutor(cores()) as threads:  # NumPy lets the interpreter go
        for _ in (threads.map if len(starts) > 1 else map)(fill, starts):  # to start a thread takes as long as a block
            pass
    return result


def check_numbers(x: np.ndarray, called: str) -> None:
    """Raise DataError for examples that are no finite numbers, or beyond float32."""
    if x.dtype.kind not in "uifb":
        raise DataError(f"{be(called)} {x.dtype}; numbers (integers or floats) are expected")
    if x.dtype.kind != "f" or not x.size:
        return
    largest = max(abs(float(x.min())), abs(float(x.max())))  # NaN goes through min and max
    if not largest <= float(np.finfo(np.float32).max):
        bad = int(np.sum(~np.isfinite(x)))
        noun = "pixels" if called.endswith("images") else "numbers"
        wrong = f"{bad:,} {noun} are NaN or infinite" if bad else f"{noun} as large as {largest:.3g} exceed float32"
        raise DataError(f"{called}: {wrong}; clean or rescale them first")


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
