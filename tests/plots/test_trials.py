"""Which trial or configuration is best, and in which words."""

import itertools

import pytest

from jaxmlp.plots.trials import best_group, best_label, configuration, diverged, pruned


def row(trial, loss, status="max_epochs"):
    return {"trial": trial, "seed": 7, "status": status, "validation_loss": loss, "validation_accuracy": 0.5}


@pytest.mark.parametrize(
    ("losses", "best_trial", "expected"),
    [
        ({"a": [0.1, 0.9], "b": [0.4, 0.4]}, 0, "b"),  # the lowest mean, not the luckiest seed
        ({"a": [0.1, None], "b": [0.4, 0.4]}, 0, "b"),  # one that may diverge is not the best
        ({"a": [0.1, None], "b": [0.4, None]}, 0, "a"),
        ({"a": [None, None], "b": [None, None]}, None, None),
        ({"a": [0.4], "b": [0.1]}, 0, "a"),  # without seeds the sweep decides
        ({"a": [0.4], "b": [0.1]}, None, None),
        ({"a": [0.4], "b": [None]}, 1, None),
    ],
)
def test_which_is_ringed(losses, best_trial, expected):
    trials = itertools.count()
    groups = {place: [row(next(trials), loss) for loss in values] for place, values in losses.items()}
    assert best_group(groups, best_trial) == expected


def test_a_trial_is_described_by_what_it_reads():
    axes = ["hyper.learning_rate", "hyper.momentum", "network.hidden"]
    found = row(3, 0.25) | {"hyper.learning_rate": 0.3, "network.hidden": [64, 32]}
    assert configuration(found, axes) == "learning_rate 0.3, hidden 64-32"
    assert configuration(found, []) == "seed 7"
    assert best_label([found], axes[:1]) == "best: loss 0.25, accuracy 50.00 % (trial 3): learning_rate 0.3"
    assert best_label([found, row(4, 0.35)], axes[:1]).startswith(
        "best: loss 0.3, accuracy 50.00 % (mean of 2 seeds): "
    )


@pytest.mark.parametrize(
    ("status", "loss", "expected"),
    [
        ("max_epochs", 0.1, (False, False)),
        ("diverged", 0.1, (True, False)),
        ("pruned", 0.1, (False, True)),
        ("pruned", None, (True, False)),
        ("max_epochs", float("inf"), (True, False)),
    ],
)
def test_a_trial_without_a_finite_loss_has_diverged(status, loss, expected):
    found = row(0, loss, status)
    assert (diverged(found), pruned(found)) == expected
