"""Sweeps as files: what axes mean, which trials there are, what is refused, and that writing one changes nothing."""

import itertools
import tomllib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from helpers import refused
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from jaxmlp.data.config import Data
from jaxmlp.errors import UsageError
from jaxmlp.fields import changed
from jaxmlp.grid.trials import Trials, product_codes
from jaxmlp.run import config
from jaxmlp.run.config import Experiment
from jaxmlp.spec import Hyper, Network, Training
from jaxmlp.sweep import config as sweep_config
from jaxmlp.sweep import space
from jaxmlp.sweep import trials as sweep_trials
from jaxmlp.sweep.config import Axis, Prune, Sample, Sweep, sweep_of, tree, write
from jaxmlp.sweep.space import METHODS, Range

RATE = "[grid]\nlearning_rate = [0.1, 0.3]\n"


def made(text, lines=(), seeds=None):
    """As a command does it, from the text of a file."""
    parsed = tomllib.loads(text)
    tables = {name: parsed.pop(name) for name in sweep_config.TABLES if name in parsed}
    experiment, given = config.parse(parsed, "a.toml")
    return sweep_of(experiment, given, tables, lines, seeds)


def values(text, key):
    """Those that the trials have of a key, in order."""
    return [trial.values[key] for trial in made(text).trials]


def test_trials_are_row_major_with_their_seeds_within():
    sweep = made(
        "seed = 7\n[grid]\nhidden = [[8], []]\nlearning_rate = [0.3, 0.1]\nseeds = 2\n[training]\nmax_epochs = 9"
    )
    found = list(sweep.trials)
    assert [trial.number for trial in found] == list(range(8))
    assert [(*trial.values.values(), trial.experiment.seed) for trial in found] == list(
        itertools.product(((8,), ()), (0.3, 0.1), (7, 8))
    )
    for trial in found:
        assert trial.experiment == Experiment(
            network=Network(hidden=trial.values["network.hidden"]),
            training=Training(max_epochs=9),
            hyper=Hyper(learning_rate=trial.values["hyper.learning_rate"]),
            seed=trial.experiment.seed,
        )
    assert sweep.trials.grid.configurations == [0, 0, 1, 1, 2, 2, 3, 3]


def test_seeds_alone_are_a_grid():
    found = made("[grid]\nseeds = 3").trials
    assert [(trial.values, trial.experiment.seed) for trial in found] == [({}, 0), ({}, 1), ({}, 2)]


def test_a_number_that_a_trial_does_not_read_is_no_value_of_it():
    text = "[hyper]\nbeta1 = 0.5\n[grid]\noptimizer = ['sgd', 'momentum', 'adam']\nmomentum = [0.5, 0.9]"
    sweep = made(text)
    found = list(sweep.trials)
    rules = [(m.values["training.optimizer"], m.values.get("hyper.momentum"), m.experiment.hyper.beta1) for m in found]
    assert rules == [("sgd", None, 0.9), ("momentum", 0.5, 0.9), ("momentum", 0.9, 0.9), ("adam", None, 0.5)]
    for trial in found:
        read = trial.experiment.reads()
        hyper = trial.experiment.hyper._asdict()
        assert {key for key, value in hyper.items() if value != Hyper._field_defaults[key]} <= read
        config.check(trial.experiment, trial.values)
    assert made(write(sweep)) == settled(sweep)  # though the base reads no beta1


MILLION = "\n".join(
    f"{key} = {{low = {low}, high = {high}, count = 100}}"
    for key, low, high in (("learning_rate", 0.01, 1), ("momentum", 0, 0.9), ("l2", 0, 0.1))
)


def test_a_million_trials_are_one_product_and_are_made_when_they_are_asked_for(monkeypatch):
    products, configurations = [], []
    monkeypatch.setattr(sweep_trials, "product_codes", lambda axes: products.append(axes) or product_codes(axes))
    of_one = Trials.values
    monkeypatch.setattr(Trials, "values", lambda trials, i: configurations.append(i) or of_one(trials, i))
    sweep = made(f"[grid]\n{MILLION}")
    assert (len(sweep.trials), sweep.repeats) == (1_000_000, 0)
    assert len(tree(sweep)["grid"]["hyper.l2"]) == 100
    last = sweep.trials[-1]
    assert (last.number, list(last.values.values())) == (999_999, [1.0, 0.9, 0.1])
    assert len(products) == 1
    assert len(configurations) < 50  # the last, and those that beartype looks at
    assert sweep.trials.grid.codes.nbytes == 12_000_000


def test_what_no_trial_reads_goes_back_to_its_default():
    base = Experiment(hyper=Hyper(beta1=0.5, momentum=0.5))
    assert sweep_of(base, [], {"grid": {"seeds": 2}}).experiment.hyper == Hyper(momentum=0.5)


@pytest.mark.parametrize(
    ("lines", "seeds", "wanted"),
    [
        ([], None, Sweep(Experiment(), (Axis("hyper.learning_rate", (0.1, 0.3)), Axis("hyper.l2", (0.0, 0.5))), 4)),
        (
            ["hyper.learning_rate = [1]"],
            None,
            Sweep(Experiment(), (Axis("hyper.learning_rate", (1.0,)), Axis("hyper.l2", (0.0, 0.5))), 4),
        ),
        (
            ["l1 = [0.5]", "l2=[1]"],
            2,
            Sweep(
                Experiment(),
                (Axis("hyper.learning_rate", (0.1, 0.3)), Axis("hyper.l2", (1.0,)), Axis("hyper.l1", (0.5,))),
                2,
            ),
        ),
        (
            ["seeds = 5"],
            None,
            Sweep(Experiment(), (Axis("hyper.learning_rate", (0.1, 0.3)), Axis("hyper.l2", (0.0, 0.5))), 5),
        ),
        (
            ["seeds = 5"],
            1,
            Sweep(Experiment(), (Axis("hyper.learning_rate", (0.1, 0.3)), Axis("hyper.l2", (0.0, 0.5))), 1),
        ),
    ],
)
def test_lines_replace_or_add_axes_and_seeds_beats_both(lines, seeds, wanted):
    assert made(f"{RATE}l2 = [0, 0.5]\nseeds = 4", lines, seeds) == wanted


def test_a_key_that_was_set_may_be_an_axis_too():
    assert values(f"[hyper]\nlearning_rate = 0.5\n{RATE}", "hyper.learning_rate") == [0.1, 0.3]


SPACE = """
[grid]
learning_rate = {low = 0.001, high = 1, scale = "log"}
momentum = {low = 0, high = 0.9}
patience = {low = 1, high = 4}
hidden = [[8], [], [4, 4]]
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [1, 2, 3, 48, 64])
def test_samples_lie_within_the_space_and_fill_it_evenly(method, count):
    sweep = made(f"{SPACE}[sample]\ncount = {count}\nmethod = '{method}'\nseed = 3")
    assert sweep.sample == Sample(count, method, 3)
    assert sweep.axes[:2] == (
        Axis("hyper.learning_rate", space=Range(0.001, 1.0, "log")),
        Axis("hyper.momentum", space=Range(0.0, 0.9)),
    )
    found = list(sweep.trials)
    assert list(replace(sweep).trials) == found
    assert len(found) == count
    for trial in found:
        rate, momentum = trial.values["hyper.learning_rate"], trial.values["hyper.momentum"]
        assert 0.001 <= rate <= 1
        assert 0 <= momentum <= 0.9
        assert rate == float(f"{rate:.6g}")
        assert trial.values["hyper.patience"] in (1, 2, 3, 4)
        config.check(trial.experiment, trial.values)
    if count >= 48 and method != "random":
        for key, different in (("hyper.patience", 4), ("network.hidden", 3)):
            times = Counter(trial.values[key] for trial in found)
            assert len(times) == different
            assert max(times.values()) - min(times.values()) <= 5, times
        below = sum(trial.values["hyper.learning_rate"] < 0.001**0.5 for trial in found)
        assert abs(below - count / 2) <= 2


def test_another_seed_draws_others():
    first, other = (list(made(f"{SPACE}[sample]\ncount = 4\nseed = {seed}").trials) for seed in (0, 1))
    assert first != other


def test_samples_that_come_out_equal_are_one():
    assert sorted(values(f"{RATE}[sample]\ncount = 32", "hyper.learning_rate")) == [0.1, 0.3]


@pytest.mark.parametrize("method", METHODS)
def test_many_samples_do_not_collide_where_a_range_is_narrow(method):
    narrow = f"[grid]\nl2 = {{low = 1000000, high = 1000001}}\n[sample]\ncount = 100\nmethod = '{method}'"
    assert len(set(values(narrow, "hyper.l2"))) == 100


def test_whole_numbers_are_as_likely_at_the_ends_as_between():
    text = "[grid]\npatience = {low = 1, high = 4}\nl2 = {low = 0, high = 1}\n[sample]\ncount = 64"
    assert set(Counter(values(text, "hyper.patience")).values()) == {16}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["[grid]", "no axis", "--grid", "learning_rate = [0.01, 0.1]"]),
        ("[grid]", ["[grid]", "no axis"]),
        ("[grid]\nseeds = 1", ["grid.seeds is 1 and [grid] has no axis", "python -m jaxmlp.train"]),
        ("[grid]\nseeds = 5\n[sample]\ncount = 5", ["[grid]", "no axis"]),
        ("grid = 3", ["grid is a table", "[grid]"]),
        (f"sample = 3\n{RATE}", ["sample is a table", "[sample]"]),
        (f"prune = [3]\n{RATE}", ["prune is a table", "[prune]"]),
        ("[grid]\nlerning_rate = [0.1]", ["grid.lerning_rate", "did you mean learning_rate"]),
        ("[grid]\nhyper.lerning_rate = [0.1]", ["grid.hyper.lerning_rate", "did you mean hyper.learning_rate"]),
        ("[grid]\n'hyper.lerning_rate' = [0.1]", ["grid.hyper.lerning_rate", "did you mean hyper.learning_rate"]),
        ("[grid]\ntraining.learning_rate = [0.1]", ["grid.training.learning_rate", "hyper.learning_rate"]),
        ("[grid]\nhyper.a.b = [0.1]", ["grid.hyper.a is no key"]),
        ('[grid]\n"a\\nb" = [0.1]', [r"grid.a\nb is no key"]),
        ("[grid]\nsed = 5", ["grid.sed", "seeds"]),
        ("[grid]\nseed = [1, 2]", ["grid.seed is no axis", "seeds = 5"]),
        ("[grid]\nhyper = [1, 2]", ["grid.hyper is a section", "hyper.KEY = [...]"]),
        ("[grid]\nseeds = 0", ["grid.seeds is 0", "at least 1"]),
        ("[grid]\nseeds = [1, 2]", ["grid.seeds is [1, 2]", "a whole number"]),
        ("[grid]\nseeds = true", ["grid.seeds is True", "a whole number"]),
        ("[grid]\nlearning_rate = 0.1", ["grid.learning_rate is 0.1", "[0.1]", "under [hyper]"]),
        ("[grid]\nactivation = 'relu'", ['grid.activation is "relu"', '["relu"]', "under [network]"]),
        ("[grid]\ndropout = true", ["grid.dropout is true", "[true]", "under [network]"]),
        ("[grid]\nlearning_rate = 2024-01-01", ["grid.learning_rate is 2024-01-01", "a list"]),
        ("[grid]\nlearning_rate = []", ["grid.learning_rate is []", "a list of different values"]),
        ("[grid]\nlearning_rate = [0.1, 1, 1.0]", ["grid.learning_rate has 1.0 twice", "different"]),
        ("[grid]\nhidden = [[8], [4], [8]]", ["grid.hidden has [8] twice"]),
        ("[grid]\nhidden = [32, 64]", ["grid.hidden is [32, 64]", "list of lists", "[[256, 128]"]),
        ("[grid]\nhidden = [[32], [6.4]]", ["grid.hidden is 6.4", "a whole number"]),
        ("[grid]\nhidden = [[32], [0]]", ["grid.hidden is 0", "at least 1"]),
        ("[grid]\nlearning_rate = ['0.1']", ["grid.learning_rate is '0.1'", "a number"]),
        ("[grid]\npatience = [1.5]", ["grid.patience is 1.5", "a whole number"]),
        ("[grid]\ndropout = [0, 1]", ["grid.dropout is 0", "true or false"]),
        ("[grid]\nlearning_rate = [0.1, -0.1]", ["grid.learning_rate is -0.1", "above 0"]),
        ("[grid]\nlearning_rate = [nan]", ["grid.learning_rate is nan", "finite"]),
        ("[grid]\nbatch_size = [0]", ["grid.batch_size is 0", "at least 1"]),
        ("[grid]\nvalidation = [0.5, 1.5]", ["grid.validation is 1.5", "below 1"]),
        ("[grid]\nactivation = ['relu', 'tahn']", ["'tahn'", "tanh", "grid.activation 'tahn'"]),
        ("[grid]\nactivation = ['relu', 'tahn']\n[sample]\ncount = 1", ["grid.activation 'tahn'", "tanh"]),
        ("[grid]\noptimizer = ['adaam']", ["grid.optimizer 'adaam'", "adam"]),
        (
            "[grid]\ndropout = [false, true]\nhidden = [[8], []]",
            ["network.dropout drops hidden units", "trial with network.dropout True, network.hidden []"],
        ),
        ("[training]\noptimizer = 'adaam'\n[grid]\noptimizer = ['adam']", ["training.optimizer 'adaam'"]),
        ("[network]\nactivation = 'foo'\n[grid]\nactivation = ['relu']", ["network.activation 'foo'"]),
        ("[network]\nloss = 'foo'\n[grid]\nloss = ['squared_error']", ["network.loss 'foo'"]),
        ("[network]\ninit = 'foo'\n[grid]\ninit = ['zeros']", ["network.init 'foo'"]),
        ("[training]\nmonitor = 'foo'\n[grid]\nmonitor = ['loss']", ["training.monitor 'foo'"]),
        ("[data]\nnormalise = 'foo'\n[grid]\nnormalise = ['unit']", ["data.normalise 'foo'"]),
        ("[training]\nbatch_size = 0\n[grid]\nbatch_size = [16]", ["training.batch_size is 0"]),
        (f"[training]\nbatch_size = 0\n{RATE}", ["training.batch_size is 0"]),
        (f"seed = -1\n{RATE}", ["seed is -1"]),
        (f"seed = 2147483647\n{RATE}seeds = 2", ["seed + seeds - 1 is 2147483648", "at most 2147483647"]),
        ("[grid]\nmomentum = [0.5]\n'hyper.momentum' = [0.9]", ["grid.hyper.momentum and grid.momentum", "same key"]),
        ("[grid]\n'hyper.l1' = [0]\nhyper.l1 = [1]", ["grid.hyper.l1 and grid.hyper.l1", "same key"]),
        ("[training]\noptimizer = 'sgd'\n[grid]\nmomentum = [0.5]", ["hyper.momentum is set, but not read", "'sgd'"]),
        (f"[hyper]\nbeta1 = 0.5\n{RATE}", ["hyper.beta1 is set, but not read"]),
        ("[hyper]\nmomentum = 0.5\n[grid]\noptimizer = ['sgd', 'adam']", ["hyper.momentum is set, but not read"]),
        ("[grid]\nmomentum = {low = 0.1, high = 0.9}", ["grid.momentum.count is missing", "[sample]"]),
        ("[grid]\nmomentum = {high = 0.9, count = 2}", ["grid.momentum.low is missing", "low, high, scale, count"]),
        ("[grid]\nmomentum = {low = 0.1, count = 2}", ["grid.momentum.high is missing"]),
        ("[grid]\nmomentum = {low = 0.1, hi = 0.9, count = 2}", ["grid.momentum.hi is no key", "high"]),
        ("[grid]\nmomentum = {low = '0', high = 0.9, count = 2}", ["grid.momentum.low is '0'", "a number"]),
        ("[grid]\nmomentum = {low = 0, high = 0.9, count = 1}", ["grid.momentum.count is 1", "from 2"]),
        (
            "[grid]\nmomentum = {low = 0.9, high = 0.9, count = 2}",
            ["grid.momentum.count is 2", "low equals high (0.9)", "[0.9]"],
        ),
        ("[grid]\nmomentum = {low = 0, high = 0.9, count = 2.0}", ["grid.momentum.count is 2.0", "a whole number"]),
        ("[grid]\nmomentum = {low = 0, high = 0.9, count = 9999999}", ["grid.momentum.count", "to 1,000,000"]),
        ("[grid]\nmomentum = {low = 0.9, high = 0.1, count = 2}", ["grid.momentum.low is 0.9 and high 0.1", "at most"]),
        ("[grid]\nmomentum = {low = 0.1, high = 1, count = 2}", ["grid.momentum.high is 1.0", "below 1"]),
        ("[grid]\nmomentum = {low = nan, high = 0.9, count = 2}", ["grid.momentum.low is nan", "finite"]),
        ("[grid]\nmomentum = {low = 0, high = 0.9, count = 2, scale = 'log'}", ["grid.momentum.low is 0.0", "above 0"]),
        ("[grid]\nmomentum = {low = 0, high = 0.9, count = 2, scale = 'lg'}", ["grid.momentum.scale 'lg'", "log"]),
        ("[grid]\npatience = {low = 1.0, high = 3, count = 2}", ["grid.patience.low is 1.0", "a whole number"]),
        ("[grid]\nactivation = {low = 1, high = 3, count = 2}", ["grid.activation is a range", "no number", "list"]),
        ("[grid]\nhidden = {low = 1, high = 3, count = 2}", ["grid.hidden is a range", "no number", "list"]),
        (f"{RATE}l2 = {{low = 0, high = 1, count = 2}}\n[sample]\ncount = 2", ["grid.l2.count is set", "[sample]"]),
        (f"{RATE}[sample]", ["sample.count is missing"]),
        (f"{RATE}[sample]\ncount = 0", ["sample.count is 0", "at least 1"]),
        (f"{RATE}[sample]\ncount = 2.0", ["sample.count is 2.0", "a whole number"]),
        (f"{RATE}[sample]\ncount = 2\nmetod = 'halton'", ["sample.metod is no key", "method"]),
        (f"{RATE}[sample]\ncount = 2\nmethod = 'sobel'", ["sample.method 'sobel'", "sobol", "latin_hypercube"]),
        (f"{RATE}[sample]\ncount = 2\nseed = -1", ["sample.seed is -1", "at least 0"]),
        (f"{RATE}[prune]", ["prune.rung_epochs is missing"]),
        (f"{RATE}[prune]\nrung_epochs = [1]", ["prune.keep is missing"]),
        (f"{RATE}[prune]\nrung_epoch = [1]\nkeep = 0.5", ["prune.rung_epoch is no key", "rung_epochs"]),
        (
            f"{RATE}[prune]\nrung_epochs = 1\nkeep = 0.5",
            ["prune.rung_epochs is 1;", "numbers that rise, as in [1, 3, 9]"],
        ),
        (f"{RATE}[prune]\nrung_epochs = []\nkeep = 0.5", ["prune.rung_epochs is []", "[1, 3, 9]"]),
        (f"{RATE}[prune]\nrung_epochs = [0, 3]\nkeep = 0.5", ["prune.rung_epochs is 0", "at least 1"]),
        (f"{RATE}[prune]\nrung_epochs = [1, 3, 3]\nkeep = 0.5", ["prune.rung_epochs is [1, 3, 3]", "rise"]),
        (f"{RATE}[prune]\nrung_epochs = [3, 1]\nkeep = 0.5", ["prune.rung_epochs is [3, 1]", "rise"]),
        (f"{RATE}[prune]\nrung_epochs = [1]\nkeep = 1", ["prune.keep is 1.0", "below 1"]),
        (f"{RATE}[prune]\nrung_epochs = [1]\nkeep = 0", ["prune.keep is 0.0", "above 0"]),
        (
            f"{RATE}max_epochs = [20, 9]\n[prune]\nrung_epochs = [1, 9]\nkeep = 0.5",
            ["prune.rung_epochs ends at 9", "training.max_epochs", "which is 9"],
        ),
        (f"{RATE}seeds = 500_001", ["1,000,002 trials", "at most 1,000,000", "[sample]"]),
        (f"{RATE}seeds = 2_000_000_000", ["4,000,000,000 trials"]),
        (f"{RATE}seeds = 20_000_000_000", ["grid.seeds", "at most"]),
        (f"{RATE}[sample]\ncount = 2_000_000", ["2,000,000 trials"]),
    ],
)
def test_what_is_wrong_is_refused_in_one_line_that_names_it(text, words):
    refused(words, made, text)


@pytest.mark.parametrize(
    ("lines", "seeds", "words"),
    [
        (["learning_rate = 0.1"], None, ["--grid learning_rate is 0.1", "[0.1]"]),
        (["lerning_rate = [0.1]"], None, ["--grid lerning_rate is no key", "learning_rate"]),
        (["learning_rate = [-1]"], None, ["--grid learning_rate is -1.0", "above 0"]),
        (["learning_rate 0.1"], None, ["--grid 'learning_rate 0.1' is not TOML", "learning_rate = [0.1, 0.3]"]),
        (["activation = [relu]\n"], None, ["--grid 'activation = [relu]\\n' is not TOML"]),
        (["l1 = [0.1]", "hyper.l1 = [0.2]"], None, ["--grid hyper.l1 and --grid l1 are the same key"]),
        (["seeds = 5", "seeds = 6"], None, ["--grid seeds and --grid seeds are the same key"]),
        (["seeds = 0"], None, ["--grid seeds is 0", "at least 1"]),
        (["sample.count = 5"], None, ["--grid sample is no key"]),
        ([], 0, ["--seeds is 0", "at least 1"]),
    ],
)
def test_what_is_wrong_in_a_flag_is_refused_in_one_line_that_names_it(lines, seeds, words):
    refused(words, made, RATE, lines, seeds)


def test_one_seed_without_an_axis_is_a_single_run():
    refused(["--seeds is 1 and [grid] has no axis", "python -m jaxmlp.train"], made, "[grid]\nseeds = 9", (), 1)


def test_a_name_that_two_sections_share_is_refused(monkeypatch):
    monkeypatch.setitem(space.KINDS, "training.momentum", float)
    refused(["grid.momentum may be hyper.momentum or training.momentum"], made, "[grid]\nmomentum = [0.5]")


def test_a_sweep_that_was_made_by_hand_is_checked_too():
    sweep = Sweep(Experiment(), (Axis("hyper.learning_rate", (0.1, -0.1)),))
    refused(["hyper.learning_rate is -0.1", "above 0"], lambda: sweep.trials)


def test_a_file_is_read_with_its_tables(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(f"seed = 3\n[data]\nname = 'digits'\n{RATE}[sample]\ncount = 2\n[prune]\nkeep = 0.5")
    assert sweep_config.read(path) == (
        Experiment(Data(name="digits"), seed=3),
        {"seed", "data.name"},
        {"grid": {"learning_rate": [0.1, 0.3]}, "sample": {"count": 2}, "prune": {"keep": 0.5}},
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[gird]\nl1 = [0]", ["sweep.toml", "[gird]", "did you mean grid"]),
        ("[hypr]", ["sweep.toml", "[hypr]", "hyper"]),
        ("[hyper]\nl3 = 1", ["sweep.toml", "hyper.l3", "hyper.l1"]),
        ("[grid", ["sweep.toml", "TOML"]),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path, text, words):
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    refused(words, sweep_config.read, path)


@pytest.mark.parametrize(
    ("text", "lines", "line"),
    [
        ("[grid]\nlerning_rate = [1]", [], "F: grid.lerning_rate is no key; did you mean learning_rate?"),
        ("[grid]\nlearning_rate = {low = 'a', high = 1}", [], "F: grid.learning_rate.low is 'a'; accepted is a number"),
        ("grid = 3", [], "F: grid is a table: write [grid] and its keys below"),
        ("[grid]\nseeds = 0", [], "F: grid.seeds is 0; accepted is a whole number of at least 1"),
        ("[grid]\nseeds = 1", [], "F: grid.seeds is 1 and [grid] has no axis"),
        ("[grid]", [], "F: [grid] has no axis"),
        (f"{RATE}[sample]", [], "F: sample.count is missing"),
        (
            f"{RATE}[prune]\nrung_epochs = [1]\nkeep = 0",
            [],
            "F: prune.keep is 0.0; accepted is a finite number above 0",
        ),
        (f"{RATE}[prune]\nrung_epochs = [900]\nkeep = 0.5", [], "F: prune.rung_epochs ends at 900"),
        (RATE, ["l1 = 3"], "--grid l1 is 3"),
        (RATE, ["seeds = 0"], "--grid seeds is 0"),
    ],
)
def test_the_file_is_named_where_the_error_is_in_it(tmp_path, text, lines, line):
    path = tmp_path / "g.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as refusal:
        sweep_of(*sweep_config.read(path), lines)
    assert str(refusal.value).startswith(line.replace("F:", f"{path}:")), str(refusal.value)


@pytest.mark.parametrize(
    ("text", "trials_left", "repeated"),
    [
        (f"{RATE}[sample]\ncount = 10", 2, 8),
        (f"{RATE}seeds = 3\n[sample]\ncount = 10", 6, 24),
        ("[grid]\noptimizer = ['adam', 'momentum']\nbeta1 = [0.9, 0.8]", 3, 1),
        (f"{RATE}seeds = 3", 6, 0),
        ("[grid]\nseeds = 3", 3, 0),
    ],
)
def test_what_repeats_another_is_counted(text, trials_left, repeated):
    sweep = made(text)
    found = list(sweep.trials)
    assert (len(found), sweep.repeats) == (trials_left, repeated)


@pytest.mark.parametrize(
    "text",
    [
        f"{RATE}seeds = 3",
        "seed = 4\n[grid]\nseeds = 2",
        "[grid]\nhidden = [[8], []]\nactivation = ['relu']\ndropout = [false]\nnormalise = ['unit', 'none']",
        "[grid]\noptimizer = ['sgd', 'adam']\nbeta1 = [0.5, 0.9]",
        "[training]\noptimizer = 'adam'\n[hyper]\nbeta2 = 0.5\n[grid]\nl2 = {low = 0.1, high = 1, scale = 'log', count = 7}",
        f"{SPACE}schedule = ['cosine', 'step']\ndecay_rate = {{low = 0.1, high = 1}}\n[sample]\ncount = 9",
        f"{RATE}[prune]\nrung_epochs = [1, 3, 9]\nkeep = 0.33\n[sample]\ncount = 8\nmethod = 'halton'\nseed = 2",
    ],
)
def test_writing_and_reading_back_changes_nothing(text):
    unchanged(made(text))


def settled(sweep):
    """The sweep with what `normalise = "auto"` came to, as it is written."""
    return replace(sweep, experiment=changed(sweep.experiment, {"data.normalise": tree(sweep)["data"]["normalise"]}))


def test_auto_is_written_as_it_came_to_but_where_trials_differ_in_their_data():
    assert tree(made(RATE))["data"]["normalise"] == "per_image"
    assert tree(made("[grid]\nname = ['digits', 'mnist5k']"))["data"]["normalise"] == "auto"
    assert tree(made("[grid]\nnormalise = ['auto', 'unit']"))["grid"]["data.normalise"] == ["auto", "unit"]


def unchanged(sweep):
    text = write(sweep)
    assert tomllib.loads(text) == tree(sweep)
    again = made(text)
    assert again == settled(sweep)
    assert write(again) == text
    assert list(again.trials) == list(settled(sweep).trials)


numbers = st.floats(1e-6, 0.9)
lists = {
    "hyper.learning_rate": st.lists(numbers, min_size=1, max_size=3, unique_by=np.float32),
    "hyper.momentum": st.lists(numbers, min_size=1, max_size=3, unique_by=np.float32),
    "hyper.patience": st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
    "network.hidden": st.lists(st.lists(st.integers(1, 9), max_size=2), min_size=1, max_size=3, unique_by=tuple),
    "network.activation": st.lists(st.sampled_from(["relu", "tanh", "elu"]), min_size=1, unique=True),
}
ranges = st.tuples(numbers, numbers, st.sampled_from(["linear", "log"])).map(
    lambda found: {"low": min(found[:2]), "high": max(found[:2]), "scale": found[2]}
)
drawn = lists | {key: lists[key] | ranges for key in ("hyper.learning_rate", "hyper.momentum")}
keys = st.permutations(list(lists)).flatmap(lambda found: st.integers(1, 3).map(lambda size: found[:size]))


def grids(axes):
    """Any grid of some of these axes, in any order."""
    return keys.flatmap(lambda found: st.fixed_dictionaries({key: axes[key] for key in found}))


@settings(max_examples=40, deadline=None)
@over(
    grids(lists).map(lambda grid: {"grid": grid})
    | st.builds(lambda grid, count: {"grid": grid, "sample": {"count": count}}, grids(drawn), st.integers(1, 9)),
    st.integers(1, 3),
)
def test_any_sweep_is_written_and_read_back(tables, seeds):
    unchanged(sweep_of(Experiment(), [], tables, seeds=seeds))


def test_paths_are_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = tree(made("[grid]\nname = ['digits', 'my/data.npz']\ndir = ['', 'here']"))["grid"]
    assert found == {
        "data.name": ["digits", str(tmp_path / "my/data.npz")],
        "data.dir": ["", str(tmp_path / "here")],
        "seeds": 1,
    }


def test_prune_is_read():
    sweep = made(f"{RATE}[prune]\nrung_epochs = [1, 3]\nkeep = 0.25")
    assert sweep.prune == Prune((1, 3), 0.25)
    assert replace(sweep, prune=None) == made(RATE)


@pytest.mark.parametrize("key", ["data.name", "data.dir"])
def test_two_spellings_of_one_path_are_one_value(tmp_path, key):
    path = tmp_path / "a.toml"
    path.write_text(f'[data]\nname = "mnist"\n[grid]\n"{key}" = ["a", "./a"]')
    experiment, given, tables = sweep_config.read(path)
    refused([f"grid.{key} has 'a' and './a', which are the same path"], sweep_of, experiment, given, tables)


def test_a_number_that_python_does_not_write_is_refused_in_one_line(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("[grid]\nlearning_rate = 0x" + "f" * 6000)
    experiment, given, tables = sweep_config.read(path)
    refused(["grid.learning_rate is a whole number of 24,000 bits"], sweep_of, experiment, given, tables)
