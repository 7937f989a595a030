"""One class of callbacks sees the whole life of a run and of a grid, in order, and several of them see the same."""

import pytest
from helpers import clouds

from jaxmlp.grid.fit_grid import fit_grid, fit_trials
from jaxmlp.spec import Hyper, Network, Spec, Splits, Training
from jaxmlp.training.callbacks import EVENTS, Callbacks, Together
from jaxmlp.training.fitting import fit

SPEC = Spec(Network((4,)), Training(batch_size=8, max_epochs=2), 6, 3)
SPLITS = Splits(*(clouds(count, inputs=6, seed=seed) for seed, count in enumerate((20, 10, 7))))


class Kept(Callbacks):
    """Keeps every event with its arguments."""

    def __init__(self, stop=False):
        self.events, self.stop = [], stop
        for event in EVENTS:
            setattr(self, event, lambda *arguments, event=event: self.events.append((event, arguments)))

    def should_stop(self):
        return self.stop

    @property
    def names(self):
        return [event for event, _ in self.events]

    def of(self, event):
        return [arguments[0] for name, arguments in self.events if name == event]


def test_several_get_every_event_and_any_can_stop():
    first, second = Kept(), Kept()
    both = Together([first, second])
    for number, event in enumerate(EVENTS):
        getattr(both, event)(number)
    assert first.events == second.events == [(event, (number,)) for number, event in enumerate(EVENTS)]
    assert not both.should_stop()
    second.stop = True
    assert both.should_stop()


def test_a_fit_says_how_it_begins_what_is_best_and_how_it_ends():
    kept = Kept()
    found = fit(SPEC, Hyper(learning_rate=0.2, patience=0), SPLITS, seed=7, callbacks=kept)
    assert [name for name in kept.names if name != "on_best"] == [
        *("on_run_begin", "on_compile", "on_train_begin", "on_epoch_end", "on_epoch_end", "on_train_end", "on_run_end"),
    ]
    [begin], [end] = kept.of("on_run_begin"), kept.of("on_run_end")
    assert (begin.config["hyper.learning_rate"], begin.config["network.hidden"], begin.config["seed"]) == (0.2, (4,), 7)
    assert "hyper.beta1" not in begin.config  # nothing reads it
    assert begin.data == "20 / 10 / 7 train, validation, test examples, in memory"
    assert (begin.resumed, begin.epochs, begin.axes) == (False, (), None)
    best = kept.of("on_best")[-1]
    assert (best.epoch, best.validation) == (found.best_epoch, found.epochs[found.best_epoch - 1].validation)
    assert (end.status, end.summary, end.model) == ("finished", found.summary, found.model)
    assert end.summary["test"] == found.test.to_json()


def test_a_fit_that_goes_on_begins_with_its_epochs_and_one_that_was_stopped_says_so():
    kept = Kept(stop=True)
    first = fit(SPEC, Hyper(patience=0), SPLITS, callbacks=kept)
    assert kept.of("on_run_end")[0].status == "stopped"
    kept = Kept()
    fit(SPEC, Hyper(patience=0), SPLITS, callbacks=kept, start=first)
    assert (kept.of("on_run_begin")[0].resumed, kept.of("on_run_begin")[0].epochs) == (True, tuple(first.epochs))


def test_a_fit_that_fails_says_so():
    class Failing(Kept):
        def __init__(self):
            super().__init__()
            self.on_epoch_end = lambda epoch: 1 / 0

    kept = Failing()
    with pytest.raises(ZeroDivisionError):
        fit(SPEC, Hyper(), SPLITS, callbacks=kept)
    assert kept.names[-1] == "on_run_end"
    assert kept.of("on_run_end")[0].status == "failed"


def test_a_grid_says_each_trial_with_its_values_and_its_curve():
    kept = Kept()
    rates = (0.1, 0.3)
    found = fit_grid(SPEC, Hyper(patience=0), SPLITS, {"learning_rate": rates}, seeds=[3, 5], callbacks=kept)
    [begin], [end] = kept.of("on_run_begin"), kept.of("on_run_end")
    assert begin.axes == {"learning_rate": rates, "seed": (3, 5)}
    assert "hyper.learning_rate" not in begin.config
    trials = sorted(kept.of("on_trial_end"), key=lambda trial: trial.row["trial"])
    assert [trial.row for trial in trials] == found.rows
    assert [trial.curve for trial in trials] == found.curves
    assert kept.of("on_best")[-1].trial == found.best.trial
    assert (end.status, end.summary["best"]["trial"], end.model) == ("finished", found.best.trial, found.best.model)


def test_trials_that_are_given_one_by_one_are_told_by_the_values_in_which_they_differ():
    kept = Kept()
    fits = fit_trials(SPEC, [Hyper(0.1, patience=0), Hyper(0.3, patience=0)], [0, 1], SPLITS, callbacks=kept)
    assert kept.of("on_run_begin")[0].axes == {"learning_rate": (0.1, 0.3), "seed": (0, 1)}
    for trial in kept.of("on_trial_end"):
        number = trial.row["trial"]
        assert (trial.row["learning_rate"], trial.row["seed"]) == ((0.1, 0.3)[number], number)
        assert trial.curve["train_loss"] == [epoch.train.loss for epoch in fits[number].epochs]
