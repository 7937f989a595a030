"""`python -m jaxmlp.predict`: the same answers as Model.predict on the same pixels, and one line for what is no image."""

import json
import os
import zlib

import jax
import numpy as np
import pytest
from helpers import flipped, refused, strict_json
from PIL import Image

import jaxmlp
from jaxmlp.data.config import Data
from jaxmlp.data.preparing import prepare
from jaxmlp.data.sources import Dataset, load_data
from jaxmlp.errors import DataError, RunError, UsageError
from jaxmlp.predict.command import main
from jaxmlp.predict.images import read_image
from jaxmlp.run import model
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.training.fitting import fit
from jaxmlp.training.model import Model


@pytest.fixture(scope="module")
def dataset():
    return load_data(Data(name="digits"))


@pytest.fixture(scope="module")
def digits(dataset, tmp_path_factory):
    """The directory of a network that knows the digits of 8 x 8 pixels fairly well."""
    out = tmp_path_factory.mktemp("run")
    splits, preparation = prepare(dataset, Data(name="digits"))
    spec = Spec(Network(hidden=(8,)), Training(batch_size=32, max_epochs=10), 64, 10)
    model.save(out, Model(spec, fit(spec, Hyper(), splits).params, preparation))
    return out


@pytest.fixture(scope="module")
def pictures(dataset, tmp_path_factory):
    """PNG files of test examples."""
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"{number}.png" for number in range(20)]
    for path, pixels in zip(paths, dataset.test_images[:20], strict=True):
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return paths


def untrained(out, images, **network):
    labels = np.arange(len(images)) % 3
    splits, preparation = prepare(Dataset(images, labels, images, labels, ""), Data())
    spec = Spec(Network(**network), Training(), splits.train.x.shape[1], 3)
    model.save(out, Model(spec, jaxmlp.init(spec, Hyper(), jax.random.key(0)), preparation))
    return out


def as_json(capsys, *arguments):
    assert main([str(argument) for argument in [*arguments, "--json"]]) == 0
    return json.loads(capsys.readouterr().out)


def test_classes_are_those_of_the_model_on_the_same_pixels(digits, pictures, dataset, capsys):
    found = as_json(capsys, digits, *pictures, "--top", "10")
    trained, rows = jaxmlp.load(digits), dataset.test_images[:20]
    assert [row["class"] for row in found] == trained.predict(rows).tolist()
    assert np.mean([row["class"] for row in found] == dataset.test_labels[:20]) > 0.7
    for row, path, chances in zip(found, pictures, trained.predict_proba(rows), strict=True):
        assert row["file"] == str(path)
        assert row["probability"] == pytest.approx(chances.max(), abs=1e-6)
        assert [top["class"] for top in row["top"]] == np.argsort(-chances, kind="stable").tolist()
        assert sum(top["probability"] for top in row["top"]) == pytest.approx(1, abs=1e-5)


def test_the_table_has_a_row_an_image(digits, pictures, capsys):
    assert main([str(digits / "model.safetensors"), *map(str, pictures[:3])]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("file", "class", "probability", "runner-up", "0.png", "1.png", "2.png", " %"))
    main([str(digits), str(pictures[0]), "--top", "1"])
    assert "runner" not in capsys.readouterr().out
    main([str(digits), str(pictures[0]), "--top", "99"])
    assert "runners-up" in capsys.readouterr().out


def test_under_squared_error_the_numbers_are_outputs(tmp_path, pictures, capsys):
    run = untrained(
        tmp_path, np.random.default_rng(0).normal(size=(9, 8, 8)), loss="squared_error", output_activation="tanh"
    )
    main([str(run), str(pictures[0])])
    out = capsys.readouterr().out
    assert "output" in out
    assert "probability" not in out
    assert as_json(capsys, run, pictures[0])[0].keys() == {"file", "class", "output", "top"}


def test_inverting_undoes_inverting(digits, pictures, tmp_path, capsys):
    Image.fromarray(255 - np.asarray(Image.open(pictures[0]))).save(tmp_path / "dark.png")
    plain, inverted = as_json(capsys, digits, pictures[0]), as_json(capsys, digits, tmp_path / "dark.png", "--invert")
    assert plain[0]["top"] == inverted[0]["top"]


def test_another_size_is_refused_unless_it_is_to_be_resized(digits, pictures, tmp_path, capsys):
    Image.open(pictures[0]).resize((16, 24), Image.Resampling.NEAREST).save(tmp_path / "big.png")
    assert main([str(digits), str(tmp_path / "big.png")]) == 1
    line = capsys.readouterr().err
    assert "big.png has 16 x 24 pixels, the network takes 8 x 8: crop it, or let it be scaled by --resize" in line
    assert as_json(capsys, digits, tmp_path / "big.png", "--resize")[0]["class"] in range(10)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16", "F"])
def test_every_kind_of_image_is_made_grey(tmp_path, mode):
    plain = Image.fromarray(np.asarray([[0, 255, 0], [255, 0, 255]], np.uint8))
    if mode.startswith("I"):
        image = Image.fromarray(np.asarray(plain).astype(np.int32 if mode == "I" else np.uint16) * 257)
    else:
        image = plain.convert(mode)
    path = tmp_path / {"I": "a.pgm", "F": "a.pfm"}.get(mode, "a.png")
    image.save(path)
    assert read_image(path, (2, 3), invert=False, resize=False).tolist() == np.asarray(plain).tolist()


def test_what_is_transparent_is_white(tmp_path):
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", (2, 2), invert=False, resize=False).tolist() == [[0, 255], [255, 255]]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_networks_of_colour_images_take_colours(tmp_path, channels, capsys):
    images = np.random.default_rng(0).integers(0, 256, (9, 5, 4, channels)).astype(np.uint8)
    run = untrained(tmp_path, images, hidden=())
    Image.fromarray(images[0].squeeze()).save(tmp_path / "a.png")
    assert as_json(capsys, run, tmp_path / "a.png")[0]["class"] == jaxmlp.load(run).predict(images[:1])[0]


@pytest.mark.parametrize("shape", [(7,), (5, 4, 2), (2, 2, 2, 2)], ids=str)
def test_networks_of_other_inputs_are_refused(tmp_path, shape, pictures):
    run = untrained(tmp_path, np.random.default_rng(0).normal(size=(9, *shape)), hidden=())
    with pytest.raises(DataError, match="which are no images"):
        main([str(run), str(pictures[0])])


def png_of(width, height):
    """A PNG that claims to be large, and is not."""

    def chunk(kind, data):
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["tiff", "dds", "ico"])
def test_only_common_kinds_of_images_are_decoded(tmp_path, kind):
    Image.fromarray(np.zeros((16, 16), np.uint8)).convert("RGBA").save(tmp_path / f"a.{kind}")
    words = [f"a.{kind} is no image of a kind that is read (PNG, JPEG, GIF, BMP, WEBP, PPM)"]
    refused(words, read_image, tmp_path / f"a.{kind}", (16, 16), invert=False, resize=False, error=DataError)


def test_a_pipe_in_place_of_an_image_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    refused(["no regular file"], read_image, tmp_path / "a.png", (8, 8), invert=False, resize=True, error=DataError)


def test_a_large_image_is_refused_before_it_is_decoded_unless_that_is_allowed(tmp_path):
    (tmp_path / "long.png").write_bytes(png_of(80_000_000, 1))
    words = ["80,000,000 x 1 pixels, 80 MB", "--max-megabytes 80"]
    refused(words, read_image, tmp_path / "long.png", (8, 8), invert=False, resize=True, error=DataError)
    Image.new("L", (1200, 1000), 7).save(tmp_path / "a.png")
    arguments = {"invert": False, "resize": True}
    words = ["1,200 x 1,000 pixels", "--max-megabytes 2"]
    refused(words, read_image, tmp_path / "a.png", (8, 8), most_megabytes=1, error=DataError, **arguments)
    assert read_image(tmp_path / "a.png", (8, 8), most_megabytes=2, **arguments).tolist() == [[7] * 8] * 8


def test_the_good_images_are_answered_and_the_bad_ones_named(digits, pictures, tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(b"no image")
    paths = [pictures[0], tmp_path / "bad.png", pictures[1], tmp_path / "missing.png"]
    both = as_json(capsys, digits, pictures[0], pictures[1])
    assert main([str(digits), *map(str, paths), "--json"]) == 1
    out, err = capsys.readouterr()
    assert strict_json(out) == both
    assert [line.split(" ")[1] for line in err.splitlines()] == [str(paths[1]), str(paths[3])]
    assert main([str(digits), *map(str, paths)]) == 1
    assert "bad.png" not in capsys.readouterr().out
    assert main([str(digits), str(paths[1]), "--json"]) == 1
    assert strict_json(capsys.readouterr().out) == []


def test_what_is_no_image_is_told_in_one_line(digits, pictures, tmp_path, capsys):
    whole = pictures[0].read_bytes()
    files = {
        "text.png": b"not an image",
        "empty.png": b"",
        "short.png": whole[: len(whole) // 2],
        "header.png": whole[:20],
        "bomb.png": png_of(20_000, 20_000),
        "large.png": png_of(10_000, 10_000),
        "lying.png": png_of(8, 8),
        **{f"damaged{position}.png": flipped(whole, position) for position in range(0, len(whole), 5)},
    }
    taken = set()  # some bytes do not matter
    for name, blob in files.items():
        path = tmp_path / name
        path.write_bytes(blob)
        if main([str(digits), str(path), "--resize"]) == 0:
            taken.add(name)
            continue
        assert capsys.readouterr().err.splitlines()[0].startswith(f"error: {path} ")
    assert all(name.startswith("damaged") for name in taken)
    assert len(taken) < len(files) / 4
    for path in (tmp_path, tmp_path / "missing.png"):
        capsys.readouterr()
        assert main([str(digits), str(path)]) == 1
        assert "cannot be read" in capsys.readouterr().err


def test_what_is_no_model_is_told_in_one_line(digits, pictures, tmp_path):
    with pytest.raises(RunError, match="does not exist"):
        main([str(tmp_path), str(pictures[0])])
    whole = (digits / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(flipped(whole, len(whole) - 9))
    with pytest.raises(RunError, match="is damaged"):
        main([str(tmp_path), str(pictures[0])])
    with pytest.raises(RunError, match="is damaged"):
        main([str(pictures[0]), str(pictures[0])])


@pytest.mark.parametrize(
    ("table", "way_out"),
    [
        ("hyper", "bring a copy back, or write it again by python -m jaxmlp.train --out 'a; b' --resume"),
        ("online", "bring a copy back, or train it again"),
        (None, "bring a copy back, or train it again"),
    ],
)
def test_a_damaged_model_of_a_run_is_written_again_by_a_line_that_is_told(
    digits, pictures, tmp_path, monkeypatch, table, way_out
):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "a; b"
    run.mkdir()
    if table is not None:
        (run / "config.toml").write_text(f"[{table}]\n")
    (run / "model.safetensors").write_bytes((digits / "model.safetensors").read_bytes()[:-9])
    with pytest.raises(RunError, match="is damaged") as refusal:
        main([str(run), str(pictures[0])])
    assert str(refusal.value).endswith(f"; {way_out}")


def test_wrong_usage_is_told(digits, pictures):
    for arguments, words in (
        ([digits], "no file is given"),
        ([], "RUN is missing"),
        ([digits, pictures[0], "--top", "0"], "--top is 0"),
        ([digits, pictures[0], "--top", "two"], "--top"),
        ([digits, pictures[0], "--inverse"], "did you mean --invert"),
    ):
        with pytest.raises(UsageError, match=words):
            main([str(argument) for argument in arguments])


def test_help_tells_of_the_colours_of_mnist(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "white on" in capsys.readouterr().out
