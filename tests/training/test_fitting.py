"""The host loop: which events the callbacks get in which order, how they stop training, and what is compiled when."""

import numpy as np
import pytest
from helpers import assert_same, clouds, counting, refused

from jaxmlp.spec import Hyper, Network, Spec, Splits, Training
from jaxmlp.training import fitting, loop
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.fitting import fit
from jaxmlp.training.validation import check_data

HYPER = Hyper(learning_rate=0.5, patience=0)


def spec_of(**training):
    return Spec(Network(hidden=(5,)), Training(**({"batch_size": 8, "max_epochs": 4} | training)), inputs=6, outputs=3)


SPLITS = Splits(*(clouds(count, inputs=6, noise=1.0, seed=seed) for seed, count in enumerate((20, 10, 7))))


class Events(Callbacks):
    """Keeps the events in their order; asks to stop after the epoch `last`."""

    def __init__(self, last=0):
        self.events, self.last = [], last

    def on_compile(self, what):
        self.events.append(("compile", what))

    def on_train_begin(self, done, max_epochs, examples):
        self.events.append(("begin", done, max_epochs, examples))

    def on_epoch_end(self, epoch):
        self.events.append(epoch)

    def on_train_end(self):
        self.events.append("end")

    def should_stop(self):
        return self.events[-1].epoch == self.last


def test_callbacks_see_every_epoch_and_change_none():
    callbacks = Events()
    found, silent = fit(spec_of(), HYPER, SPLITS, callbacks=callbacks), fit(spec_of(), HYPER, SPLITS)
    assert callbacks.events == [("compile", "6-5-3"), ("begin", 0, 4, 20), *found.epochs, "end"]
    assert_same(found.state, silent.state)


@pytest.mark.parametrize(("last", "epochs", "reason"), [(2, 2, "stopped"), (4, 4, "max_epochs"), (9, 4, "max_epochs")])
def test_a_callback_stops_training_after_an_epoch(last, epochs, reason):
    """The result is that of so many epochs; and a training that ends in that epoch anyway says why it did."""
    callbacks = Events(last)
    found = fit(spec_of(), HYPER, SPLITS, callbacks=callbacks)
    assert (len(found.epochs), found.stop_reason, callbacks.events[-1]) == (epochs, reason, "end")
    short = fit(spec_of(max_epochs=epochs), HYPER, SPLITS)
    assert_same(found.state, short.state)
    assert found.test == short.test


def test_early_stopping_in_the_epoch_of_a_request_is_the_reason():
    hyper = HYPER._replace(learning_rate=100.0, patience=1)
    whole = fit(spec_of(max_epochs=50), hyper, SPLITS)
    assert whole.stop_reason == "early_stopping"
    assert (
        fit(spec_of(max_epochs=50), hyper, SPLITS, callbacks=Events(len(whole.epochs))).stop_reason == "early_stopping"
    )


def test_compiling_runs_nothing_and_a_second_fit_compiles_nothing(monkeypatch):
    """The program that trains is the one that was compiled before: one trace for all values of the hyperparameters."""
    epoch, traces = counting(loop.epoch)
    monkeypatch.setattr(loop, "epoch", epoch)
    spec = spec_of(max_epochs=3, batch_size=7)
    hyper, key, state = fitting.initial(spec, HYPER, 0)
    program, _ = fitting.compile_epoch(spec, hyper, key, SPLITS, state)
    assert len(traces) == 1
    first = fit(spec, HYPER, SPLITS)
    fit(spec, HYPER._replace(learning_rate=0.1, patience=2), SPLITS, seed=1)
    assert len(traces) == 1
    assert program.compile_seconds > first.compile_seconds


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.full((20, 6), 1e300), ["splits.train.x goes up to 1e+300; accepted is at most 3.4e+38"]),
        (np.full((20, 6), "a"), ["splits.train.x has the type <U1; accepted are numbers"]),
    ],
    ids=["large", "text"],
)
def test_examples_that_float32_does_not_hold_are_refused(x, words):
    splits = SPLITS._replace(train=SPLITS.train._replace(x=x))
    refused(words, check_data, spec_of(), splits)
