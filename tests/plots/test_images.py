"""Images of a network are drawn for every shape of data, and show what they say."""

import io

import numpy as np
import pytest
from helpers import texts
from PIL import Image

from jaxmlp import plots
from jaxmlp.plots.images import mosaic


def assert_picture(figure):
    with Image.open(io.BytesIO(figure.rendered())) as image:
        assert image.format == "PNG"
        assert all(100 <= side <= 1500 for side in image.size)


def sheet(figure):
    return figure.axes[0].images[0].get_array()


@pytest.mark.parametrize(("K", "long"), [(2, False), (2, True), (10, True), (20, False), (21, True), (100, False)])
def test_confusion_of_any_number_of_classes(K, long):
    counts = np.random.default_rng(0).integers(0, 3, size=(K, K)) + 1000 * np.eye(K, dtype=int)
    counts[K // 2] = 0
    figure = plots.confusion_matrix(counts, [f"a class with a long name {i}" if long else i for i in range(K)])
    assert_picture(figure)
    correct, total = np.trace(counts), counts.sum()
    assert f"{correct:,} / {total:,} correct ({100 * correct / total:.2f} %)" in texts(figure)
    cells = [(text.get_position(), int(text.get_text())) for text in figure.axes[0].texts]
    assert cells == ([((j, i), counts[i, j]) for i, j in np.argwhere(counts)] if K <= 20 else [])


def test_confusion_without_examples():
    figure = plots.confusion_matrix(np.zeros((3, 3), int), ["$\\frac$", "b_$", "数字"])
    assert "0 / 0 correct (0.00 %)" in texts(figure)


@pytest.mark.parametrize(
    ("H", "image_shape", "title"),
    [
        (1, (28, 28), "Weights into 1 unit"),
        (3, (8, 8), "Weights into 3 units"),
        (128, (28, 28, 1), "Weights into 128 units"),
        (300, (8, 8), "Weights into first 256 of 300 units"),
        (64, (32, 32, 3), "Weights into 64 units"),
        (20, (2, 40), "Weights into 20 units"),
        (256, (64, 64), "Weights into 256 units"),
        (2, (1, 1), "Weights into 2 units"),
    ],
    ids=str,
)
def test_weights_of_any_first_layer(H, image_shape, title):
    weights = np.random.default_rng(0).normal(size=(np.prod(image_shape), H)).astype("f4")
    figure = plots.first_layer_weights(weights, image_shape)
    assert_picture(figure)
    assert title in texts(figure)
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high
    shown = np.ma.masked_invalid(sheet(figure))
    h, w = image_shape[:2]
    assert shown.count() == min(H, 256) * h * w
    first = weights[:, 0].reshape(h, w, -1).mean(axis=-1)
    np.testing.assert_allclose(shown[:h, :w], first, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, np.nan, 1e30])
def test_weights_without_a_scale(value):
    figure = plots.first_layer_weights(np.full((64, 5), value, "f4"), (8, 8))
    assert_picture(figure)


def test_the_surest_mistakes_come_first():
    labels, predictions = np.array([0, 1, 1, 0]), np.array([1, 1, 0, 1])
    confidence = np.array([0.6, 1.0, 0.99996, 0.8], "f4")
    images = np.stack([np.linspace(0, i + 1, 64) for i in range(4)]) - 7
    images[2] = images[2, ::-1]
    figure = plots.confident_mistakes(images, labels, predictions, confidence, ["no", "yes"], (8, 8))
    assert_picture(figure)
    said = [text.get_text() for text in figure.axes[0].texts]
    assert said == ["true yes, said no\n99.9 %", "true no, said yes\n80.0 %", "true no, said yes\n60.0 %"]
    np.testing.assert_allclose(sheet(figure)[:8, :8], np.linspace(1, 0, 64).reshape(8, 8), atol=1e-6)
    assert "All 3 mistakes, the most confident first" in texts(figure)


@pytest.mark.parametrize("image_shape", [(8, 8), (28, 28, 1), (16, 16, 3), (64, 128)], ids=str)
@pytest.mark.parametrize("M", [1, 2, 41])
def test_mistakes_on_any_images(image_shape, M):
    images = np.random.default_rng(0).integers(0, 256, size=(M, np.prod(image_shape)), dtype="u1")
    images[0] = 255
    labels = np.arange(M) % 3
    names = ["a very long name of a class", "数字", "$\\frac$"]
    figure = plots.confident_mistakes(images, labels, (labels + 1) % 3, np.linspace(0, 1, M), names, image_shape)
    assert_picture(figure)
    assert len(figure.axes[0].texts) == min(M, 40)
    titles = {
        1: "The only mistake",
        2: "All 2 mistakes, the most confident first",
        41: "The 40 most confident of 41 mistakes",
    }
    assert titles[M] in texts(figure)


@pytest.mark.parametrize("M", [0, 5])
def test_no_mistakes_is_said(M):
    labels = np.zeros(M, int)
    figure = plots.confident_mistakes(np.zeros((M, 64)), labels, labels, np.ones(M), [0, 1], (8, 8))
    assert_picture(figure)
    assert texts(figure) == [f"No mistakes in {M} examples"]


def test_a_mosaic_has_every_tile_in_its_place():
    tiles = np.arange(5 * 2 * 3).reshape(5, 2, 3)
    found = mosaic(tiles, 3, (4, 1), -1.0)
    assert found.shape == (2 * 2 + 4, 3 * 3 + 2)
    for i, tile in enumerate(tiles):
        y, x = (i // 3) * 6, (i % 3) * 4
        assert found[y : y + 2, x : x + 3].tolist() == tile.tolist()
    assert (found == -1).sum() == found.size - tiles.size
