"""Experiments as files: what is read, what is refused, and that writing one and reading it back changes nothing."""

import itertools
import math
import tomllib
from pathlib import Path
from typing import get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import of_kind, refused

from jaxmlp.data.config import Data
from jaxmlp.errors import UsageError
from jaxmlp.nn.gradients import by_autodiff
from jaxmlp.nn.losses import LOSSES
from jaxmlp.nn.network import INITS, Layer
from jaxmlp.nn.network import init as first_weights
from jaxmlp.run import config
from jaxmlp.run.config import Experiment
from jaxmlp.spec import Examples, Hyper, Network, Spec, Training
from jaxmlp.training import optimizers, stopping
from jaxmlp.training.fitting import traced
from jaxmlp.training.optimizers import OPTIMIZERS
from jaxmlp.training.schedules import SCHEDULES, learning_rates, schedule
from jaxmlp.training.stopping import STOP_RULES
from jaxmlp.training.validation import reads

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted((CONFIGS / "report").rglob("*.toml"))


def read(tmp_path, text):
    """As a command reads a file: parsed, then checked."""
    path = tmp_path / "a.toml"
    path.write_text(text)
    experiment, given = config.read(path)
    config.check(experiment, given)
    return experiment


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.relative_to(CONFIGS).as_posix())
def test_every_config_that_is_shipped_makes_sense(path):
    experiment, given = config.read(path)
    config.check(experiment, given)
    assert given <= set(config.keys())
    assert config.read(path.relative_to(CONFIGS.parent))[0] == experiment  # found by its name from anywhere


def test_a_shipped_config_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = SHIPPED[0].relative_to(CONFIGS.parent)
    assert config.read(name)[0] == config.read(SHIPPED[0])[0]
    mine = tmp_path / name
    mine.parent.mkdir(parents=True)
    mine.write_text("seed = 7")
    assert config.read(name)[0].seed == 7  # a file that is there comes first


def test_an_empty_file_is_the_default_experiment(tmp_path):
    assert read(tmp_path, "") == Experiment()


def test_a_file_sets_what_it_names_and_nothing_else(tmp_path):
    experiment = read(tmp_path, "seed = 3\n[network]\nhidden = []\n[hyper]\nlearning_rate = 1\n")
    assert experiment == Experiment(network=Network(hidden=()), hyper=Hyper(learning_rate=1.0), seed=3)
    assert type(experiment.hyper.learning_rate) is float


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[trainin]\nbatch_size = 1", ["[trainin]", "training"]),
        ("[training]\nbach_size = 1", ["training.bach_size", "training.batch_size"]),
        ("[hyper]\nlearning-rate = 0.1", ["hyper.learning-rate", "hyper.learning_rate"]),
        ("sed = 1", ["sed", "seed"]),
        ("[seed]\na = 1", ["seed", "a whole number"]),
        ("data = 'digits'", ["data is a section", "[data]"]),
        ("[[data]]\nname = 'digits'", ["data is a section"]),
        ("[training]\noptimizer = 'adaam'", ["training.optimizer", "'adaam'", "adam"]),
        ("[training]\nschedule = 'cosin'", ["training.schedule", "cosine"]),
        ("[training]\nstop_rule = 'never'", ["training.stop_rule", "no_improvement"]),
        ("[training]\ngradient = 'numerical'", ["training.gradient", "autodiff", "delta_rule", "both"]),
        ("[training]\nmatmul_precision = 'higest'", ["training.matmul_precision", "highest"]),
        ("[training]\ncompute_dtype = 'bf16'", ["training.compute_dtype", "full, bfloat16"]),
        ("[training]\ncompute_dtype = 'bfloat16'\ndtype = 'float64'", ["training.compute_dtype", "float64"]),
        ("[network]\nactivation = 'rely'", ["activation", "'rely'", "relu"]),
        ("[network]\nactivation = 'step'", ["step", "derivative"]),
        ("[network]\nloss = 'squared'", ["network.loss", "squared_error"]),
        ("[network]\ninit = 'glorot'", ["network.init", "glorot_uniform"]),
        ("[network]\noutput_activation = 'tanh'", ["network.output_activation", "squared_error"]),
        ("[network]\nhidden = []\ndropout = true", ["network.dropout", "network.hidden"]),
        ("[network]\nhidden = 128", ["network.hidden", "list"]),
        ("[network]\nhidden = [128.0]", ["network.hidden", "whole number"]),
        ("[network]\nhidden = ['128']", ["network.hidden", "whole number"]),
        ("[network]\nactivation = 1", ["network.activation", "quotes"]),
        ("[network]\ndropout = 1", ["network.dropout", "true or false"]),
        ("[training]\nbatch_size = 1.0", ["training.batch_size", "whole number"]),
        ("[training]\nbatch_size = true", ["training.batch_size", "whole number"]),
        ("[hyper]\nlearning_rate = '0.1'", ["hyper.learning_rate", "a number"]),
        ("[hyper]\nlearning_rate = true", ["hyper.learning_rate", "a number"]),
        ("[hyper]\npatience = 2.5", ["hyper.patience", "whole number"]),
        ("[hyper]\nlearning_rate = 2024-01-01", ["hyper.learning_rate", "a number"]),
        ("[hyper\n", ["a.toml", "TOML"]),
        ("seed = 1\nseed = 2", ["a.toml", "TOML"]),
        ("seed = -1", ["seed", "at least 0"]),
        (f"seed = {2**31}", ["seed", "at most 2147483647"]),
        ("[network]\nhidden = [8, 0]", ["network.hidden", "at least 1"]),
        ("[training]\nbatch_size = 0", ["training.batch_size", "at least 1"]),
        ("[training]\nmax_epochs = 0", ["training.max_epochs", "at least 1"]),
        ("[training]\nmax_epochs = 3_000_000_000", ["training.max_epochs", "at most"]),
        (f"[training]\nmax_epochs = 1{'0' * 400}", ["training.max_epochs", "at most"]),
        ("[hyper]\nlearning_rate = 0.0", ["hyper.learning_rate", "above 0"]),
        ("[hyper]\nlearning_rate = -0.1", ["hyper.learning_rate", "above 0"]),
        ("[hyper]\nlearning_rate = nan", ["hyper.learning_rate", "finite"]),
        ("[hyper]\nlearning_rate = inf", ["hyper.learning_rate", "finite"]),
        ("[hyper]\nlearning_rate = 1e39", ["hyper.learning_rate", "at most"]),
        ("[hyper]\nmomentum = 1.0", ["hyper.momentum", "below 1"]),
        ("[hyper]\nmomentum = -0.1", ["hyper.momentum", "at least 0"]),
        ("[hyper]\npatience = -1", ["hyper.patience", "at least 0"]),
        ("[hyper]\nmin_delta = -inf", ["hyper.min_delta", "finite"]),
        ("[data]\nvalidation = 1.0", ["data.validation", "below 1"]),
        ("[data]\nvalidation = 0", ["data.validation", "above 0"]),
        ("[data]\nsplit_seed = -1", ["data.split_seed", "at least 0"]),
    ],
)
def test_what_is_wrong_is_refused_in_one_line_that_names_it(tmp_path, text, words):
    refused(words, read, tmp_path, text)


@pytest.mark.parametrize("name", [name for name, kind in get_type_hints(Hyper).items() if kind is float])
def test_every_number_refuses_nan(name):
    with pytest.raises(UsageError, match=rf"hyper\.{name} is nan"):
        config.check(Experiment(hyper=Hyper(**{name: math.nan})), [])


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[hyper]\nbeta1 = 0.9", "beta1"),
        ("[training]\noptimizer = 'sgd'\n[hyper]\nmomentum = 0.9", "momentum"),
        ("[training]\noptimizer = 'adam'\n[hyper]\nweight_decay = 0.1", "weight_decay"),
        ("[training]\noptimizer = 'adam'\n[hyper]\nrms_decay = 0.1", "rms_decay"),
        ("[hyper]\ndecay_rate = 0.5", "decay_rate"),
        ("[training]\nschedule = 'exponential'\n[hyper]\ndecay_epochs = 5", "decay_epochs"),
        ("[training]\nschedule = 'step'\n[hyper]\nfinal_fraction = 0.5", "final_fraction"),
        ("[hyper]\ndropout_rate = 0.5", "dropout_rate"),
        ("[hyper]\ninit_scale = 0.03", "init_scale"),
        ("[training]\nstop_rule = 'consecutive_increase'\n[hyper]\nmin_delta = 0.0", "min_delta"),
    ],
)
def test_a_number_that_nothing_reads_is_refused_even_at_its_default(tmp_path, text, field):
    with pytest.raises(UsageError, match=rf"hyper\.{field} is set, but not read"):
        read(tmp_path, text)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_writing_and_reading_back_changes_nothing(tmp_path, optimizer, schedule):
    for stop_rule, init, dropout in itertools.product(STOP_RULES, ("uniform", "he_normal"), (False, True)):
        experiment = Experiment(
            Data(name="digits", normalise="global"),
            Network(hidden=(7, 5), init=init, dropout=dropout),
            Training(optimizer=optimizer, schedule=schedule, stop_rule=stop_rule),
            Hyper(learning_rate=0.1 + 0.2, warmup_epochs=1e-30),
            seed=12,
        )
        text = config.write(experiment)
        again = read(tmp_path, text)
        assert again == experiment
        assert config.write(again) == text
        assert set(tomllib.loads(text)["hyper"]) == reads(experiment.network, experiment.training)


def test_softmax_regression_is_written_and_read_back(tmp_path):
    experiment = Experiment(Data(normalise="global"), network=Network(hidden=()))
    assert read(tmp_path, config.write(experiment)) == experiment


def test_paths_are_made_absolute_and_names_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config.tree(Experiment(Data(name="my/data.npz")))["data"]["name"] == str(tmp_path / "my/data.npz")
    assert config.tree(Experiment(Data(name="mnist", dir="here")))["data"] | {"name": "mnist"} == {
        "name": "mnist",
        "dir": str(tmp_path / "here"),
        "normalise": "per_image",
        **{key: getattr(Data(), key) for key in ("validation", "split_seed", "stratified")},
    }
    for name in ("mnist", "mnist5k", "digits", "tfds:kmnist"):
        assert config.tree(Experiment(Data(name=name)))["data"]["name"] == name


@pytest.mark.parametrize(
    ("name", "nearest"), [("configs/report/rleu.toml", "configs/report/relu.toml"), ("halvin.toml", "halving.toml")]
)
def test_a_missing_file_is_refused_with_the_few_nearest_that_are_shipped(name, nearest):
    with pytest.raises(UsageError, match=f"config file {name} does not exist; of the .*{nearest}") as refusal:
        config.read(Path(name))
    assert str(refusal.value).count(".toml") == 4


@pytest.mark.parametrize("name", ["f" * 5000, "f\0", "."], ids=["long", "null", "folder"])
def test_a_name_that_is_no_file_is_refused(name):
    refused(["config file ", "is a directory" if name == "." else "does not exist"], config.read, Path(name))


def test_changes_are_named_with_both_values():
    one, other = config.tree(Experiment()), config.tree(Experiment(training=Training(optimizer="sgd"), seed=1))
    assert config.changes(one, other) == {
        "seed": (0, 1),
        "training.optimizer": ("momentum", "sgd"),
        "hyper.momentum": (0.9, None),
    }
    assert config.changes(one, one) == {}


OTHER_VALUES = Hyper(
    learning_rate=0.37,
    momentum=0.3,
    beta1=0.3,
    beta2=0.05,
    rms_decay=0.4,
    epsilon=0.1,
    weight_decay=0.3,
    clip_norm=0.05,
    l1=0.01,
    l2=0.1,
    label_smoothing=0.3,
    huber_delta=0.3,
    quantile=0.2,
    dropout_rate=0.2,
    init_scale=0.5,
    warmup_epochs=2.0,
    decay_rate=0.3,
    decay_epochs=1.0,
    decay_power=1.5,
    final_fraction=0.5,
    patience=1,
    min_delta=10.0,
)


def experiments():
    """Experiments that together bear every name of every registry."""
    rules = itertools.cycle(STOP_RULES)
    for optimizer, schedule_name, init, loss in itertools.zip_longest(OPTIMIZERS, SCHEDULES, INITS, LOSSES):
        clip, loss = optimizer == "momentum", loss or "softmax_cross_entropy"
        yield Experiment(
            network=Network(hidden=(4,), init=init or "zeros", loss=loss, dropout=schedule_name is None),
            training=Training(
                optimizer or "sgd", schedule_name or "constant", max_epochs=4, stop_rule=next(rules), clip=clip
            ),
        )


@pytest.mark.parametrize(
    "experiment", list(experiments()), ids=lambda e: f"{e.training.optimizer}-{e.training.schedule}-{e.network.init}"
)
def test_reads_tells_the_truth(experiment):
    """A number that is said to be read changes what training computes; the others do not change a bit of it."""
    spec, key = Spec(experiment.network, experiment.training, 3, 2), jax.random.key(0)
    rng = np.random.default_rng(0)
    loss, x = experiment.network.loss, rng.normal(size=(8, 3)).astype(np.float32)
    batch = jax.tree.map(jnp.asarray, of_kind(loss, LOSSES[loss].learns[0], Examples(x, np.zeros(0)), 2))
    weights = Layer(rng.normal(size=(3, 4)), rng.normal(size=4)), Layer(rng.normal(size=(4, 2)), rng.normal(size=2))
    fixed = jax.tree.map(lambda array: array.astype(np.float32), weights)

    @jax.jit
    def computed(hyper):
        training = spec.training
        state, stops = stopping.begin("float32", cuts=schedule(training.schedule).cuts), []
        cuts = None if state.cuts is None else state.cuts + 2
        rates = [learning_rates(training, hyper, jnp.asarray(epoch), 1, cuts)[0] for epoch in range(4)]
        params, opt_state = fixed, optimizers.start(training.optimizer, hyper, fixed)
        for rate in rates:
            grads = by_autodiff(spec, hyper, params, batch, key).grads
            grads = optimizers.clipped(hyper, grads) if training.clip else grads
            params, opt_state = optimizers.update(training.optimizer, hyper, rate, grads, opt_state, params)
        for epoch, loss in enumerate(jnp.asarray([1.0, 0.9, 0.95, 0.97, 0.8])):
            state, _ = stopping.after_epoch(training.stop_rule, hyper, state, jnp.asarray(epoch), loss, loss, rates[0])
            stops.append(stopping.stopped(hyper, state))
        return first_weights(spec, hyper, key), rates, params, stops, state.cuts

    def outcome(hyper):
        return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(computed(traced(spec, hyper)))]

    base = Hyper(learning_rate=0.5, beta2=0.6, patience=2, decay_epochs=2.0)
    with jax.numpy_dtype_promotion("standard"):
        first = outcome(base)
        read = {n for n in Hyper._fields if outcome(base._replace(**{n: getattr(OTHER_VALUES, n)})) != first}
    assert read == reads(experiment.network, experiment.training)
