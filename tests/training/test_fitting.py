"""The host loop: which events the callbacks get in which order, how they stop training, and what is compiled when."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from helpers import assert_close, assert_same, clouds, counting, refused

from jaxmlp.nn.network import INITS
from jaxmlp.spec import Examples, Hyper, Network, Spec, Splits, Training
from jaxmlp.training import fitting, loop
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.fitting import fit
from jaxmlp.training.model import as_it_is, checked_preparation
from jaxmlp.training.result import check_start
from jaxmlp.training.validation import check_data

HYPER = Hyper(learning_rate=0.5, patience=0)


def spec_of(**training):
    return Spec(Network(hidden=(5,)), Training(**({"batch_size": 8, "max_epochs": 4} | training)), inputs=6, outputs=3)


SPLITS = Splits(*(clouds(count, inputs=6, noise=1.0, seed=seed) for seed, count in enumerate((20, 10, 10))))


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
    whole = fit(spec_of(), hyper, SPLITS)
    assert whole.stop_reason == "early_stopping"
    assert fit(spec_of(), hyper, SPLITS, callbacks=Events(len(whole.epochs))).stop_reason == "early_stopping"


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


def test_several_callbacks_get_every_event_and_any_can_stop():
    first, second = Events(3), Events(2)
    found = fit(spec_of(), HYPER, SPLITS, callbacks=[first, second])
    assert first.events == second.events == [("compile", "6-5-3"), ("begin", 0, 4, 20), *found.epochs, "end"]
    assert (len(found.epochs), found.stop_reason) == (2, "stopped")


VALUES = Splits(*(Examples(part.x, part.x[:, :2] ** 2) for part in SPLITS))


def test_the_model_is_that_of_the_best_epoch():
    """Without a preparation x goes in as it is; with one, as it came."""
    found = fit(spec_of(), HYPER, SPLITS)
    assert_same(found.model.params, found.state.best_params)
    assert found.model.score(SPLITS.test.x, SPLITS.test.targets) == pytest.approx(found.test.accuracy)
    named = found.model.preparation._replace(classes=("ant", "bee", "cat"))
    other = fit(spec_of(), HYPER, SPLITS, preparation=named).model
    assert set(other.predict(SPLITS.test.x).tolist()) <= {"ant", "bee", "cat"}
    assert other.predict(SPLITS.test.x).tolist() == [named.classes[k] for k in found.model.predict(SPLITS.test.x)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "labels"}, ["preparation is of labels"]),
        ({"classes": (1, 2)}, ["spec.outputs is 3", "2 classes"]),
        ({"input_shape": (5,)}, ["spec.inputs is 6", "[5]"]),
    ],
)
def test_a_preparation_of_other_data_is_refused_before_training(change, words):
    preparation = as_it_is(spec_of(), SPLITS.train.targets)._replace(**change)
    refused(words, fit, spec_of(), HYPER, SPLITS, preparation=preparation)


def test_the_history_has_a_column_for_each_metric():
    found = fit(spec_of(gradient="both"), HYPER, SPLITS)
    assert found.history == {
        "epoch": [1, 2, 3, 4],
        "learning_rate": [0.5] * 4,
        "train_loss": [epoch.train.loss for epoch in found.epochs],
        "train_accuracy": [epoch.train.accuracy for epoch in found.epochs],
        "validation_loss": [epoch.validation.loss for epoch in found.epochs],
        "validation_accuracy": [epoch.validation.accuracy for epoch in found.epochs],
        "seconds": [epoch.seconds for epoch in found.epochs],
        "gradient_disagreement": [epoch.disagreement for epoch in found.epochs],
    }
    spec = Spec(Network((5,), loss="squared_error"), Training(max_epochs=2), 6, 2)
    found = fit(spec, Hyper(learning_rate=0.01), VALUES)
    assert found.history["validation_r2"] == [epoch.validation.r2 for epoch in found.epochs]
    assert found.model.score(VALUES.test.x, VALUES.test.targets) == pytest.approx(found.test.r2, abs=1e-5)
    assert "train_accuracy" not in found.history


@pytest.mark.parametrize("training", [{"optimizer": "adam", "schedule": "plateau"}, {"dtype": "float64"}], ids=str)
def test_going_on_from_a_fit_equals_training_on_to_the_bit(standard_promotion, training):
    hyper = Hyper(learning_rate=0.1, patience=3)
    whole = fit(spec_of(max_epochs=7, **training), hyper, SPLITS, seed=5)
    short = fit(spec_of(max_epochs=3, **training), hyper, SPLITS, seed=5)
    events = Events()
    found = fit(spec_of(max_epochs=7, **training), hyper, SPLITS, seed=5, start=short, callbacks=events)
    assert events.events[1] == ("begin", 3, 7, 20)
    assert_same(found.state, whole.state)
    times = [[epoch._replace(seconds=0) for epoch in one.epochs] for one in (found, whole)]
    assert times[0] == times[1]
    assert (found.test, found.best_epoch, found.stop_reason) == (whole.test, whole.best_epoch, whole.stop_reason)
    assert len(short.epochs) == 3
    again = fit(spec_of(max_epochs=7, **training), hyper, SPLITS, seed=5, start=found)
    assert_same(again.state, found.state)  # there is no epoch left


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (replace(spec_of(), network=Network((6,))), ["start was trained with network.hidden [5]", "[6]"]),
        (spec_of(optimizer="adam"), ["training.optimizer 'momentum'", "'adam'"]),
    ],
    ids=["shapes", "update rule"],
)
def test_going_on_from_a_fit_of_another_spec_is_refused(spec, words):
    refused(words, fit, spec, HYPER._replace(momentum=0.9), SPLITS, start=fit(spec_of(), HYPER, SPLITS))


def test_what_is_no_fit_and_no_preparation_is_refused():
    refused(["start is a int", "a Fit"], check_start, spec_of(), 3)
    refused(["preparation is a str", "splits_from"], checked_preparation, spec_of(), SPLITS, "none")


def test_a_fit_without_test_examples_shows_none():
    empty = Examples(SPLITS.test.x[:0], SPLITS.test.targets[:0])
    assert "test" not in repr(fit(spec_of(max_epochs=1), HYPER, SPLITS._replace(test=empty)))


def test_the_first_states_are_the_same_where_they_are_optimised_less():
    """Of every init, in one program: the same bits on JAX 0.10, to the last bit on 0.12."""
    specs = [Spec(Network((40,), init=init), Training(), inputs=30, outputs=3) for init in INITS]
    arguments = fitting.traced(specs[0], Hyper()), jax.random.key(0)
    lowered = jax.jit(lambda hyper, key: [loop.begin(spec, hyper, key) for spec in specs]).lower(*arguments)
    usual = {"xla_backend_optimization_level": 3}  # XLA's own
    states = [lowered.compile(options)(*arguments) for options in (usual, fitting.OPTIMISED_LESS)]
    assert_close(*states, rtol=1e-6, atol=0)
