"""fit_grid and fit_trials: trials of one program are the networks they would have been alone; what is refused."""

import signal
from dataclasses import replace
from functools import cache
from itertools import repeat
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from helpers import HYPERS, SEEDS, SPEC, assert_close, assert_same, counting, for_users, refused, signalling
from scipy import stats

from jaxmlp.grid import program
from jaxmlp.grid.axes import axes_of
from jaxmlp.grid.fit_grid import fit_grid, fit_trials
from jaxmlp.grid.grid_fit import BestWeights
from jaxmlp.grid.results import COLUMNS, TrialResult
from jaxmlp.nn.network import Layer
from jaxmlp.spec import Examples, Hyper, Network, Spec, Splits, Training
from jaxmlp.training import loop
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.fitting import fit
from jaxmlp.training.model import as_it_is

SPECS = {
    "relu": SPEC,
    "dropout": Spec(Network((5, 4), "tanh", dropout=True), Training(max_epochs=7, batch_size=8), 4, 3),
    "uniform, adam": Spec(Network((5,), init="uniform"), Training("adam", "cosine", 10, 7), 4, 3),
    "delta rule, objective": Spec(
        Network((4,), "silu"),
        Training("nesterov", "exponential", 8, 7, monitor="objective", gradient="delta_rule"),
        4,
        3,
    ),
}
HYPERS_OF = {
    "relu": HYPERS,
    "dropout": [Hyper(0.3, dropout_rate=rate) for rate in (0.0, 0.2, 0.4, 0.5)],
    "uniform, adam": [Hyper(0.01, init_scale=scale, warmup_epochs=1.0, patience=1) for scale in (0.03, 0.1, 0.3, 1.0)],
    "delta rule, objective": [Hyper(0.1, l1=0.001, decay_rate=rate) for rate in (0.5, 0.7, 0.9, 1.0)],
}
SEEDS_OF = dict.fromkeys(SPECS, (3, 3, 8, 8)) | {"relu": SEEDS}  # pairs are one program, others two
DIVERGES = Hyper(1e30, momentum=0.0)
SOFTMAX = Spec(Network(()), Training(max_epochs=2, batch_size=16), 4, 3)  # where any program will do


@pytest.fixture(scope="module")
def solo(splits, alone):
    """The solo runs of a name of SPECS, trained once."""

    @cache
    def runs(name):
        if name == "relu":
            return alone
        return [fit(SPECS[name], *pair) for pair in zip(HYPERS_OF[name], repeat(splits), SEEDS_OF[name])]

    return runs


def same_run(one, other):
    assert [row.epoch for row in one.epochs] == [row.epoch for row in other.epochs]
    ends = [(found.best_epoch, found.stop_reason, found.test.correct) for found in (one, other)]
    assert ends[0] == ends[1]
    assert [row.train.correct for row in one.epochs] == [row.train.correct for row in other.epochs]


@pytest.mark.users_flags
def test_one_after_the_other_they_equal_their_solo_runs_to_the_bit(splits, solo):
    name = "uniform, adam"
    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        found, expected = (
            fit_trials(SPECS[name], HYPERS_OF[name], SEEDS_OF[name], splits, mode="sequential"),
            solo(name),
        )
    assert len({one.stop_reason for one in found}) == 2
    for one, single in zip(found, expected, strict=True):
        same_run(one, single)
        assert_same(one.params, single.params)
        assert [row.validation.loss for row in one.epochs] == [row.validation.loss for row in single.epochs]


@pytest.mark.parametrize("name", for_users(SPECS, ["uniform, adam"]))
def test_side_by_side_they_equal_their_solo_runs_to_rounding(splits, solo, name):
    """After an epoch to rounding; after all of them as far as rounding grows on so small a network."""
    with jax.numpy_dtype_promotion("standard"):
        found = fit_trials(SPECS[name], HYPERS_OF[name], SEEDS_OF[name], splits, mode="packed", chunk=2)
        expected_of = solo(name)
    for one, single in zip(found, expected_of, strict=True):
        assert one.epochs[0].train.correct == single.epochs[0].train.correct
        for row, expected in zip(one.epochs[:1], single.epochs[:1], strict=True):
            np.testing.assert_allclose(row.train.loss, expected.train.loss, rtol=1e-6)
            np.testing.assert_allclose(row.validation.loss, expected.validation.loss, rtol=1e-6)
            assert row.learning_rate == pytest.approx(expected.learning_rate, rel=1e-6)
        same_run(one, single)
        assert_close(one.params, single.params)


def test_over_many_seeds_their_results_are_distributed_as_those_of_solo_runs(splits):
    """However rounding has grown, at a rate where it grows: 32 seeds of two settings, so that batches are shared too."""
    spec = Spec(Network((8, 8), dropout=True), Training(max_epochs=30, batch_size=8), 4, 3)
    hypers = [Hyper(1.0, momentum=momentum, dropout_rate=0.2, patience=0) for momentum in (0.5, 0.6)] * 32
    seeds, found = [trial // 2 for trial in range(64)], []
    for mode, chunk in (("packed", 16), ("sequential", None)):
        fits = fit_trials(spec, hypers, seeds, splits, mode=mode, chunk=chunk)
        found.append(np.array([[one.epochs[-1].validation.loss, one.validation.loss, one.best_epoch] for one in fits]))
    packed, sequential = found
    assert (packed[:, 0] != sequential[:, 0]).mean() > 0.5, "there is no rounding here: this tests nothing"
    for values, others in zip(packed.T, sequential.T, strict=True):
        assert stats.ks_2samp(values, others, method="asymp").pvalue > 0.5
        assert abs(values.mean() - others.mean()) < 0.1 * others.std()


def test_many_trials_with_many_examples_have_the_losses_of_solo_runs():
    """More than 2^15 losses at a time, which some versions of XLA get wrong (jaxmlp.xla_flags)."""
    generator = np.random.default_rng(0)
    part = Examples(generator.standard_normal((600, 4), np.float32), generator.integers(0, 10, 600).astype(np.int32))
    spec = Spec(Network((5,)), Training(max_epochs=1, batch_size=600), 4, 10)
    hypers = [Hyper(rate) for rate in np.linspace(0.01, 3, 64).tolist()]
    found = []
    for mode, chunk in (("packed", 64), ("sequential", None)):
        fits = fit_trials(spec, hypers, [0] * len(hypers), Splits(part, part, part), mode=mode, chunk=chunk)
        found.append([[one.epochs[0].validation.loss, one.epochs[0].train.loss, *one.params[0].w[0]] for one in fits])
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def test_a_trial_that_diverges_is_marked_and_changes_no_other(splits, alone):
    hypers = [*HYPERS_OF["relu"][:4], DIVERGES]
    found = fit_trials(SPEC, hypers, [*SEEDS[:4], 3], splits, mode="packed", chunk=2)
    assert found[4].stop_reason == "diverged"
    assert not np.isfinite(found[4].epochs[-1].validation.loss)
    for one, single in zip(found[:4], alone, strict=False):
        same_run(one, single)
        assert_close(one.params, single.params)


def traces_of(monkeypatch, run):
    """How many times the program of an epoch is traced."""
    epoch, traces = counting(loop.epoch)
    monkeypatch.setattr(loop, "epoch", epoch)
    monkeypatch.setattr(program, "PROGRAMS", {})
    run()
    return len(traces)


def test_one_compile_for_a_thousand_values(splits, monkeypatch):
    rates = np.geomspace(1e-4, 1, 1000).tolist()
    found = []

    def run():
        found.append(fit_grid(SOFTMAX, Hyper(patience=0), splits, {"learning_rate": rates}, chunk=128))

    assert traces_of(monkeypatch, run) == 1
    assert found[0].compiles == 1
    assert len(set(found[0].table["validation_loss"])) > 900  # the smallest rates move no bit of it


@pytest.mark.parametrize("mode", ["sequential", "packed"])
def test_one_trace_for_all_hyperparameters_and_seeds(splits, monkeypatch, mode):
    def run():
        for rate in (0.1, 0.2, 0.3):
            fit_trials(SOFTMAX, [Hyper(rate), Hyper(rate / 2)], [0, 1], splits, mode=mode)

    assert traces_of(monkeypatch, run) == 1


def test_keys_that_change_the_program_make_groups(splits):
    grid = {"hidden": [(4,), ()], "activation": ["relu", "tanh"], "learning_rate": [0.1, 0.3]}
    found = fit_grid(SPEC, Hyper(), splits, grid, seeds=[5, 6], chunk=1)
    assert found.compiles == 4
    assert found.table["trial"] == list(range(16))
    assert found.table["hidden"] == [(4,)] * 8 + [()] * 8
    assert found.table["seed"] == [5, 6] * 8
    assert found.table["learning_rate"] == [0.1, 0.1, 0.3, 0.3] * 4
    best = found.best.trial
    assert found.table["validation_loss"][best] == min(found.table["validation_loss"])
    network = Network(found.table["hidden"][best], found.table["activation"][best])
    single = fit(
        Spec(network, SPEC.training, 4, 3), Hyper(found.table["learning_rate"][best]), splits, found.table["seed"][best]
    )
    assert_close(found.best.model.params, single.params)
    assert found.best.model.spec == found.best.spec == single.model.spec
    assert (found.test.correct, found.test.count) == (single.test.correct, single.test.count)
    assert min(found.curves[best]["validation_loss"]) == found.table["validation_loss"][best]


def test_pruning_takes_the_worst_out_at_each_rung(splits):
    rates = [1e-5, 1e-4, 0.3, 0.1, 1e-6, 0.2]
    grid = {"learning_rate": rates, "hidden": [(5,), (6,)]}
    found = fit_grid(SPEC, Hyper(patience=0), splits, grid, rung_epochs=(2, 4), keep=0.5, chunk=2)
    whole = fit_grid(SPEC, Hyper(patience=0), splits, grid, chunk=2)
    epochs = found.table["epochs_run"]
    assert sorted(epochs) == [2] * 6 + [4] * 3 + [9] * 3
    at = [[min(curve["validation_loss"][:rung]) for curve in whole.curves] for rung in (2, 4)]
    first = sorted(np.argsort(at[0])[:6])
    assert [i for i, ran in enumerate(epochs) if ran > 2] == first
    assert [i for i, ran in enumerate(epochs) if ran > 4] == sorted(sorted(first, key=lambda i: at[1][i])[:3])
    assert [status == "pruned" for status in found.table["status"]] == [ran < 9 for ran in epochs]
    for i, curve in enumerate(found.curves):  # what was not pruned is not disturbed
        losses = whole.curves[i]["validation_loss"][: epochs[i]]
        np.testing.assert_allclose(curve["validation_loss"], losses, rtol=1e-4)


def test_seeds_of_a_configuration_are_pruned_together(splits):
    grid = {"learning_rate": [0.3, 0.2, 1e-5, 1e-6]}
    found = fit_grid(SPEC, Hyper(patience=0), splits, grid, seeds=3, rung_epochs=(2,), keep=0.5, chunk=2)
    assert found.table["epochs_run"] == [9] * 6 + [2] * 6


def test_the_best_is_none_where_all_diverge(splits):
    found = fit_grid(SPEC, Hyper(patience=0), splits, {"learning_rate": [1e30, 1e31]}, chunk=2)
    assert found.table["status"] == ["diverged"] * 2
    assert (found.best, found.models(), found.test) == (None, [], None)


class Watch(Callbacks):
    """Keeps what it is told; asks to stop after so many calls."""

    def __init__(self, calls=-1):
        self.progress, self.compiled, self.ends, self.calls = [], [], 0, calls

    def on_compile(self, what):
        self.compiled.append(what)

    def on_call_end(self, progress):
        self.progress.append(progress)
        self.calls -= 1

    def on_train_end(self):
        self.ends += 1

    def should_stop(self):
        return self.calls == 0


def test_callbacks_see_every_call(splits):
    watch, spec = Watch(), replace(SOFTMAX, training=replace(SOFTMAX.training, max_epochs=12))
    grid = {"learning_rate": [0.1, 0.2, 3e38]}
    found = fit_grid(spec, Hyper(patience=0), splits, grid, chunk=4, callbacks=watch)
    first, last = watch.progress[0], watch.progress[-1]
    assert (first.trials, first.finished + first.running) == (3, 3)
    assert (last.finished, last.running, last.epochs) == (3, 0, sum(found.table["epochs_run"]))
    assert last.by_status == {"diverged": 1, "max_epochs": 2}
    assert last.best == found.rows[found.best.trial]
    assert watch.compiled == ["4-3"]
    assert found.compiles == 1
    assert watch.ends == 1


@pytest.mark.parametrize("calls", [1, 2])
def test_callbacks_stop_a_grid(splits, calls):
    """Trials end where they are, or before their first epoch; the table has them all."""
    grid = {"hidden": [(5,), (6,)], "learning_rate": [0.1, 0.2]}
    spec = replace(SPEC, training=replace(SPEC.training, max_epochs=100_000))
    watch = Watch(calls)
    found = fit_grid(spec, Hyper(patience=0), splits, grid, chunk=1, callbacks=watch)
    assert found.table["status"] == ["stopped"] * 4
    epochs = found.table["epochs_run"]
    assert 10 * calls <= sum(epochs) < 100_000
    assert [loss is None for loss in found.table["validation_loss"]] == [run == 0 for run in epochs]
    assert epochs[found.best.trial] > 0
    fits = fit_trials(spec, [Hyper(patience=0)] * 2, [0, 1], splits, mode="packed", chunk=1, callbacks=Watch(calls))
    assert [one.stop_reason for one in fits] == ["stopped"] * 2


def test_a_program_that_this_process_has_compiled_is_not_compiled_again(splits):
    spec = replace(SOFTMAX, training=replace(SOFTMAX.training, max_epochs=3))
    first, second = (fit_grid(spec, Hyper(rate), splits, {}) for rate in (0.1, 0.2))
    assert (first.compiles, second.compiles, second.compile_seconds) == (1, 0, 0.0)


RATE = {"learning_rate": [0.1, 0.3]}


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"lerning_rate": [0.1]}, ["grid.lerning_rate is no key", "did you mean learning_rate?"]),
        ({"lr": [0.1]}, ["grid.lr is no key", "did you mean learning_rate?"]),
        ({"seed": [1, 2]}, ["grid.seed is no axis", "use seeds="]),
        ({"seeds": 5}, ["grid.seeds is no axis", "use seeds="]),
        ({"learning_rate": 0.1}, ["grid.learning_rate is 0.1", "a list of values, such as [0.1]"]),
        ({"learning_rate": np.float32(0.5)}, ["grid.learning_rate is 0.5", "[0.5]"]),
        ({"learning_rate": None}, ["grid.learning_rate is None", "a list"]),
        ({"learning_rate": {0.1}}, ["grid.learning_rate is {0.1}; accepted is a list of values"]),
        ({"activation": "relu"}, ["grid.activation is 'relu'", "['relu']"]),
        ({"learning_rate": {"low": 0.1, "high": 1.0, "count": 3}}, ["grid.learning_rate is {", "geomspace"]),
        ({"learning_rate": []}, ["grid.learning_rate is []", "a list of different values"]),
        ({"learning_rate": [0.1, 0.3, 0.1]}, ["grid.learning_rate has 0.1 twice", "different values"]),
        ({"learning_rate": [1, 1.0]}, ["grid.learning_rate has 1.0 twice"]),
        ({"hidden": [(4,), [4]]}, ["grid.hidden has [4] twice"]),
        ({"learning_rate": ["a"]}, ["grid.learning_rate is 'a'", "a number"]),
        ({"learning_rate": [True]}, ["grid.learning_rate is True", "a number"]),
        ({"learning_rate": [None]}, ["grid.learning_rate is None", "a number"]),
        ({"learning_rate": [np.ones((2, 2))]}, ["grid.learning_rate is [[1.0", "a number"]),
        ({"learning_rate": [0.1, -1]}, ["grid.learning_rate is -1.0", "a finite number above 0"]),
        ({"learning_rate": [np.nan]}, ["grid.learning_rate is nan", "a finite number above 0"]),
        ({"learning_rate": [10**400]}, ["grid.learning_rate is 1000", "a finite number above 0 and of at most"]),
        ({"patience": [2.5]}, ["grid.patience is 2.5", "a whole number"]),
        ({"patience": [-1]}, ["grid.patience is -1", "a whole number of at least 0"]),
        ({"patience": [2**31]}, ["grid.patience is 2147483648", "of at most 2147483647"]),
        ({"hidden": 32}, ["grid.hidden is 32", "such as [[32]]"]),
        ({"hidden": [32]}, ["grid.hidden is 32", "a list, such as [32]"]),
        ({"hidden": (32, 16)}, ["grid.hidden is 32", "a list, such as [32]"]),
        ({"hidden": [(32, 0)]}, ["grid.hidden is 0", "of at least 1"]),
        ({"hidden": [(32, "a")]}, ["grid.hidden is 'a'", "a whole number"]),
        ({"activation": ["relu", "tan"]}, ["'tan' is unknown", "did you mean tanh"]),
        ({"activation": [None]}, ["grid.activation is None", "text in quotes"]),
        ({"dropout": [1]}, ["grid.dropout is 1", "true or false"]),
        ({"beta1": [0.1]}, ["beta1", "not read"]),
    ],
    ids=str,
)
def test_an_axis_that_makes_no_sense_is_refused(splits, grid, words):
    refused(words, fit_grid, SPEC, Hyper(), splits, grid)


def test_a_grid_is_a_dict_of_names():
    refused(["grid is [0.1]", "a dict of lists"], axes_of, [0.1])
    refused(["grid.3 is no key", "known: learning_rate"], axes_of, {3: [0.1]})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"seeds": 0}, ["seeds is 0", "a whole number of at least 1"]),
        ({"seeds": -2}, ["seeds is -2", "of at least 1"]),
        ({"seeds": True}, ["seeds is True", "a whole number"]),
        ({"seeds": []}, ["seeds is []", "different values"]),
        ({"seeds": [3, 4, 3]}, ["seeds has 3 twice", "different values"]),
        ({"seeds": [3, -4]}, ["seeds is -4", "of at least 0"]),
        ({"seeds": np.array([0.5])}, ["seeds is 0.5", "a whole number"]),
        ({"mode": "paked"}, ["mode 'paked' is unknown", "packed"]),
        ({"chunk": 3}, ["chunk is 3", "a power of two"]),
        ({"chunk": 0}, ["chunk is 0", "a power of two"]),
        ({"chunk": -4}, ["chunk is -4", "a power of two"]),
        ({"chunk": True}, ["chunk is True", "a whole number"]),
        ({"chunk": 4, "mode": "sequential"}, ["chunk", "sequential", "take one of them"]),
        ({"rung_epochs": [0]}, ["rung_epochs is 0", "of at least 1"]),
        ({"rung_epochs": (3, 2)}, ["rung_epochs is [3, 2]", "numbers that rise"]),
        ({"rung_epochs": (3, 3)}, ["rung_epochs is [3, 3]", "numbers that rise"]),
        ({"rung_epochs": (3, 9)}, ["rung_epochs ends at 9", "below training.max_epochs, which is 9"]),
        ({"rung_epochs": (3,), "keep": 1.0}, ["keep is 1.0", "above 0 and below 1"]),
        ({"rung_epochs": (3,), "keep": 0.0}, ["keep is 0.0", "above 0 and below 1"]),
        ({"rung_epochs": (3,), "keep": float("nan")}, ["keep is nan", "above 0 and below 1"]),
    ],
    ids=str,
)
def test_a_grid_that_makes_no_sense_is_refused(splits, more, words):
    refused(words, fit_grid, SPEC, Hyper(), splits, RATE, **more)


def test_a_rung_is_below_the_fewest_epochs_of_any_group(splits):
    words = ["rung_epochs ends at 3", "which is 3"]
    refused(words, fit_grid, SPEC, Hyper(), splits, {"max_epochs": [3, 9]}, rung_epochs=[2, 3])


@pytest.mark.parametrize(
    ("hypers", "seeds", "more", "words"),
    [
        ([], [], {}, ["0 hypers and 0 seeds"]),
        ([Hyper()], SEEDS, {}, ["1 hypers and 5 seeds", "one seed for each"]),
        ([Hyper(-1.0)] * 5, SEEDS, {}, ["hyper.learning_rate is -1.0", "a finite number above 0"]),
        ([Hyper(-1)] * 5, SEEDS, {}, ["hyper.learning_rate is -1", "a finite number above 0"]),
        ([Hyper(True)], [0], {}, ["hyper.learning_rate is True", "a number"]),
        ([Hyper(patience=2.5)], [0], {}, ["hyper.patience is 2.5", "a whole number"]),  # pyright: ignore[reportArgumentType]
        ([Hyper()], [-1], {}, ["seeds is -1", "of at least 0"]),
        ([Hyper()], [0], {"chunk": 6}, ["chunk is 6", "a power of two"]),
        ([Hyper()], [0], {"mode": "sequential", "chunk": 2}, ["take one of them"]),
        ([Hyper()], [0], {"mode": "paked"}, ["mode 'paked' is unknown"]),
    ],
)
def test_trials_that_make_no_sense_are_refused(splits, hypers, seeds, more, words):
    refused(words, fit_trials, SPEC, hypers, seeds, splits, **more)


def slipped(made, **values):
    """With values of any type, which only the hook of conftest would refuse."""
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


def slip(**parts):
    return slipped(replace(SPEC), **parts)


def each_way(words, spec, hyper, splits):
    refused(words, fit, spec, hyper, splits)
    refused(words, fit_trials, spec, [hyper], [0], splits)
    refused(words, fit_grid, spec, hyper, splits, RATE)


@pytest.mark.parametrize(
    ("spec", "hyper", "words"),
    [
        (replace(SPEC, inputs=784), Hyper(), ["spec.inputs is 784", "splits.train.x has 4 columns", "inputs=4"]),
        (replace(SPEC, outputs=2), Hyper(), ["spec.outputs is 2", "splits.train.targets go from 0 to 2", "outputs=3"]),
        (slip(network=slipped(Network(), hidden=[5])), Hyper(), ["network.hidden is [5]", "a tuple"]),
        (slip(network=slipped(Network(), hidden=5)), Hyper(), ["network.hidden is 5", "(5,)"]),
        (slip(network=slipped(Network(), activation=None)), Hyper(), ["network.activation is None", "text"]),
        (slip(training=slipped(Training(), max_epochs=2.0)), Hyper(), ["training.max_epochs is 2.0", "a whole number"]),
        (SPEC, Hyper(momentum=None), ["hyper.momentum is None", "a number"]),  # pyright: ignore[reportArgumentType]
        (SPEC, Hyper(momentum=np.nan), ["hyper.momentum is nan", "a finite number"]),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(splits, spec, hyper, words):
    each_way(words, spec, hyper, splits)


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        (
            "train",
            {"x": np.zeros((35, 2, 2), np.float32)},
            ["splits.train.x has the shape [35, 2, 2]", "[examples, 4]"],
        ),
        ("validation", {"x": np.zeros((15, 3), np.float32)}, ["splits.validation.x has 3 columns"]),
        ("train", {"targets": np.zeros(34, np.int32)}, ["splits.train.targets has the shape [34]", "35 examples"]),
        ("train", {"targets": np.zeros(35, np.float32)}, ["splits.train.targets", "float32", "a whole number"]),
        ("test", {"targets": np.full(10, 3)}, ["splits.test.targets go from 3 to 3", "outputs=4"]),
        ("test", {"targets": np.full(10, -1)}, ["splits.test.targets go from -1 to -1", "from 0"]),
        ("train", {"weights": np.ones(34, np.float32)}, ["splits.train.weights has the shape [34]", "35 examples"]),
        (
            "validation",
            {"weights": np.zeros(15, np.float32)},
            ["splits.validation has no examples of a weight above 0", "validation=0.2"],
        ),
    ],
)
def test_data_that_make_no_sense_are_refused(splits, part, change, words):
    found = splits._replace(**{part: getattr(splits, part)._replace(**change)})
    each_way(words, SPEC, Hyper(), found)


def test_the_numbers_of_numpy_will_do(splits):
    grid = {
        "learning_rate": np.geomspace(0.1, 0.4, 3, dtype=np.float32),
        "patience": [np.int64(2)],
        "hidden": [np.array([5])],
    }
    found = fit_grid(SPEC, Hyper(l2=np.float32(0.5)), splits, grid, seeds=np.array([4]), rung_epochs=[2], chunk=1)
    assert [type(column[0]) for column in (found.table[name] for name in grid)] == [float, int, tuple]
    assert (found.table["seed"], found.table["hidden"][0]) == ([4] * 3, (5,))
    fits = fit_trials(SPEC, [Hyper(np.float32(0.1))], np.array([1]), splits, mode="packed", chunk=1)
    assert len(fits) == 1


def test_zero_weight_examples_do_not_count(splits):
    """Their labels may be anything; counts and accuracies of the table are those of `fit`."""

    def halved(part):
        counts = np.arange(len(part.x)) % 2 == 0
        labels = np.where(counts, part.targets, -1).astype(np.int32)
        return Examples(part.x, labels, counts.astype(np.float32))

    weighted = Splits(*map(halved, splits))
    found = fit_grid(SOFTMAX, Hyper(), weighted, {}, mode="sequential")
    single = fit(SOFTMAX, Hyper(), weighted)
    row = found.rows[0]
    assert (row["train_count"], row["validation_count"]) == (18, 8)
    assert (row["validation_correct"], row["validation_count"]) == single.validation[1:3]
    assert row["validation_accuracy"] == single.validation.accuracy
    assert found.curves[0]["train_accuracy"] == [epoch.train.accuracy for epoch in single.epochs]


def test_a_trial_that_diverged_is_never_the_best(splits):
    """Though the loss of an epoch before was finite, and the lowest."""
    late = Hyper(1e-3, momentum=0.0, patience=0)
    found = fit_grid(SPEC, late, splits, {"l2": [0.0, 1e4]})
    statuses, losses = found.table["status"], found.table["validation_loss"]
    assert statuses == ["max_epochs", "diverged"]
    assert losses[1] is not None
    assert found.best.trial == 0
    assert fit_grid(SPEC, late, splits, {"l2": [1e4]}).best is None


def test_one_worker_and_three_come_to_the_same_bits(splits, monkeypatch):
    """With rungs, over which trials are cut into units anew, and seeds."""
    found = []
    for workers in (1, 3):
        monkeypatch.setattr("jaxmlp.grid.fit_grid.local_workers", lambda *_, n=workers: jax.local_devices()[:1] * n)
        rates = np.geomspace(0.01, 0.5, 8)
        found.append(
            fit_grid(SPEC, Hyper(), splits, {"learning_rate": rates}, seeds=3, rung_epochs=(2, 5), keep=0.5, chunk=2)
        )
    one, three = found
    assert one.table == three.table
    assert set(one.table["status"]) > {"pruned"}
    for curve, other in zip(one.curves, three.curves, strict=True):
        assert {name: curve[name] for name in curve if name != "seconds"} == {
            name: other[name] for name in other if name != "seconds"
        }
    assert_same([model.params for model in one.models(5)], [model.params for model in three.models(5)])


RATES = {"learning_rate": [1e30, 0.3, 0.1, 0.01], "hidden": [(5,), (6,)]}


@pytest.mark.parametrize("rungs", [(), (2, 4)], ids=["whole", "pruned"])
def test_the_best_models_are_those_of_the_table(splits, rungs):
    found = fit_grid(SPEC, Hyper(patience=0), splits, RATES, seeds=[3, 8], rung_epochs=rungs, keep_models=3, chunk=1)
    order = sorted(found.rows, key=lambda row: (row["validation_loss"] or np.inf, row["trial"]))
    assert [trial.trial for trial in found.trained] == [row["trial"] for row in order[:3]]
    for trial, row in zip(found.trained, order, strict=False):
        assert (trial.hyper.learning_rate, trial.seed) == (row["learning_rate"], row["seed"])
        assert trial.spec.network.hidden == row["hidden"]
        accuracy = trial.model.score(splits.validation.x, splits.validation.targets)
        assert accuracy == pytest.approx(row["validation_accuracy"])
    assert found.models(2) == [trial.model for trial in found.trained[:2]]
    assert found.best is found.trained[0]
    refused(["top is 4", "keep_models=4"], found.models, 4)
    refused(["top is 0"], found.models, 0)


def test_there_are_no_more_models_than_trials_that_did_not_diverge(splits):
    found = fit_grid(SPEC, Hyper(patience=0), splits, {"learning_rate": [0.3, 1e30]})
    assert [model.spec for model in found.models(2)] == [SPEC]


def test_of_many_trials_few_weights_are_kept():
    def result(trial, loss):
        state = SimpleNamespace(
            best_params=(Layer(np.zeros((2, 2)), np.zeros(2)),), stopping=SimpleNamespace(best_epoch=1)
        )
        return TrialResult(trial, "max_epochs", np.full((1, len(COLUMNS)), loss), state)

    weights = BestWeights(2)
    for trial, loss in enumerate([3.0, 1.0, 2.0, 4.0, np.inf, 1.0]):
        weights.add(result(trial, loss))
    assert [trial for trial, _ in weights.best_first()] == [1, 5]
    weights.add(result(1, np.inf))  # it diverged after a rung
    assert [trial for trial, _ in weights.best_first()] == [5]


def test_fits_and_grids_take_a_preparation(splits):
    preparation = as_it_is(SPEC, splits.train.targets)._replace(classes=("ant", "bee", "cat"))
    (one,) = fit_trials(SPEC, [Hyper()], [0], splits, mode="packed", chunk=1, preparation=preparation)
    grid = fit_grid(SPEC, Hyper(), splits, {}, preparation=preparation)
    for model in (one.model, grid.best.model):
        assert set(model.predict(splits.test.x).tolist()) <= {"ant", "bee", "cat"}
    wrong = preparation._replace(classes=(1, 2))
    refused(["spec.outputs is 3", "2 classes"], fit_trials, SPEC, [Hyper()], [0], splits, preparation=wrong)
    refused(["spec.outputs is 3", "2 classes"], fit_grid, SPEC, Hyper(), splits, {}, preparation=wrong)


def test_an_interrupted_grid_returns_what_there_is(splits):
    class Press(Callbacks):
        def __init__(self):
            self.on_call_end = signalling(signal.SIGINT)

    spec = replace(SPEC, training=replace(SPEC.training, max_epochs=100_000))
    watches, grid = [Press(), Watch()], {"learning_rate": [0.1, 0.2]}
    found = fit_grid(spec, Hyper(patience=0), splits, grid, chunk=1, callbacks=watches)
    assert found.table["status"] == ["stopped"] * 2
    assert found.best.model.predict(splits.test.x).shape == (10,)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
