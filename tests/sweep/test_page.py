"""The page of a sweep says what happened, does not overstate its best, and stands alone."""

import base64
import html
import itertools
import json
import re
from pathlib import Path

import pytest

from jaxmlp.plots import sweep
from jaxmlp.scores import ACCURACY, R2
from jaxmlp.statistics import accuracy_interval
from jaxmlp.sweep import page as sweep_page

RATE, HIDDEN = "hyper.learning_rate", "network.hidden"
PNG = b"\x89PNG not really"


def row(trial, loss, seed=0, status="max_epochs", correct=90, **more):
    lost = status == "diverged"
    row = {"trial": trial, "seed": seed, "status": status, "epochs_run": 4, "best_epoch": 0 if lost else 3}
    for split, count in (("validation", 100), ("train", 1000)):
        row |= {
            f"{split}_loss": None if lost else loss,
            f"{split}_accuracy": None if lost else correct / 100,
            f"{split}_correct": None if lost else correct * count // 100,
            f"{split}_count": count,
        }
    return row | {"sparsity": 0.0, "cause": "training loss is nan in epoch 4" if lost else None} | more


def table(losses, rates=(0.01, 0.123456789), seeds=2, **more):
    places = itertools.product(rates, range(seeds))
    return [
        row(i, loss, seed, **{RATE: r}, **more) for i, ((r, seed), loss) in enumerate(zip(places, losses, strict=True))
    ]


def summary_of(rows, best=None, **more):
    statuses = [row["status"] for row in rows]
    summary = {
        "trials": len(rows),
        "groups": 3,
        "compiles": 5,
        "seconds": {"total": 61.0, "train": 42.25, "compile": 7.5},
        "trial_epochs": 12345,
        "trial_epochs_per_second": 2345.6,
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "workers": 2,
        "best": None,
    }
    if best is not None:
        found = next(row for row in rows if row["trial"] == best)
        test = {
            "loss": 0.25,
            "accuracy": 0.9,
            "correct": 180,
            "count": 200,
            "interval_95": list(accuracy_interval(180, 200)),
        }
        summary["best"] = found | {"test": test, "directory": "best"}
    return summary | more


@pytest.fixture
def page(tmp_path):
    """Writes the page of some rows, and returns it as text without tags, and as it is."""

    def page(rows, best, axes=(RATE,), pictures=(), schedule="constant", data="digits", **more):
        config = f'[data]\nname = {json.dumps(data)}\n[training]\nschedule = "{schedule}"\n'
        (tmp_path / "config.toml").write_text(config)
        (tmp_path / "environment.json").write_text('{"data": {"origin": "digits of <scikit-learn>"}}')
        (tmp_path / "plots").mkdir(exist_ok=True)
        for name in pictures:
            (tmp_path / "plots" / name).write_bytes(PNG)
        sweep_page.write(tmp_path, summary_of(rows, best, **more), rows, axes, pictures, lambda trial: f"of = {trial}")
        raw, script, end = (tmp_path / "sweep.html").read_text().rpartition("<script>")
        assert script
        assert end.endswith("</html>")  # what sorts tables comes last
        text = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", raw, flags=re.DOTALL)))
        return " ".join(text.split()), raw

    return page


def test_the_facts_are_there(page, tmp_path):
    rows = table([0.5, 0.4, 0.30001, 0.2])
    text, _ = page(rows, 3)
    assert "Sweep over learning_rate, on digits" in text
    facts = "trials 4 groups 3 compiled programs 5 trial-epochs 12,345 trial-epochs a second 2,346"
    assert f"{facts} training 42.2 s compiling 7.5 s workers 2" in text
    assert "digits of <scikit-learn>" in text
    assert "max epochs 4 trained for all epochs" in text
    assert "1,000 training, 100 validation and 200 test examples" in text
    assert f"python -m jaxmlp.predict {tmp_path}/best image.png" in text
    assert f"pandas.read_csv('{tmp_path}/results.csv')" in text


def test_the_best_is_told_with_counts_and_doubts(page):
    rows = table([0.5, 0.4, 0.3, 0.2])
    rows[0] |= {"validation_accuracy": 0.5, "validation_correct": 50}
    text, _ = page(rows, 3)
    assert "Trial 3, by validation loss: learning_rate 0.1235 , seed 1 ; best epoch 3 of the 4 it trained" in text
    assert "validation 0.2000 90.00 % 90 of 100" in text
    assert "test 0.2500 90.00 % 180 of 200 85.06 to 93.43 %" in text
    assert "biased by having been chosen among 4. Its test examples were evaluated once, after the choice." in text
    assert "2 others lie within" in text  # of the three, one has half of its examples right


def test_the_doubts_fit_the_sweep(page):
    text, _ = page([row(0, 0.5, **{RATE: 0.1})], 0)
    assert "optimistic" not in text  # nothing was chosen
    text, _ = page(table([0.5, 0.4, 0.3, 0.2], test_loss=0.3, test_accuracy=0.9), 3)
    assert "evaluated once" not in text
    assert "The test examples were evaluated for every trial" in text


def test_it_stands_alone(page):
    text, raw = page(table([0.5, 0.4, 0.3, 0.2]), 3, pictures=["lines_over_axis.png", "learning_curves.png"])
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]*)""", raw)
    assert addresses == ["data:image/png;base64," + base64.b64encode(PNG).decode()] * 2 + ["#config-1", "#config-2"]
    assert not re.search(r"<script|<link|@import|url\(|https?:", raw)
    assert sweep_page.caption("learning_curves", {}, ACCURACY) in text


def test_every_picture_has_a_caption(page):
    drawn = set(re.findall(r'pictures\["(\w+)"\]', Path(sweep.__file__).read_text()))
    assert drawn == set(sweep_page.CAPTIONS)


@pytest.mark.parametrize("picture", sweep_page.CAPTIONS)
def test_a_caption_says_what_pruned_trials_look_like(picture):
    plain, pruned = (sweep_page.caption(picture, statuses, R2) for statuses in ({"max_epochs": 2}, {"pruned": 1}))
    assert plain == sweep_page.CAPTIONS[picture].replace("{score}", "R2")
    assert pruned.startswith(plain)
    assert "prun" in pruned.lower() or picture == "seeds"


def test_configurations_are_means_over_seeds_in_order(page):
    rows = table([0.5, 0.4, 0.1, None, 0.7, 0.9], rates=(0.01, 0.1, 1.0))
    rows[3] |= row(3, None, 1, "diverged")
    text, raw = page(rows, 2)
    configurations = re.findall(
        r"<tr>.*?</tr>", raw[raw.index("The best configurations") : raw.index("Diverged")], re.S
    )
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", line) for line in configurations[1:]]
    assert [cell[0] for cell in cells] == ["0.01", "1", "0.1"]  # that of which a seed diverged comes last
    assert cells[0][1:-1] == ["0.4500 ± 0.071", "90.00 ± 0.00 %", "2", "4", "max epochs"]
    assert cells[2][1:-1] == ["0.1000", "90.00 %", "1", "4", "1 diverged, 1 max epochs"]
    configs = re.findall(r'<summary>(.*?)</summary><pre id="config-(\d)">of = (\d)</pre>', raw)
    assert configs == [("learning_rate 0.01", "1", "0"), ("learning_rate 1", "2", "4"), ("learning_rate 0.1", "3", "2")]
    assert "the configuration of the best trial is number 3 of the table" in text


def test_values_that_differ_late_are_not_one_configuration():
    rows = [row(i, 0.5, **{RATE: rate}) for i, rate in enumerate((0.10001, 0.10002))]
    assert len(sweep_page.configurations(rows, [RATE])) == 2


def test_a_sweep_of_which_all_diverged(page):
    rows = [row(i, None, i, "diverged", **{RATE: 1e9}) for i in reversed(range(33))]
    text, _ = page(rows, None, trial_epochs_per_second=None)
    assert "There is none: every trial diverged" in text
    assert "best configurations" not in text
    assert "jaxmlp.predict" not in text
    assert "0 4 training loss is nan 1e+9 0" in text
    assert "19 4 training loss is nan 1e+9 19" in text
    assert "20 4 training loss is nan" not in text
    assert "And 13 more" in text


def test_what_pruning_spared(page):
    pruning = {"pruned": 2, "trial_epochs": 460, "trial_epochs_without": 1462.86, "saved": 0.6855}
    rows = [row(i, 1 / (i + 1), status="pruned" if i < 2 else "early_stopping", **{RATE: float(i)}) for i in range(4)]
    text, _ = page(rows, 3, pruning=pruning)
    assert "2 of 4 trials were pruned" in text
    assert "460 trial-epochs" in text
    assert "it would have been 1,463: pruning spared 69 %" in text


@pytest.mark.parametrize(
    ("status", "schedule", "command"),
    [
        ("max_epochs", "constant", "--resume --training.max-epochs 8"),
        ("max_epochs", "cosine", None),  # which reads max_epochs: it cannot be changed
        ("early_stopping", "constant", None),
        ("pruned", "constant", "--resume"),
    ],
)
def test_the_commands_to_go_on_are_such_as_work(page, tmp_path, status, schedule, command):
    text, _ = page([row(0, 0.5, status=status, **{RATE: 0.1})], 0, schedule=schedule)
    ways = re.findall(r"cp -r (\S+ \S+) && python -m jaxmlp.train --out (\S+) (--resume(?: --[\w.-]+ \d+)?)", text)
    best, longer = tmp_path / "best", tmp_path / "best-longer"
    assert ways == ([] if command is None else [(f"{best} {longer}", f"{longer}", command)])
    assert f"python -m jaxmlp.train {tmp_path}/best/config.toml" in text


def test_seeds_alone(page):
    text, _ = page([row(i, 0.5 + i, i) for i in range(12)], 0, axes=())
    assert "Sweep over 12 seeds, on digits" in text
    assert "seed 12 seeds, 0 to 11" in text
    assert "6.000 ± 3.6 90.00 ± 0.00 % 12" in text


def test_many_values_and_absent_ones(page):
    rows = [row(i, 1.0 + i, **{RATE: 0.001 * (i + 1), HIDDEN: [64, 32]}) for i in range(30)]
    del rows[4][HIDDEN]
    text, _ = page(rows, 0, axes=(RATE, HIDDEN))
    assert "30 values from 0.001 to 0.03" in text
    assert "64-32 (1 trial without)" in text
    assert "The first 20 of 30; all trials are in results.csv" in text
    assert "0.005 – 5.000" in text


def test_everything_is_escaped(page):
    key = "network.activation"
    rows = [row(0, 0.5, **{key: "<script>alert(1)</script>"}), row(1, 0, 0, "diverged", **{key: "<b>"}, cause="<i>")]
    text, raw = page(rows, 0, axes=(key,), data="/data/<img src=x>.npz")
    assert not re.search(r"<script|<b>|<i>|<img", raw)
    assert "<script>" in text
