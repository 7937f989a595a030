"""Sets that tensorflow-datasets has prepared, read without TensorFlow: decoded in one pass, then cached."""

import hashlib
import importlib.util
import io
import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from jaxmlp.data.bundled import with_test_examples
from jaxmlp.data.npz import Four, cached
from jaxmlp.errors import DataError, UsageError, line_of, nearest
from jaxmlp.reading import PILLOW_MODES

NAME = re.compile(r"(?P<set>\w+)(/(?P<config>[\w.-]+))?(:(?P<version>\d+\.\d+\.\d+))?", re.ASCII)
VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)


def home(given: str = "") -> Path:
    """The folder of prepared sets: `given`, else the variable TFDS_DATA_DIR, else ~/tensorflow_datasets."""
    return Path(given or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def find(name: str, folder: Path) -> Path | None:
    """The folder of the newest prepared version of `name` (set, set/config, set:1.2.3) in `folder`, or None."""
    parts = NAME.fullmatch(name)
    if not parts:
        raise UsageError(f"data.name 'tfds:{name}' is no name of tensorflow-datasets (set, set/config or set:1.2.3)")
    root = folder / parts["set"] / (parts["config"] or "")
    try:
        infos = [*root.glob("*/dataset_info.json"), *([] if parts["config"] else root.glob("*/*/dataset_info.json"))]
    except OSError as error:
        raise DataError(f"{root}: cannot be read ({error.strerror or error})") from error
    versions = [info.parent for info in infos if VERSION.fullmatch(info.parent.name)]
    versions = [path for path in versions if parts["version"] in (None, path.name)]
    if len(kinds := {path.parent for path in versions}) > 1:
        names = ", ".join(sorted(kind.name for kind in kinds))
        raise UsageError(f"data.name 'tfds:{name}' has several configurations in {folder}; name one: {names}")
    return max(versions, key=lambda path: [int(number) for number in path.name.split(".")], default=None)


def load(name: str, given: str = "") -> tuple[Four, Path]:
    """The set `name` and the folder where it lies prepared; prepared now, if need be, where TensorFlow is installed."""
    folder = home(given)
    prepared = find(name, folder)
    if prepared is None:
        _prepare(name, folder)
        prepared = find(name, folder)
    if prepared is None:
        raise DataError(f"tfds:{name} was prepared, but is not in {folder}")
    return read(prepared), prepared


def how_to_prepare(name: str, folder: Path) -> str:
    """The commands, for messages."""
    program = f"import tensorflow_datasets; tensorflow_datasets.data_source('{name}', data_dir='{folder}')"
    return f"pip install 'jaxmlp[tfds]' && python -c \"{program}\""


def _prepare(name: str, folder: Path) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        prepared = sorted(path.parent.parent.name for path in folder.glob("*/*/dataset_info.json"))
        hint = f"; {nearest(name, prepared)}" if prepared else ""
        raise DataError(f"tfds:{name} is not prepared in {folder}{hint}; to prepare it: {how_to_prepare(name, folder)}")
    try:
        with warnings.catch_warnings(action="ignore"):
            import tensorflow_datasets

            tensorflow_datasets.data_source(name, data_dir=folder)
    except Exception as error:  # whatever a dataset's own script raises
        raise DataError(f"tfds:{name} could not be prepared in {folder}: {line_of(error, named=True)}") from error


def read(prepared: Path) -> Four:
    """The images and labels of a prepared set. Its test split, else its validation split, else a fixed fifth, is test.

    Labels are the names of the classes, or integers where the names are only numbers.
    """
    stats = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in sorted(prepared.iterdir())]
    digest = hashlib.sha256("\n".join([str(prepared.resolve()), *stats]).encode()).hexdigest()[:16]
    return cached(f"tfds-{prepared.parent.name}-{prepared.name}-{digest}", lambda: _decode_set(prepared))


def _decode_set(prepared: Path) -> Four:
    try:
        with warnings.catch_warnings(action="ignore"):  # warnings of other packages
            import tensorflow_datasets

            builder = tensorflow_datasets.builder_from_directory(prepared)
            splits = list(builder.info.splits)
            if "train" not in splits:
                raise DataError(f"{prepared}: no split 'train' (found: {', '.join(splits) or 'none'})")
            images, labels = _decode_split(builder, "train")
            if test := next((split for split in ("test", "validation") if split in splits), None):
                return images, labels, *_decode_split(builder, test)
            return with_test_examples(images, labels)
    except DataError:
        raise
    except ImportError as error:
        raise DataError(f"{prepared}: {line_of(error, named=True)}; pip install 'jaxmlp[tfds]'") from error
    except NotImplementedError as error:
        raise DataError(
            f"{prepared}: prepared in a file format that only TensorFlow reads; remove it and prepare it "
            f"as array_record: {how_to_prepare(prepared.parent.name, prepared.parent.parent)}"
        ) from error
    except Exception as error:  # files, protocol buffers and codecs of three packages: any of their errors
        raise DataError(f"{prepared}: cannot be read ({line_of(error, named=True)})") from error


def _decode_split(builder: Any, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, H, W] or [N, H, W, C], and labels [N].

    60,000 images take 4 s, half of it Pillow; two threads make it slower (3.8 s of Pillow against 1.9).
    """
    import tensorflow_datasets

    where = f"{builder.data_path}, split {split}"
    features: Any = builder.info.features
    if missing := {"image", "label"} - set(features):
        raise DataError(f"{where}: no feature {' and '.join(sorted(missing))} (found: {', '.join(features)})")
    image, label = features["image"], features["label"]
    mode = PILLOW_MODES.get(image.shape[-1] if image.shape else 1, "RGB")
    packed = bool(isinstance(image, tensorflow_datasets.features.Image) and image.np_dtype == np.uint8)
    decoders: dict[str, Any] = {"image": tensorflow_datasets.decode.SkipDecoding()} if packed else {}
    source = builder.as_data_source(split=split, decoders=decoders)
    examples = source.__getitems__(list(range(len(source))))
    labels = _named(np.asarray([example["label"] for example in examples]), getattr(label, "names", None), where)
    images = [example["image"] for example in examples]
    return _stack(images, mode if packed else None, where), labels


def _named(labels: np.ndarray, names: list[str] | None, where: str) -> np.ndarray:
    if labels.dtype.kind in "iu" and labels.size and labels.min() < 0:
        raise DataError(f"{where}: {np.sum(labels < 0):,} examples have no label (-1)")
    if names is None or all(name == str(number) for number, name in enumerate(names)):
        return labels
    return np.asarray(names)[labels]


def _stack(images: list, mode: str | None, where: str) -> np.ndarray:
    """One array of all images: files to decode in Pillow's `mode`, or arrays. One channel is no axis."""
    from PIL import Image

    if not images:
        raise DataError(f"{where}: no examples")
    stacked = None
    for index, image in enumerate(images):
        if mode:
            with Image.open(io.BytesIO(image)) as file:
                width, height = file.size
                pixels = (file if file.mode == mode else file.convert(mode)).tobytes()
            image = np.frombuffer(pixels, np.uint8).reshape(height, width, -1)
        if stacked is None:
            stacked = np.empty((len(images), *image.shape), image.dtype)  # [N, H, W, C]
        if image.shape != stacked.shape[1:]:
            raise DataError(
                f"{where}: images of unequal size ({stacked.shape[1:]}, then {image.shape} at example {index}); a "
                "perceptron needs one size: choose another set, or resize the images and bring them as an NPZ file"
            )
        stacked[index] = image
    assert stacked is not None
    return stacked[..., 0] if stacked.ndim == 4 and stacked.shape[-1] == 1 else stacked
