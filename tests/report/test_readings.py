"""Readings of the report: what each changes, how far its numbers are off, and what is concluded."""

import pytest

from jaxmlp.fields import changed
from jaxmlp.report.published import EXPERIMENTS
from jaxmlp.report.readings import comparison, conclusion, readings_of
from jaxmlp.report.runner import read_experiment
from jaxmlp.training.validation import check_section, check_together, refuse_unread

SOFTMAX, L1 = EXPERIMENTS["softmax"], EXPERIMENTS["l1"]  # stops at 20; does not say when it stops


def runs(published, stops, accuracy=0.0, loss=0.0):
    """One run a stop, its results off by so much."""
    test = {"accuracy": published.test_accuracy + accuracy, "loss": published.test_loss + loss}
    return [{"epochs_run": stop, "test": test} for stop in stops]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_reading_changes_its_experiment_to_one_that_can_be_trained(name):
    base = read_experiment(name, None)
    configured, *others = readings_of(base)
    assert configured.changes == {}
    assert len(others) >= 3
    for reading in others:
        experiment = changed(base, reading.changes)
        assert experiment != base
        for section in ("network", "training"):
            check_section(section, getattr(experiment, section))
        check_together(experiment.network, experiment.training)
        refuse_unread(experiment.network, experiment.training, [key.removeprefix("hyper.") for key in reading.changes])


@pytest.mark.parametrize(
    ("published", "stops", "off", "fits"),
    [
        (SOFTMAX, [20, 14], {"accuracy": 0.002, "loss": 0.5}, ["accuracy", "epoch"]),
        (SOFTMAX, [23], {"accuracy": -0.01, "loss": -0.01}, ["loss", "epoch"]),  # 22, counted from 0
        (SOFTMAX, [24, 30], {"accuracy": 0.0031, "loss": 0.021}, []),
        (L1, [24], {"accuracy": -0.0029, "loss": 0.0}, ["accuracy", "loss"]),
    ],
)
def test_a_number_fits_that_is_off_by_little(published, stops, off, fits):
    found = comparison(published, runs(published, stops, **off))
    assert found["fits"] == fits
    assert found["off"]["accuracy"] == pytest.approx(off["accuracy"])
    assert ("epoch" in found["off"]) == (published is SOFTMAX)


def test_epochs_are_counted_from_1_and_from_0():
    found = comparison(SOFTMAX, runs(SOFTMAX, [20, 21, 21, 40]))
    assert found["seeds_at_epoch"] == {"from 1": 1, "from 0": 2}
    assert found["off"]["epoch"] == 0


@pytest.mark.parametrize(
    ("published", "stops_and_off", "expected"),
    [
        (
            SOFTMAX,
            {"as configured": ([30], {"accuracy": 0.1}), "other": ([21, 25], {})},
            "accuracy, loss and epoch come out with 'other'. Epoch 20 itself is met with 'other' by 1 of 2 seeds, with"
            " epochs counted from 0.",
        ),
        (
            SOFTMAX,
            {"as configured": ([30], {}), "other": ([18], {"loss": 1.0})},
            "No reading gives the report's accuracy, loss and epoch together. Nearest: accuracy and loss as configured;"
            " accuracy and epoch with 'other'. Epoch 20 itself is met by no seed; nearest is one with 'other', off by -2.",
        ),
        (L1, {"as configured": ([30], {})}, "The report's accuracy and loss come out as configured."),
        (
            L1,
            {"as configured": ([30], {"accuracy": 1.0, "loss": 1.0})},
            "None of the report's accuracy and loss comes out under any reading.",
        ),
    ],
)
def test_conclusion(published, stops_and_off, expected):
    rows = [
        {"name": name} | comparison(published, runs(published, stops, **off))
        for name, (stops, off) in stops_and_off.items()
    ]
    assert conclusion(published, rows).endswith(expected)
