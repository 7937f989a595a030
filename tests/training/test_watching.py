"""Ctrl-C ends a training with what there is, and bars are drawn where somebody can see them, once it takes long."""

import signal
import threading

import pytest
from helpers import clouds, refused, signalling

from jaxmlp.grid.fit_grid import fit_grid
from jaxmlp.spec import Hyper, Network, Spec, Splits, Training
from jaxmlp.training import watching
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Epoch, Measured
from jaxmlp.training.events import NewBest, RunBegin
from jaxmlp.training.fitting import fit
from jaxmlp.training.progress import Losses, NotebookBar, ProgressBar, epoch_parts, surface
from jaxmlp.training.watching import interruptible, watched

SPEC = Spec(Network((5,)), Training(batch_size=8, max_epochs=1000), 6, 3)
SPLITS = Splits(*(clouds(count, inputs=6, seed=seed) for seed, count in enumerate((20, 10, 7))))


class Pressing(Callbacks):
    """Presses Ctrl-C at the end of some epochs."""

    def __init__(self, *presses):
        self.presses = [signalling(signal.SIGINT, at=epoch) for epoch in presses]

    def on_epoch_end(self, epoch):
        for press in self.presses:
            press()


def test_an_interrupted_fit_returns_what_there_is():
    found = fit(SPEC, Hyper(patience=0), SPLITS, callbacks=Pressing(3))
    assert (len(found.epochs), found.stop_reason) == (3, "interrupted")
    assert found.model.predict(SPLITS.test.x).shape == (7,)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    more = fit(SPEC, Hyper(patience=0), SPLITS, callbacks=Pressing(2), start=found)
    assert (len(more.epochs), more.stop_reason) == (5, "interrupted")


def test_a_second_interruption_raises_at_once():
    with pytest.raises(KeyboardInterrupt):
        fit(SPEC, Hyper(patience=0), SPLITS, callbacks=Pressing(2, 2))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_users_own_is_left_alone():
    calls = []
    before = signal.signal(signal.SIGINT, lambda *_: calls.append(1))
    try:
        short = Spec(SPEC.network, Training(batch_size=8, max_epochs=3), 6, 3)
        assert fit(short, Hyper(patience=0), SPLITS, callbacks=Pressing(1)).stop_reason == "max_epochs"
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == [1]


def test_other_threads_leave_signals_alone():
    found = []

    def run():
        with interruptible() as interruption:
            found.append((interruption.signalled, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [(False, signal.default_int_handler)]


EPOCH = Epoch(2, 0.1, Measured(0.0456, 990, 1000), Measured(0.1234, 97, 100), 0.5, None)


class Paper:
    """A surface that keeps what is drawn."""

    def __init__(self, pause=NotebookBar.pause):
        self.drawn, self.losses, self.pause = [], None, pause

    def draw(self, head, parts, done, total, losses):
        self.drawn.append((head, list(parts), done, total))
        self.losses = losses

    def clear(self):
        self.drawn.append("clear")


@pytest.mark.parametrize(("patience", "draws"), [(0.0, True), (60.0, False)])
def test_a_bar_is_drawn_once_training_takes_long(patience, draws):
    paper = Paper()
    bar = ProgressBar(paper, patience=patience)
    bar.on_train_begin(1, 10, 1000)
    bar.on_epoch_end(EPOCH)  # too soon to be drawn again
    bar.on_train_end()
    assert paper.drawn == [("epoch 1/10", [], 1, 10)] * draws + ["clear"]


def test_a_bar_says_the_epoch_the_time_left_and_the_losses():
    paper = Paper(pause=0.0)
    bar = ProgressBar(paper, patience=0.0)
    bar.on_train_begin(0, 10, 1000)
    bar.on_epoch_end(EPOCH)
    head, parts, done, total = paper.drawn[-1]
    assert head.startswith("epoch 2/10, ~")
    assert (parts, done, total) == (epoch_parts(EPOCH, 1000), 2, 10)
    assert parts == ["validation 0.1234 (97.00 %)", "loss 0.0456", "2,000 examples/s"]
    of_values = EPOCH._replace(validation=Measured(0.1, None, 100, r2=0.9, mae=0.2))
    assert epoch_parts(of_values, 1000)[0] == "validation 0.1000 (R2 0.9000)"


def test_the_curves_go_on_from_the_epochs_that_are_done_and_mark_the_best():
    paper = Paper(pause=0.0)
    bar = ProgressBar(paper, patience=0.0)
    bar.on_run_begin(RunBegin({}, "", resumed=True, epochs=(EPOCH._replace(epoch=1),)))
    bar.on_epoch_end(EPOCH)
    bar.on_best(NewBest(2, EPOCH.validation))
    bar.on_train_begin(2, 10, 1000)
    assert paper.losses == Losses("loss", [0.0456, 0.0456], [0.1234, 0.1234], 2)


def test_a_grid_shows_the_curves_of_its_best_trial():
    paper = Paper(pause=0.0)
    grid = {"learning_rate": [0.1, 0.2], "patience": [0]}
    spec = Spec(SPEC.network, Training(batch_size=8, max_epochs=3), 6, 3)

    class Kept(ProgressBar, Callbacks):
        """A bar that keeps who was the best, and what ended."""

        bests, ended = [], []

        def on_best(self, best):
            super().on_best(best)
            self.bests.append(best)

        def on_trial_end(self, trial):
            self.ended.append(trial)

    fit = fit_grid(spec, Hyper(), SPLITS, grid, seeds=2, callbacks=Kept(paper, patience=0.0))
    best = fit.best.trial
    assert [trial.row["trial"] for trial in sorted(Kept.ended, key=lambda trial: trial.row["trial"])] == [0, 1, 2, 3]
    assert Kept.bests[-1].trial == best
    lows = [new.validation.loss for new in Kept.bests]
    assert lows == sorted(lows, reverse=True)
    train, validation = (fit.curves[best][f"{part}_loss"] for part in ("train", "validation"))
    title = f"loss of trial {best}, the best so far"
    assert paper.losses == Losses(title, train, validation, fit.table["best_epoch"][best])


@pytest.mark.parametrize(("progress", "seen"), [(True, True), ("auto", False), (False, False)])
def test_progress_says_whether_there_is_a_bar(monkeypatch, progress, seen):
    paper = Paper()
    monkeypatch.setattr(watching, "surface", lambda: paper)
    spec = Spec(SPEC.network, Training(batch_size=8, max_epochs=2), 6, 3)
    monkeypatch.setattr(watching, "PATIENCE", 600.0)
    fit(spec, Hyper(), SPLITS, progress=progress)
    assert any(entry != "clear" for entry in paper.drawn) == seen
    assert not paper.drawn or paper.drawn[-1] == "clear"


def test_a_bar_is_removed_when_training_fails(monkeypatch):
    paper = Paper()
    monkeypatch.setattr(watching, "surface", lambda: paper)

    class Failing(Callbacks):
        def on_epoch_end(self, epoch):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fit(SPEC, Hyper(), SPLITS, callbacks=Failing(), progress=True)
    assert len(paper.drawn) > 1
    assert paper.drawn[-1] == "clear"


def test_another_progress_is_refused():
    refused(["progress is 'yes'", "True, False or 'auto'"], fit, SPEC, Hyper(), SPLITS, progress="yes")


@pytest.mark.parametrize("callbacks", [print, [print], Callbacks, 3])
def test_what_is_no_callback_is_refused(callbacks):
    refused(["callbacks is ", "an instance of jaxmlp.Callbacks"], watched(callbacks, False).__enter__)


def test_nothing_is_drawn_in_a_pipe(capsys):
    assert surface() is None
    fit(Spec(SPEC.network, Training(max_epochs=2), 6, 3), Hyper(), SPLITS, progress=True)
    assert capsys.readouterr() == ("", "")


def test_a_notebook_shows_a_bar_in_one_output_that_is_empty_at_the_end(monkeypatch):
    shown = []

    class Handle:
        def update(self, html):
            shown.append(html.data)

    def display(html, display_id):
        assert display_id
        shown.append(html.data)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    bar = NotebookBar()
    bar.clear()
    bar.draw("epoch 1/3", ["a < b"], 1, 3, Losses("loss", [], [], 0))
    bar.draw("epoch 2/3", [], 2, 3, Losses("loss", [0.5, 0.25], [0.75, 0.5], 2))
    bar.clear()
    assert shown[0] == 'epoch 1/3 <progress value="1" max="3"></progress> a &lt; b'
    assert 'value="2"' in shown[1]
    assert shown[1].count("<polyline") == 2
    assert "<circle" in shown[1]
    assert "loss, 0.25 to 0.75 over 2 epochs" in shown[1]
    assert shown[2:] == [""]
