"""The last lines of a sweep: configurations over their seeds, edges of axes, and trials that do not compare."""

import pytest

from jaxmlp.run.config import Experiment
from jaxmlp.sweep import ending
from jaxmlp.sweep.config import Sweep
from jaxmlp.sweep.space import Axis, Range

RATES = Axis("hyper.learning_rate", (0.1, 0.3, 1.0))


def row(trial, rate, seed, loss, status="max_epochs"):
    """A line of results.jsonl, as far as the last lines read it."""
    values = {"validation_loss": loss, "validation_accuracy": None if loss is None else 1 - loss}
    return {"trial": trial, "hyper.learning_rate": rate, "seed": seed, "status": status, **values}


def test_configurations_are_ranked_by_their_mean_and_not_by_the_luckiest_seed():
    losses = {0.1: (0.30, 0.34), 0.3: (0.20, 0.22), 1.0: (0.10, 0.50)}
    rows = [row(10 * i + s, rate, s, losses[rate][s]) for i, rate in enumerate(losses) for s in (0, 1)]
    assert list(ending.best_lines(rows, Sweep(Experiment(), (RATES,), seeds=2))) == [
        "best configurations by validation loss (mean ± standard deviation of 2 seeds):",
        "  1. learning_rate 0.3, validation loss 0.2100 ± 0.014, accuracy 79.00 ± 1.41 %",
        "  2. learning_rate 1, validation loss 0.3000 ± 0.28, accuracy 70.00 ± 28.28 %",
        "  3. learning_rate 0.1, validation loss 0.3200 ± 0.028, accuracy 68.00 ± 2.83 %",
    ]


def test_the_edge_of_an_axis_and_diverged_seeds_are_told():
    rows = [row(0, 0.1, 0, 0.4), row(1, 1.0, 0, 0.1), row(2, 0.3, 0, None, "diverged"), row(3, 0.3, 1, 0.2)]
    lines = list(ending.best_lines(rows, Sweep(Experiment(), (RATES,), seeds=1)))
    assert lines[0] == "best configurations by validation loss (one seed each):"
    assert lines[1] == "  1. learning_rate 1, validation loss 0.1000, accuracy 90.00 %"
    assert lines[3].endswith("(1 of 2 seeds diverged)")
    assert lines[4] == "learning_rate 1 is the largest value tried: extend the axis"


def test_seeds_alone_are_summarised():
    rows = [row(s, 0.1, s, loss) for s, loss in enumerate((0.1, 0.3))]
    assert list(ending.best_lines(rows, Sweep(Experiment(), (), seeds=2))) == [
        "all trials (mean ± standard deviation of 2 seeds): validation loss 0.2000 ± 0.14, accuracy 80.00 ± 14.14 %"
    ]


@pytest.mark.parametrize(
    ("axis", "best", "told"),
    [
        (Axis("hyper.l2", (0.0, 1e-4, 1e-3)), 0.0, []),  # nothing lies below
        (Axis("hyper.l2", (1e-5, 1e-4, 1e-3)), 1e-5, ["l2 1e-5 is the smallest value tried: extend the axis"]),
        (Axis("hyper.l2", (1e-5, 1e-4, 1e-3)), 1e-4, []),
        (Axis("data.split_seed", (0, 1)), 1, []),
        (Axis("network.hidden", ((4,), (8,))), [8], []),
        (Axis("network.activation", ("relu", "tanh")), "relu", []),
        (Axis("network.dropout", (True, False)), True, []),
        (Axis("hyper.l2", (1e-3,)), 1e-3, []),
        (Axis("hyper.l2", space=Range(1e-5, 1e-3)), 1e-3, []),
    ],
)
def test_only_numbers_have_edges(axis, best, told):
    assert list(ending.edges({axis.key: best}, [axis])) == told


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        ([RATES], ""),
        ([Axis("data.normalise", ("unit", "none"))], ""),
        ([Axis("data.split_seed", (0,))], ""),
        ([Axis("data.split_seed", (0, 1))], "warning: data.split_seed is an axis: trials are compared on different"),
        ([Axis("data.validation", space=Range(0.1, 0.2))], "warning: data.validation is an axis: "),
        (
            [Axis("data.name", ("digits", "mnist5k")), RATES, Axis("data.stratified", (True, False))],
            "warning: data.name and data.stratified are axes: ",
        ),
    ],
)
def test_different_validation_examples_are_warned_of(axes, told):
    lines = list(ending.split_warning(axes))
    assert len(lines) == bool(told)
    assert all(line.startswith(told) for line in lines)
