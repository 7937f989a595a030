"""Curves are drawn of every shape of run, and say what they show."""

import numpy as np
import pytest
from helpers import texts

from jaxmlp import plots


def row(epoch, loss, accuracy=0.5):
    measured = {"loss": loss, "accuracy": accuracy}
    return {"epoch": epoch, "train": measured, "validation": measured}


def test_the_best_epoch_is_marked():
    losses = [1.0, 0.5, 0.25, 0.75]
    figure = plots.run_curves([row(i + 1, loss, 1 - loss / 2) for i, loss in enumerate(losses)], 3)
    for axes, value in zip(figure.axes, (0.25, 0.875), strict=True):
        (point,) = axes.findobj(lambda artist: artist.get_gid() == "best")
        assert point.get_xydata().tolist() == [[3, value]]
        assert axes.lines[0].get_xdata().tolist() == [1, 2, 3, 4]
    assert {"best epoch 3: 0.25", "best epoch 3: 87.5 %", "train", "validation"} <= set(texts(figure))


@pytest.mark.parametrize(
    ("rows", "lost"),
    [
        ([], ""),
        ([row(1, 0.5)], ""),
        ([row(1, None)], "1"),
        ([row(1, float("nan")), row(2, float("inf"))], "1, 2"),
        ([row(1, 2.0), row(2, 1.0), row(3, None)], "3"),
        ([row(i, None) for i in range(1, 6)], "1, 2, 3, …"),
        ([row(i, 1.0, 1.0) for i in range(1, 400)], ""),
        ([row(i, 1e30**i) for i in range(1, 9)], ""),
    ],
    ids=["none", "one", "one diverged", "all diverged", "last diverged", "many diverged", "constant", "huge"],
)
def test_epochs_without_a_loss_are_said(rows, lost):
    figure = plots.run_curves(rows, 1)
    assert figure.rendered()[1:4] == b"PNG"
    said = f"Loss and accuracy of each epoch{f' (no finite loss in epoch {lost})' if lost else ''}"
    assert said in texts(figure)


def test_the_median_ends_where_half_of_the_seeds_have_ended():
    def run(*losses):
        names = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
        return {"best_epoch": 1, "curves": {name: list(losses) for name in names}}

    figure = plots.seed_curves([run(3.0, 1.0), run(2.0, None, 5.0), run(1.0)], published_stop=2)
    thick = [line for line in figure.axes[0].lines if line.get_label().startswith("validation")]
    np.testing.assert_allclose(thick[0].get_ydata(), [2.0, np.nan])
    assert {"validation, median of 3 seeds", "the report stops: epoch 2"} <= set(texts(figure))


def test_errors_over_eps_have_their_slope_and_floor():
    errors = {"float64": {"eps": [0.1, 0.01], "error": [1e-3, None], "slope": 2.0, "floor": 3e-12}}
    figure = plots.eps_errors(errors, 1e-2)
    assert {"float64: slope 2.00, floor 3e-12", "eps squared", "the report's eps, 0.01"} <= set(texts(figure))
    (squared,) = [line for line in figure.axes[0].lines if line.get_label() == "eps squared"]
    np.testing.assert_allclose(squared.get_ydata(), [1e-3, 1e-5])


@pytest.mark.parametrize(
    ("scores", "title", "low"),
    [([0.1, 0.5], "R2", 0.0), ([-30.0, 0.5], "R2 (cut at -1)", -1.0), ([-30.0, -3.0], "R2", -40.0)],
    ids=["good", "bad at first", "all bad"],
)
def test_r2_of_values_is_drawn_and_cut_where_it_would_hide_the_rest(scores, title, low):
    measured = [{"loss": 1.0, "r2": score, "count": 9} for score in scores]
    rows = [{"epoch": i, "train": part, "validation": part} for i, part in enumerate(measured, 1)]
    figure = plots.run_curves(rows, 2)
    assert {title, "Loss and R2 of each epoch", f"best epoch 2: {scores[1]:.4g}"} <= set(texts(figure))
    assert figure.axes[1].lines[0].get_ydata().tolist() == scores
    assert figure.axes[1].get_ylim()[0] >= low


@pytest.mark.parametrize(
    ("line", "steps", "scale"),
    [
        ([(100, 1.0), (200, 0.1), (203, 0.2)], [100, 200], "log"),
        ([(3, 0.5)], [3], "log"),
        ([(3, 0.0)], [3], "linear"),
        ([(3, float("nan"))], [3], "linear"),
        ([], [], "linear"),
    ],
    ids=["partial window", "one window", "no error", "diverged", "no window"],
)
def test_the_partial_window_of_a_perceptron_is_left_out(line, steps, scale):
    figure = plots.perceptron_errors({"sigmoid": [line, line], "tanh": [line]}, 3e-6)
    assert [drawn.get_xdata().tolist() for drawn in figure.axes[0].lines] == [steps] * 3
    assert figure.axes[0].get_yscale() == scale
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sigmoid", "tanh"]
    assert figure.rendered()
