"""A library that raises, exits or blocks costs one line, and neither time nor the run."""

import threading
import time

import pytest

from jaxmlp.tracking.ledger import Ledger
from jaxmlp.tracking.tracker import Tracker
from jaxmlp.tracking.writer import Writer


def raising(error):
    def write(_):
        raise error

    return write


@pytest.mark.parametrize("error", [OSError("the disk is full"), SystemExit(3), KeyboardInterrupt("no")], ids=repr)
def test_one_that_raises_is_left_out_with_one_line(error):
    said, written = [], []
    writer = Writer("it", said.append, patience=60.0)
    writer.put(written.append, 1)
    writer.put(raising(error), 2)
    for event in range(50):
        writer.put(written.append, event)
    writer.finish()
    (line,) = said
    assert type(error).__name__ in line
    assert written == [1]
    assert (writer.has_failed, writer.is_stuck) == (True, False)


def test_one_that_blocks_is_left_out_once_its_patience_is_over():
    said, blocked = [], threading.Event()
    writer = Writer("it", said.append, patience=0.1)
    writer.put(lambda _: blocked.wait(60), 1)
    began = time.monotonic()
    writer.finish()
    assert time.monotonic() - began < 10
    assert said == ["it is left out from here on (no answer for 0.1 s); the run itself goes on"]
    assert (writer.has_failed, writer.is_stuck) == (True, True)
    blocked.set()


def test_one_that_is_slow_is_waited_for_and_says_how_much_is_left(monkeypatch):
    monkeypatch.setattr("jaxmlp.tracking.writer.QUIET", 0.0)
    said, written = [], []
    writer = Writer("it", said.append, patience=60.0)
    for event in range(5):
        writer.put(lambda event: (time.sleep(0.05), written.append(event)), event)
    writer.finish()
    assert written == [0, 1, 2, 3, 4]
    assert len(said) == 1
    assert "events left to write" in said[0]
    assert not writer.has_failed


def test_a_wait_at_the_end_is_ended_by_ctrl_c_and_nothing_is_raised(monkeypatch):
    def press(_):
        raise KeyboardInterrupt

    said, blocked = [], threading.Event()
    writer = Writer("it", said.append, patience=60.0)
    writer.put(lambda _: blocked.wait(60), 1)
    monkeypatch.setattr(writer._thread, "join", press)
    writer.finish()
    assert said == ["it is left out from here on (Ctrl-C); the run itself goes on"]
    assert writer.is_stuck
    blocked.set()


def test_training_waits_where_very_much_is_left(monkeypatch):
    monkeypatch.setattr("jaxmlp.tracking.writer.MOST", 2)
    most, go = [], threading.Event()
    writer = Writer("it", print, patience=60.0)
    writer.put(lambda _: go.wait(60), 0)
    threading.Timer(0.2, go.set).start()
    for event in range(6):
        writer.put(lambda _: most.append(writer._calls.qsize()), event)
    writer.finish()
    assert max(most) <= 2


class Kept(Tracker):
    """A tracker that keeps what it is to write; `fails` is raised by its end."""

    name = "tensorboard"  # which needs a package that is there

    def __init__(self, *arguments, fails=None, **more):
        super().__init__(*arguments, **more)
        self.written, self.fails, self.abandoned = [], fails, 0

    def begin(self, run):
        self.written.append("begin")

    def epoch(self, epoch):
        self.written.append(epoch.epoch)

    def trial(self, trial):
        self.written.append(trial.row["trial"])

    def end(self, run):
        if self.fails is not None:
            self.fails()
        self.written.append(run.status)

    def abandon(self):
        self.abandoned += 1


def test_what_is_written_is_not_written_again_by_the_next_session(run):
    first, second = Kept(run.path / "kept"), Kept(run.path / "kept")
    run.go(first, 1, 2, 3, status="stopped")
    run.go(second, 3, 4, done=(1, 2))
    assert first.written == ["begin", 1, 2, 3, "stopped"]
    assert second.written == ["begin", 4, "finished"]
    first, second = Kept(run.path / "grid"), Kept(run.path / "grid")
    run.sweep(first, run.trial(5, 0.1), status="stopped")
    run.sweep(second, run.trial(5, 0.1), run.trial(2, 0.1), goes_on=True)
    assert second.written == ["begin", 2, "finished"]


def test_a_run_that_begins_anew_in_the_folder_is_written_whole(run):
    run.go(Kept(run.path / "kept"), 1, 2)
    again = Kept(run.path / "kept")
    run.go(again, 1, 2)
    assert again.written == ["begin", 1, 2, "finished"]


def test_an_epoch_that_an_earlier_session_did_not_write_is_written(run):
    late = Kept(run.path / "kept")
    run.go(late, 3, done=(1, 2))
    assert late.written == ["begin", 1, 2, 3, "finished"]


def test_a_library_that_hangs_at_the_end_is_abandoned_and_one_that_raises_is_not(run, capsys):
    blocked = threading.Event()
    for fails, abandoned in ((lambda: blocked.wait(60), 1), (lambda: 1 / 0, 0)):
        tracker = Kept(run.path / "kept", fails=fails, patience=0.2)
        tracker.on_run_begin(run.begin())
        tracker.on_run_end(run.end())
        assert (tracker.has_failed, tracker.abandoned, tracker.opens) == (True, abandoned, None)
    blocked.set()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "ZeroDivisionError" in said[1]


def test_a_ledger_passes_over_a_line_that_was_cut(tmp_path):
    ledger = Ledger(tmp_path, goes_on=False)
    ledger.name("abc")
    ledger.add_epoch(1)
    ledger.add_trial(7)
    with ledger.path.open("a") as file:
        file.write("epoch 1")  # of epoch 17
    again = Ledger(tmp_path, goes_on=True)
    assert (again.id, again.epoch, again.trials) == ("abc", 1, {7})
    again.add_epoch(2)
    assert Ledger(tmp_path, goes_on=True).epoch == 2


def test_a_ledger_has_ended_until_something_is_added(tmp_path):
    ledger = Ledger(tmp_path, goes_on=False)
    ledger.add_epoch(1)
    ledger.add_end()
    again = Ledger(tmp_path, goes_on=True)
    assert again.has_ended
    again.add_epoch(2)
    assert not Ledger(tmp_path, goes_on=True).has_ended
    assert not Ledger(tmp_path / "other", goes_on=True).has_ended
