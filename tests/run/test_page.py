"""The page of a run shows every kind of run, stands alone, and is only a message where it cannot be written."""

import csv
import html
import re

import numpy as np
import pytest
from helpers import save_clouds, write_run

from jaxmlp import plots
from jaxmlp.data.config import Data
from jaxmlp.run import directory, page, pictures
from jaxmlp.run.config import Experiment
from jaxmlp.spec import Network
from jaxmlp.training.callbacks import Callbacks

pytestmark = pytest.mark.usefixtures("drawn_pages")
LOSSES = {"classes": "softmax_cross_entropy", "labels": "sigmoid_cross_entropy", "values": "squared_error"}
TARGETS = {"classes": "colour", "labels": "sport,politics", "values": "price,weight"}


class Messages(Callbacks):
    def __init__(self):
        self.lines = []

    def on_message(self, text):
        self.lines.append(text)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path, x = tmp_path_factory.mktemp("data") / "a table.csv", np.random.default_rng(0).normal(size=60).round(3)
    columns = {"x": x, "sport": x > 0, "politics": x < 0.5, "price": 2 * x, "weight": x - 1}
    columns["colour"] = np.where(x > 0, "<red>", "blue")
    with path.open("w", newline="") as file:
        rows = zip(
            *(column.astype(int) if column.dtype == bool else column for column in columns.values()), strict=True
        )
        csv.writer(file).writerows([list(columns), *rows])
    return path


def experiment_of(table, kind):
    others = {name for targets in TARGETS.values() for name in targets.split(",")} - set(TARGETS[kind].split(","))
    data = Data(str(table), target=TARGETS[kind], leave_out=",".join(sorted(others)))
    return Experiment(data, Network((), loss=LOSSES[kind]))


def write(out, experiment, callbacks, with_curves=True, scale=1.0, **changed):
    trained, epochs, summary, splits = write_run(out, experiment, scale=scale)
    tested = pictures.Tested.of(trained, splits)
    curves = plots.run_curves([epoch.to_json() for epoch in epochs], 2) if with_curves else None
    page.write(out, trained, epochs, summary | changed, tested, [len(split.x) for split in splits], curves, callbacks)
    return summary


def text_of(out):
    raw = re.sub("<(style|script)>.*?</(style|script)>", "", (out / directory.PAGE).read_text(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", raw)).split())


@pytest.fixture(scope="module")
def pages(table, tmp_path_factory, drawn_pages):
    """Of each kind of targets the run directory with its page, the summary, and what was said."""
    folder, found = tmp_path_factory.mktemp("pages"), {}
    for kind in LOSSES:
        callbacks = Messages()
        found[kind] = folder / kind, write(folder / kind, experiment_of(table, kind), callbacks), callbacks.lines
    return found


@pytest.mark.parametrize("kind", LOSSES)
def test_each_kind_of_targets_has_its_results_rates_and_pictures(pages, kind):
    out, summary, messages = pages[kind]
    assert messages == []
    text = text_of(out)
    test = summary["test"]
    score = f"{test['r2']:.4f}" if kind == "values" else f"{100 * test['accuracy']:.2f} %"
    assert f"test {test['loss']:.4f} {score}" in text
    assert ("Wilson" in text) == (kind != "values")
    assert ("expected calibration error" in text) == (kind != "values")
    assert {"classes": "Each class", "labels": "Each label", "values": "root mean square error"}[kind] in text
    assert ("<red>" if kind == "classes" else TARGETS[kind].split(",")[0]) in text
    assert "Learning rate of each epoch" in text
    assert 'target = "' in text  # config.toml
    assert page.is_whole(out)


def test_it_stands_alone_and_says_nothing_unescaped(pages):
    out = pages["classes"][0]
    raw = (out / directory.PAGE).read_text()
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', raw.replace("xlink:href", "href")) == []
    assert "<red>" not in raw
    assert not re.search(r"\b(?:None|nan|Undefined)\b", text_of(out))


def test_the_commands_go_on_with_the_run(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(page, "drawings", lambda *_: {})
    write(tmp_path / "my run", experiment_of(table, "classes"), Messages(), stop_reason="early_stopping")
    text = text_of(tmp_path / "my run")
    assert "train --out 'my run' --resume" in text
    assert "--training.max-epochs" not in text  # it stopped early
    for command in ("predict 'my run' table.csv", "evaluate 'my run'", "runs compare 'my run' OTHER"):
        assert command in text


def test_a_run_that_diverged_says_so_and_outputs_that_overflow_are_drawn(tmp_path):
    experiment = Experiment(Data(str(save_clouds(tmp_path / "clouds.npz"))), Network(()))
    callbacks, out = Messages(), tmp_path / "run"
    write(out, experiment, callbacks, scale=1e38, stop_reason="diverged", diverged={"epoch": 3, "learning_rate": 1.0})
    assert callbacks.lines == []
    assert "diverged: a loss was no longer finite, in epoch 3" in text_of(out)
    assert "calibration error" not in text_of(out)


def test_a_page_that_cannot_be_written_is_a_message(table, tmp_path, monkeypatch):
    monkeypatch.setattr(page.plots, "inlined", lambda *_: 1 / 0)
    callbacks, out = Messages(), tmp_path / "run"
    write(out, experiment_of(table, "classes"), callbacks)
    assert not page.is_whole(out)
    assert callbacks.lines == [
        f"{out / 'run.html'} cannot be drawn (ZeroDivisionError: division by zero); the results are written"
    ]


def test_pictures_that_are_there_are_on_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "drawings", lambda *_: {})
    experiment = Experiment(Data(str(save_clouds(tmp_path / "clouds.npz"))), Network(()))
    trained, epochs, summary, splits = write_run(tmp_path / "run", experiment)
    tested = pictures.Tested.of(trained, splits)
    curves = pictures.draw(tmp_path / "run/plots", trained, epochs, 2, tested, Messages())
    assert isinstance(curves, plots.Picture)
    page.write(tmp_path / "run", trained, epochs, summary, tested, [48, 12, 20], curves, Messages())
    assert (tmp_path / "run/run.html").read_text().count("data:image/png;base64,") == 1  # the confusions
