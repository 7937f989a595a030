"""Where `data.name` is looked for, in which order, and what is said when it is nowhere."""

import gzip
import hashlib
import http.server
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers import refused

from jaxmlp.data import idx
from jaxmlp.data.config import Data
from jaxmlp.data.preparing import prepare
from jaxmlp.data.sources import OPENINGS, load_data, resolved
from jaxmlp.errors import DataError, UsageError

BESIDE = Path(__file__).parents[3] / "shared" / "data"
GIVEN = os.environ.get("JAXMLP_DATA")


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """Nothing is found by default: no variables, an empty tfds folder and cache, and servers that do not exist."""
    monkeypatch.delenv("JAXMLP_DATA", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("JAXMLP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    for name, download in idx.DOWNLOADS.items():
        monkeypatch.setitem(idx.DOWNLOADS, name, download._replace(url="http://127.0.0.1:9/"))


def labels_of(name, count=12):
    return np.resize(OPENINGS.get(name, (1, 0)), count).astype(np.uint8)


def files_of(name) -> dict[str, bytes]:
    """The four files, gzipped; small images, but the labels that tell the sets."""
    labels = labels_of(name)
    label_file = struct.pack(">BBBBI", 0, 0, 8, 1, 12) + labels.tobytes()
    image_file = struct.pack(">BBBBIII", 0, 0, 8, 3, 12, 2, 2) + labels.repeat(4).tobytes()
    contents = [image_file, label_file] * 2
    return {f: gzip.compress(c, mtime=0) for f, c in zip(idx.DOWNLOADS["mnist"].sha256, contents, strict=True)}


def write_idx(folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files_of(name).items():
        (folder / file).write_bytes(content)
    return folder


def write_npz(path, name="mnist"):
    path.parent.mkdir(parents=True, exist_ok=True)
    images = labels_of(name)[:, None, None].repeat(4, 1)
    np.savez(path, x_train=images, y_train=labels_of(name), x_test=images, y_test=labels_of(name))
    return path


def check(data, origin, name=None):
    dataset = load_data(data)
    assert str(origin) in dataset.origin
    np.testing.assert_array_equal(dataset.train_labels, labels_of(name or data.name))
    np.testing.assert_array_equal(dataset.train_images.reshape(12, -1)[:, 0], dataset.train_labels)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_in_data_dir(tmp_path, name):
    check(Data(name, dir=str(write_idx(tmp_path / "a", name))), tmp_path / "a")
    check(Data(name, dir=str(write_npz(tmp_path / "b" / "any.npz", name).parent)), "any.npz")
    check(Data(name, dir=str(tmp_path / "b" / "any.npz")), "any.npz")


def test_data_dir_beats_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXMLP_DATA", str(write_idx(tmp_path / "variable", "mnist")))
    check(Data("mnist"), tmp_path / "variable")
    check(Data("mnist", dir=str(write_idx(tmp_path / "dir", "mnist"))), tmp_path / "dir")


def test_sub_folders_of_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXMLP_DATA", str(tmp_path))
    for name in ("mnist", "fashion_mnist"):
        write_idx(tmp_path / name, name)
    write_idx(tmp_path, "mnist")
    for name in ("mnist", "fashion_mnist"):
        check(Data(name), tmp_path / name)


@pytest.mark.parametrize(("asked", "there"), [("mnist", "fashion_mnist"), ("fashion_mnist", "mnist")])
@pytest.mark.parametrize("write", [write_idx, lambda folder, name: write_npz(folder / "set.npz", name)])
def test_one_set_is_never_taken_for_the_other(tmp_path, monkeypatch, asked, there, write):
    write(tmp_path / "data", there)
    monkeypatch.setenv("JAXMLP_DATA", str(tmp_path / "data"))
    with pytest.raises(DataError, match=f"data holds {there}"):
        load_data(Data(asked))


def test_unknown_content_counts_for_the_set_asked_for(tmp_path):
    check(Data("fashion_mnist", dir=str(write_idx(tmp_path, "own"))), tmp_path, name="own")


def test_the_npz_of_the_set_s_name_is_preferred(tmp_path):
    write_npz(tmp_path / "mnist.npz")
    write_npz(tmp_path / "other.npz", "fashion_mnist")
    check(Data("mnist", dir=str(tmp_path)), "mnist.npz")


@pytest.mark.parametrize("place", ["dir", "variable"])
def test_damage_is_an_error_at_once(tmp_path, monkeypatch, place):
    folder = write_idx(tmp_path / "data", "mnist")
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-5])
    if place == "variable":
        monkeypatch.setenv("JAXMLP_DATA", str(folder))
    data = Data("mnist", dir=str(folder) if place == "dir" else "")
    assert refused([], load_data, data, error=DataError).startswith(f"{path}: the gzip file is damaged")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("", "neither data.dir nor the variable JAXMLP_DATA is set"),
        ("none", "none does not exist"),
        ("empty", "empty holds no IDX files and no NPZ files"),
        ("two", "two holds no IDX files and 2 NPZ files"),
    ],
)
def test_when_nothing_works_every_place_is_listed(tmp_path, given, reason):
    (tmp_path / "empty").mkdir()
    write_npz(tmp_path / "two" / "a.npz")
    write_npz(tmp_path / "two" / "b.npz")
    with pytest.raises(DataError) as caught:
        load_data(Data("mnist", dir=given and str(tmp_path / given)))
    lines = str(caught.value).splitlines()
    assert lines[0] == "mnist was not found. Tried:"
    assert lines[1].startswith("  1. folder: ")
    assert lines[1].endswith(reason)
    assert lines[2] == f"  2. tensorflow-datasets: mnist is not prepared in {tmp_path / 'tfds'}"
    assert lines[3] == "  3. download: 127.0.0.1:9 cannot be reached, or broke off (ConnectionError)"
    ways = "\n".join(lines[4:])
    for way in ("--data.dir FOLDER", "JAXMLP_DATA=FOLDER", "pip install 'jaxmlp[tfds]'", "--data.name mnist5k"):
        assert way in ways


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves the folder it returns on this machine, as the place that publishes mnist, with its checksums."""
    folder = write_idx(tmp_path / "published", "mnist")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *_):
            pass

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True).start()
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in files_of("mnist").items()}
    monkeypatch.setitem(idx.DOWNLOADS, "mnist", idx.Download(f"http://127.0.0.1:{serving.server_port}/", digests))
    yield folder
    serving.shutdown()
    serving.server_close()


def test_a_download_is_cached(server, tmp_path, capfd):
    check(Data("mnist"), "IDX files from http://127.0.0.1")
    assert capfd.readouterr() == ("", "")
    for path in server.iterdir():
        path.unlink()
    check(Data("mnist"), "IDX files from http://127.0.0.1")
    assert len(list((tmp_path / "cache" / "mnist").iterdir())) == 4


def test_a_damaged_download_in_the_cache_is_fetched_anew(server, tmp_path):
    check(Data("mnist"), "IDX files")
    (tmp_path / "cache" / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    check(Data("mnist"), "IDX files")


def test_progress_is_shown_when_asked_for(server, capfd):
    load_data(Data("mnist"), progress=True)
    assert "100%" in capfd.readouterr().err


def test_another_checksum_is_refused(server, tmp_path):
    (server / "t10k-labels-idx1-ubyte.gz").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"3\. download: a file from .* has another sha256"):
        load_data(Data("mnist"))
    assert not (tmp_path / "cache" / "mnist" / "t10k-labels-idx1-ubyte.gz").exists()


def test_a_file_that_is_not_served(server):
    (server / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"3\. download: 404 Client Error.*t10k-labels"):
        load_data(Data("mnist"))


def test_a_cache_that_cannot_be_written_does_not_stop_the_download(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("JAXMLP_CACHE", str(tmp_path / "file"))
    check(Data("mnist"), "IDX files from")


def test_no_folder_at_all_can_be_written(server, monkeypatch):
    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pooch.retrieve", refuse)
    with pytest.raises(DataError, match=r"3\. download: neither the cache nor a temporary folder can be written"):
        load_data(Data("mnist"))


def test_paths(tmp_path):
    check(Data(str(write_npz(tmp_path / "own.npz", "own"))), "own.npz", name="own")
    check(Data(str(write_idx(tmp_path / "own", "own"))), tmp_path / "own", name="own")


def test_a_path_without_data(tmp_path):
    with pytest.raises(DataError, match=r"holds no IDX files and no NPZ files; needed: train-images-idx3-ubyte"):
        load_data(Data(str(tmp_path)))
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(DataError, match=r"notes\.txt: no NPZ file"):
        load_data(Data(str(tmp_path / "notes.txt")))


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    def refuse(self, _):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "glob", refuse)
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)"):
        load_data(Data("mnist", dir=str(tmp_path)))


@pytest.mark.parametrize(("name", "hint"), [("mnsit", "did you mean mnist"), ("data/none.npz", "known: mnist")])
def test_neither_a_name_nor_a_path(name, hint):
    refused([f"'{name}' is neither a known name nor an existing path; {hint}"], load_data, Data(name))


@pytest.mark.parametrize("name", ["mnist5k", "digits", "own.npz"])
def test_a_folder_that_nobody_reads_is_refused(name):
    with pytest.raises(UsageError, match=r"data\.dir is read for mnist, fashion_mnist and tfds:NAME"):
        load_data(Data(name, dir="somewhere"))


@pytest.fixture
def real_mnist():
    folder = Path(GIVEN or BESIDE / "mnist")
    if not list(folder.glob("train-images*")):
        pytest.skip(f"no MNIST: neither in JAXMLP_DATA nor in {BESIDE / 'mnist'}")
    return folder


def test_real_mnist(real_mnist):
    dataset = load_data(Data("mnist", dir=str(real_mnist)))
    assert hashlib.md5(bytes.fromhex("0000080100002710") + dataset.test_labels.tobytes()).hexdigest() == (
        "27ae3e4e09519cfbb04c329615203637"
    )
    assert hashlib.md5(
        bytes.fromhex("00000803000027100000001c0000001c") + dataset.test_images.tobytes()
    ).hexdigest() == ("2646ac647ad5339dbf082846283269ea")
    assert dataset.train_images.shape == (60_000, 28, 28)
    with pytest.raises(DataError, match="holds mnist"):
        load_data(Data("fashion_mnist", dir=str(real_mnist)))


def rows_npz(path, **more):
    """Rows of features, not images: they have two axes."""
    x = np.random.default_rng(0).normal(5, 3, (40, 3))
    y = np.arange(40) % 2
    np.savez(path, **({"x_train": x[:30], "y_train": y[:30], "x_test": x[30:], "y_test": y[30:]} | more))
    return path


def test_auto_is_per_image_for_images_and_per_feature_for_rows(tmp_path):
    wanted = {
        "mnist5k": "per_image",
        "digits": "per_image",
        "tfds:kmnist": "per_image",
        "table.csv": "per_feature",
        str(write_npz(tmp_path / "images.npz")): "per_image",
        str(rows_npz(tmp_path / "rows.npz")): "per_feature",
        str(write_idx(tmp_path / "idx", "mnist")): "per_image",
        str(rows_npz(tmp_path / "idx" / ".." / "folder.npz")): "per_feature",
        str(tmp_path / "nowhere.npz"): "auto",
    }
    assert {name: resolved(Data(name)).normalise for name in wanted} == wanted
    assert resolved(Data("digits", normalise="none")).normalise == "none"
    for name in (str(tmp_path / "images.npz"), str(tmp_path / "rows.npz"), "digits"):
        data = Data(name)
        assert prepare(load_data(data), data)[1].normalise == wanted[name]


def test_an_npz_brings_its_own_validation_examples_and_weights(tmp_path):
    x, y = np.ones((6, 3)), np.arange(6) % 2
    path = rows_npz(tmp_path / "rows.npz", x_val=x, y_val=y, sample_weight=np.arange(30.0), sample_weight_val=y + 1.0)
    dataset = load_data(Data(str(path)))
    splits, _ = prepare(dataset, Data(str(path)))
    assert [len(part.x) for part in splits] == [30, 6, 10]
    np.testing.assert_array_equal(splits.train.weights, np.arange(30))
    np.testing.assert_array_equal(splits.validation.weights, y + 1)
    assert splits.test.weights is None
    other = load_data(Data(str(rows_npz(path, x_val=x + 1, y_val=y, sample_weight_val=y + 1.0))))
    assert other.crc32 != dataset.crc32


def test_an_npz_of_values_and_of_label_sets(tmp_path):
    values = np.random.default_rng(0).normal(size=(40, 2))
    path = rows_npz(tmp_path / "rows.npz", y_train=values[:30], y_test=values[30:])
    splits, preparation = prepare(load_data(Data(str(path))), Data(str(path)))
    assert (preparation.kind, preparation.outputs) == ("values", 2)
    np.testing.assert_array_equal(splits.test.targets, values[30:].astype(np.float32))
    sets = (values > 0).astype(np.uint8)
    path = rows_npz(tmp_path / "rows.npz", y_train=sets[:30], y_test=sets[30:])
    assert prepare(load_data(Data(str(path))), Data(str(path)))[1].kind == "labels"


def test_class_weights_of_a_config_are_of_the_training_examples(tmp_path):
    y = np.array([0] * 24 + [1] * 6)
    data = Data(str(rows_npz(tmp_path / "rows.npz", y_train=y)), class_weight="balanced")
    splits, _ = prepare(load_data(data), data)
    assert np.bincount(splits.train.targets, splits.train.weights).tolist() == pytest.approx([12, 12], rel=0.05)
    assert splits.validation.weights is splits.test.weights is None
