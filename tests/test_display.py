"""What results show of themselves: a few lines, however large they are; in notebooks a table and curves."""

import math
import re
import xml.etree.ElementTree as ET

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import display
from jaxmlp.data.preparing import Preparation
from jaxmlp.data.sources import Dataset
from jaxmlp.grid.grid_fit import GridFit, TrainedTrial
from jaxmlp.nn.network import Layer
from jaxmlp.spec import Examples, Hyper, Network, Spec, Splits, Training
from jaxmlp.training.epochs import Epoch, Measured
from jaxmlp.training.model import Model
from jaxmlp.training.result import Fit

PARAMS = (Layer(jnp.zeros((784, 128)), jnp.zeros(128)), Layer(jnp.zeros((128, 10)), jnp.zeros(10)))
PART = Examples(np.zeros((500, 784), np.float32), np.zeros(500, np.int32))
PREPARATION = Preparation(
    "per_feature", np.zeros(784, np.float32), np.ones(784, np.float32), tuple(range(10)), (28, 28)
)
MODEL = Model(Spec(Network(), Training(), 784, 10), PARAMS, PREPARATION)
EPOCHS = [Epoch(i, 0.1, Measured(1 / i, i, 1000), Measured(2 / i, i, 500), 0.1, None) for i in range(1, 1001)]
FIT = Fit(MODEL, PARAMS, EPOCHS, 990, "early_stopping", Measured(0.25, 96, 100), Measured(0.5, 9790, 10_000), 1.0)
TRIALS = 500
TABLE = {
    "trial": list(range(TRIALS)),
    "learning_rate": [0.1] * TRIALS,
    "seed": [3] * TRIALS,
    "status": ["diverged"] + ["max_epochs"] * (TRIALS - 1),
    "best_epoch": [1] * TRIALS,
    "validation_loss": [None, *map(float, range(1, TRIALS))],
    "validation_accuracy": [None] + [0.5] * (TRIALS - 1),
    "validation_correct": [None] + [60] * (TRIALS - 1),
    "validation_count": [120] * TRIALS,
}
CURVES = [{"train_loss": [2.0, None], "validation_loss": [1.0, None]}] * TRIALS
TRIAL = TrainedTrial(1, Hyper(l2=0.5), 3, MODEL)
GRID = GridFit(TABLE, CURVES, (TRIAL,), Measured(0.5, 96, 100), 2, 1.0)
NONE = GRID._replace(trained=(), test=None)
IMAGES = np.zeros((70, 28, 28), np.uint8)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (PART, ["x=float32[500, 784]", "targets=int32[500]", "weights=None"]),
        (Splits(PART, PART, PART), ["train=Examples(x=float32[500, 784]", "validation=", "test="]),
        (PARAMS, ["Layer(w=float32[784, 128], b=float32[128])"]),
        (PREPARATION, ["normalise='per_feature'", "mean=float32[784]", "input_shape=(28, 28)"]),
        (Dataset(IMAGES, IMAGES[:, 0, 0], IMAGES, IMAGES[:, 0, 0], "here"), ["uint8[70, 28, 28]", "origin='here'"]),
        (MODEL, ["784-128-10", "101,770 parameters", "[28, 28]", "per_feature"]),
        (FIT, ["784-128-10: early stopping after epoch 1000, best epoch 990", "9,790/10,000 = 97.90 %", "96/100"]),
        (
            GRID,
            ["500 trials (1 diverged, 499 max epochs), 2 programs", "trial 1 (learning_rate 0.1, seed 3)", "60/120"],
        ),
        (TRIAL, ["trial 1, seed 3", "l2=0.5", "784-128-10"]),
        (NONE, ["500 trials"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_repr_is_a_few_lines(value, words):
    text = repr(value)
    assert len(text) < 400
    assert text.count("\n") <= 5
    assert all(word in text for word in words), text


def test_pytrees_stay_pytrees_and_show_any_leaf():
    """Transformations put tracers, axes and None where arrays are."""
    shapes = []
    jax.jit(lambda splits: shapes.append(repr(splits.train)) or splits.test.x)(Splits(PART, PART, PART))
    assert shapes == ["Examples(x=float32[500, 784], targets=int32[500], weights=None)"]
    assert repr(jax.tree.map(lambda _: 0, PART)) == "Examples(x=0, targets=0, weights=None)"
    assert len(jax.tree.leaves(Splits(PART, PART, PART))) == 6


@pytest.mark.parametrize(
    "value", [FIT, GRID, NONE, MODEL, Splits(PART, PART, PART)], ids=lambda value: type(value).__name__
)
def test_html_is_small_and_well_formed(value):
    html = value._repr_html_()
    assert len(html) < 40_000
    tree = ET.fromstring(f"<div>{html}</div>")
    assert tree.find(".//table/tr") is not None
    assert (tree.find(".//svg/polyline") is not None) == (value is FIT or value is GRID)


@pytest.mark.parametrize(
    ("losses", "lines", "marks"),
    [
        ([3.0, 2.0, 1.0], 1, 1),
        ([3.0, math.nan, 1.0], 2, 1),
        ([1.0], 1, 1),
        ([2.0, 2.0, 2.0], 1, 1),
    ],
)
def test_curves_have_gaps_and_a_mark_within_the_picture(losses, lines, marks):
    drawing = ET.fromstring(f"<div>{display.curves('loss', {'validation': losses}, best=len(losses))}</div>").find(
        "svg"
    )
    assert (len(drawing.findall("polyline")), len(drawing.findall("circle"))) == (lines, marks)
    for line in drawing.findall("polyline"):
        for point in line.get("points").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= display.WIDTH
            assert 0 <= y <= display.HEIGHT


def test_curves_without_a_finite_value_are_left_out():
    assert display.curves("loss", {"validation": [math.nan, math.inf]}) == ""


def test_text_is_escaped():
    assert "<b>" not in display.table("<b>", ["<b>"], [["<b>"]])


def test_long_curves_have_no_more_points_than_pixels_and_end_with_the_last():
    losses = [1 / (i + 1) for i in range(10_000)]
    html = display.curves("loss", {"train": losses, "validation": losses}, 10_000)
    assert "over 10000 epochs" in html
    (points, _) = re.findall(r'points="([^"]*)"', html)
    assert 300 < len(points.split()) < 500
    assert points.split()[-1] == ",".join(re.search(r'cx="([^"]*)" cy="([^"]*)"', html).groups())
