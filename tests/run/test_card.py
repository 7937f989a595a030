"""The model card says what was trained on what, how good it is by how many examples, and what it is not good for."""

import jax
import numpy as np
import pandas as pd
import pytest
from helpers import cases, save_clouds

import jaxmlp
from jaxmlp.data.config import Data
from jaxmlp.export.formats import FORMATS
from jaxmlp.run import card, config, directory, environment, runner
from jaxmlp.run.config import Experiment
from jaxmlp.spec import Hyper, Network
from jaxmlp.statistics import accuracy_interval
from jaxmlp.training.fitting import measure
from jaxmlp.training.model import Model

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "size": np.where(np.arange(90) % 9 == 0, np.nan, RNG.normal(size=90).round(3)),
        "town|s": RNG.choice(["Oslo", "Rome"], 90),
        "price": RNG.normal(size=90).round(3),
        "colour": np.where(np.arange(90) < 5, "rare", "blue"),
        "sport": np.arange(90) % 2,
        "arts": np.arange(90) % 3 // 2,
    }
)
RUNS = {  # data.target, the loss, and what the card has to say
    "images": (None, "softmax_cross_entropy", ["images of 2 x 2 numbers", "dark and light", "calibrated"]),
    "outputs that are no probabilities": (None, "squared_error", ["Probabilities: its outputs are none"]),
    "classes": ("colour", "softmax_cross_entropy", ["town\\|s", "2 categories: Oslo, Rome", "where it is missing", "rare"]),
    "labels": ("sport,arts", "sigmoid_cross_entropy", ["all labels right", "single labels right", "which of 2 labels"]),
    "values": ("price", "huber", ["R2", "mean absolute error", "predicts 1 value", "Values beyond those"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cards")
    TABLE.to_csv(folder / "table.csv", index=False)
    with np.load(save_clouds(folder / "clouds.npz")) as arrays:
        four = {name: x[:, :4].reshape(-1, 2, 2) if name.startswith("x") else x for name, x in arrays.items()}
    np.savez(folder / "images.npz", **four)
    return folder


def card_of(folder, target, loss, **changed):
    """The card of a network with its first weights, and its summary."""
    if target is None:
        data = Data(str(folder / "images.npz"))
    else:
        names = {"price", "colour", "sport", "arts"} - set(target.split(","))
        data = Data(str(folder / "table.csv"), target=target, leave_out=",".join(sorted(names)))
    experiment = Experiment(data, Network((3,), loss=loss))
    out = folder / "-".join([str(target), loss, *changed])
    directory.create(out, experiment, overwrite=True)
    loaded = runner.read_data(experiment)
    identity = directory.experiment_identity(experiment, loaded.crc32)
    environment.write(out, environment.of_run(experiment, identity, loaded.origin))
    spec = runner.spec_of(experiment, loaded.splits, loaded.preparation)
    params = jaxmlp.init(spec, Hyper(), jax.random.key(0))
    validation, test = (measure(spec, Hyper(), params, split).to_json() for split in loaded.splits[1:])
    summary = {"test": test, "validation": validation, "best_epoch": 3, "epochs_run": 5, "parameters": 77}
    summary |= {"stop_reason": "early_stopping", "seconds": {"train": 2.5}} | changed
    card.write(out, experiment, loaded.origin, loaded.splits, Model(spec, params, loaded.preparation), summary)
    return (out / "README.md").read_text(), summary, experiment


@pytest.mark.parametrize(("target", "loss", "words"), cases(RUNS))
def test_the_card_says_what_the_network_is_and_is_not_good_for(folder, target, loss, words):
    text, summary, experiment = card_of(folder, target, loss)
    assert [word for word in words if word not in text] == []
    test = summary["test"]
    assert f"test, {test['count']} examples" in text
    if "correct" in test:
        low, high = accuracy_interval(test["correct"], test["count"])
        assert f"({test['correct']}) | {100 * low:.2f} to {100 * high:.2f} % |" in text
    else:
        assert f"| R2 | {test['r2']:.4f} | " in text
    for key, value in config.tree(experiment)["hyper"].items():
        assert f"| `hyper.{key}` | {value} |" in text
    assert ("predict_proba" in text) == ("cross_entropy" in loss)
    assert all(
        f"export/{chosen.name}" in text or chosen.name.removesuffix(".py") in text for chosen in FORMATS.values()
    )
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)
    assert text.endswith("```\n")


@pytest.mark.parametrize(
    ("reason", "words"), [("diverged", "hardly good for anything"), ("max_epochs", "might still have become better")]
)
def test_the_card_says_how_the_training_ended(folder, reason, words):
    text, *_ = card_of(folder, None, "softmax_cross_entropy", stop_reason=reason)
    assert words in text


def test_the_card_of_few_examples_says_so(folder):
    assert "20 test examples tell little" in card_of(folder, None, "softmax_cross_entropy")[0]
