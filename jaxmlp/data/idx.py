"""IDX files (the format of MNIST): one file, and the folder of four that makes a dataset; plain or gzipped.

A file is 0, 0, a type code, the number of axes, their lengths as big-endian uint32, then the values, row by row.
"""

import contextlib
import gzip
import math
import os
import tempfile
import urllib.parse
import zlib
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxmlp.data.npz import Four, cache_folder
from jaxmlp.errors import DataError, line_of
from jaxmlp.reading import fill, open_regular

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
STEMS = ("train-images", "train-labels", "t10k-images", "t10k-labels")
MOST_AXES = 8
MOST_GZIP_RATIO = 1032  # deflate cannot shrink further, so a header that promises more is wrong
TIMEOUT = 30  # seconds to connect, and between two packets


class Download(NamedTuple):
    """Where the files of a set are published, and what they hash to."""

    url: str
    sha256: dict[str, str]  # in the order of STEMS


DOWNLOADS = {
    "mnist": Download(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        {
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
    "fashion_mnist": Download(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        {
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ),
}


def read(path: Path) -> np.ndarray:
    """The array in the IDX file `path`, in native byte order and read-only; gzip is recognised by content, not by name.

    Takes no more memory than the header promises, and that only as far as the file goes. Raises DataError, in one
    line, for all that can be wrong.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if zipped:
                with gzip.open(file) as unzipped:
                    return _parse(unzipped, path, size * MOST_GZIP_RATIO)
            return _parse(file, path, size)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path}: the gzip file is damaged ({line_of(error)}); get it again") from error
    except IsADirectoryError as error:
        raise DataError(f"{path}: a folder, where an IDX file is meant; move it away") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or line_of(error)})") from error
    except MemoryError as error:
        raise DataError(f"{path}: its values do not fit into memory; take a smaller set") from error


def _parse(file: BufferedIOBase, path: Path, most_bytes: int) -> np.ndarray:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise DataError(
            f"{path}: no IDX file: it starts with {magic.hex(' ') or 'nothing'}, where 00 00 TYPE AXES is expected"
        )
    code, axes = magic[2:]
    if code not in TYPES:
        raise DataError(
            f"{path}: IDX type code 0x{code:02x} is unknown; known: {', '.join(f'0x{c:02x}' for c in TYPES)}"
        )
    if not 1 <= axes <= MOST_AXES:
        raise DataError(f"{path}: the IDX header names {axes} axes; 1 to {MOST_AXES} are accepted")
    lengths = file.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise DataError(f"{path}: truncated in its IDX header; get it again")
    shape = tuple(int(n) for n in np.frombuffer(lengths, ">u4"))
    dtype = np.dtype(TYPES[code])
    promised = math.prod(shape) * dtype.itemsize
    if not promised and math.prod(filter(None, shape)) >= 2**60:
        raise DataError(f"{path}: its header promises {shape} values, more than an array can count")
    if 4 + 4 * axes + promised > most_bytes:
        raise DataError(
            f"{path}: truncated: its header promises {promised:,} bytes {shape}, more than the file can hold"
        )
    array = np.empty(math.prod(shape), dtype)
    held = fill(array, file)
    if held < promised:
        raise DataError(f"{path}: truncated: {held:,} of the {promised:,} bytes that its header promises {shape}")
    if file.read(1):
        raise DataError(f"{path}: oversized: more than the {promised:,} bytes that its header promises {shape}")
    if not dtype.isnative:
        array = array.byteswap(inplace=True).view(dtype.newbyteorder("="))
    array.flags.writeable = False
    return array.reshape(shape)


def find(folder: Path) -> list[Path] | None:
    """The four files of a dataset in `folder`, in the order of STEMS; None where it holds none of them.

    Accepted: train-images-idx3-ubyte, also with a dot (train-images.idx3-ubyte), also with .gz; the first that exists.
    Raises DataError if some of the four are missing: such a folder is broken, not of another kind.
    """
    present, missing = [], []
    for stem in STEMS:
        axes = 3 if stem.endswith("images") else 1
        names = [f"{stem}{mark}idx{axes}-ubyte{end}" for end in ("", ".gz") for mark in "-."]
        path = next((folder / name for name in names if (folder / name).exists()), None)
        (present if path else missing).append(path or f"{names[0]}[.gz]")
    if present and missing:
        raise DataError(f"{folder}: {len(present)} of the four IDX files; {' and '.join(missing)} missing")
    return present or None


def read_four(paths: list[Path]) -> Four:
    """Training images and labels, test images and labels; counts and axes are checked."""
    arrays = [read(path) for path in paths]
    for images, labels, image_path, label_path in zip(arrays[::2], arrays[1::2], paths[::2], paths[1::2], strict=True):
        if images.ndim < 2:
            raise DataError(f"{image_path}: images have two axes at least (found: shape {images.shape})")
        if labels.ndim != 1:
            raise DataError(f"{label_path}: labels have one axis (found: shape {labels.shape})")
        if len(images) != len(labels):
            raise DataError(f"{image_path}: {len(images):,} images, but {len(labels):,} labels in {label_path.name}")
    return arrays[0], arrays[1], arrays[2], arrays[3]


def download(name: str, progress: bool) -> Four:
    """The four files of mnist or fashion_mnist, from the cache or the network; sha256 is checked in both cases.

    A cache that cannot be written is passed over, for a temporary folder. Raises DataError, in one clause.
    """
    with contextlib.suppress(_CacheError):
        return _retrieve(name, cache_folder() / name, progress)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _retrieve(name, Path(folder), progress)
    except (_CacheError, OSError) as error:
        raise DataError(f"neither the cache nor a temporary folder can be written ({error})") from error


class _CacheError(Exception):
    """The folder for downloads cannot be written."""


def _retrieve(name: str, folder: Path, progress: bool) -> Four:
    import pooch
    import requests

    source = DOWNLOADS[name]
    host = urllib.parse.urlsplit(source.url).netloc
    pooch.get_logger().setLevel("WARNING")
    fetch = pooch.HTTPDownloader(progressbar=progress, timeout=TIMEOUT)
    paths = [folder / file for file in source.sha256]
    try:
        for file, digest in source.sha256.items():
            pooch.retrieve(source.url + file, f"sha256:{digest}", file, folder, downloader=fetch)  # pyright: ignore[reportArgumentType]
    except requests.HTTPError as error:
        raise DataError(str(error)) from error
    except requests.Timeout as error:
        raise DataError(f"{host} did not answer within {TIMEOUT} s") from error
    except requests.RequestException as error:
        raise DataError(f"{host} cannot be reached, or broke off ({type(error).__name__})") from error
    except ValueError as error:  # pooch's, for a checksum
        raise DataError(f"a file from {source.url} has another sha256 than was published") from error
    except OSError as error:
        raise _CacheError(str(error)) from error
    return read_four(paths)
