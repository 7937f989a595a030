"""The trials of a grid as arrays: their numbering, groups and values, against the product written out."""

import itertools

import numpy as np
import pytest

from jaxmlp.grid.scheduler import Trial
from jaxmlp.grid.trials import Base, Trials, coded, product_codes
from jaxmlp.spec import Hyper

AXES = {"hyper.l2": (0.0, 0.1), "training.optimizer": ("adam", "sgd"), "hyper.momentum": (0.5, 0.9, 0.99)}
READS = {"adam": frozenset({"l2"}), "sgd": frozenset({"l2", "momentum"})}


def base_of(values):
    return Base(values["training.optimizer"], Hyper(l1=0.5), READS[values["training.optimizer"]])


@pytest.fixture
def trials():
    return Trials(AXES, product_codes(AXES), (7, 3), base_of)


def written_out():
    """The configurations: what each reads of the product, the first of equal ones, in order."""
    read = []
    for values in itertools.product(*AXES.values()):
        point = dict(zip(AXES, values, strict=True))
        if point["training.optimizer"] == "adam":
            del point["hyper.momentum"]
        if point not in read:
            read.append(point)
    return read


def test_the_configurations_are_the_product_without_what_is_not_read(trials):
    found = [trials.values(configuration) for configuration in range(len(trials.codes))]
    assert found == written_out()
    assert len(trials) == 2 * len(found) == 16
    assert trials.configurations == [configuration for configuration in range(8) for _ in range(2)]


def test_each_group_has_its_trials_with_all_seeds(trials):
    assert [base.described for base in trials.bases] == ["adam", "sgd"]
    numbers = [trials.numbers(group) for group in range(2)]
    assert numbers == [[0, 1, 8, 9], [*range(2, 8), *range(10, 16)]]
    for number in range(16):
        configuration, seed = trials.split(number)
        values = {key[6:]: value for key, value in trials.values(configuration).items() if "hyper." in key}
        assert trials.trial(number) == Trial(Hyper(l1=0.5)._replace(**values), seed)
        assert seed == trials.seed(number) == (7, 3)[number % 2]


def test_a_group_has_in_common_what_all_its_configurations_have(trials):
    assert [trials.common(group) for group in range(2)] == [
        {"training.optimizer": "adam"},
        {"training.optimizer": "sgd"},
    ]
    lone = {key: values[:1] for key, values in AXES.items()}
    only = Trials(lone, product_codes(lone), (0,), base_of)
    assert only.common(0) == {"hyper.l2": 0.0, "training.optimizer": "adam"}


def test_no_axis_is_one_configuration():
    trials = Trials({}, product_codes({}), (0, 1, 2), lambda values: Base("a", Hyper(), frozenset()))
    assert (len(trials), trials.values(0), trials.split(2)) == (3, {}, (0, 2))


def test_columns_are_coded_by_their_different_values():
    columns = {"a": [0.5, 0.1, 0.5], "b": [(8,), (), ()]}
    axes, codes = coded(columns)
    assert axes == {"a": [0.5, 0.1], "b": [(8,), ()]}
    np.testing.assert_array_equal(codes, [[0, 0], [1, 1], [0, 1]])


def test_a_base_is_made_once_for_each_group():
    made = []

    def counted(values):
        made.append(values)
        return base_of(values)

    axes = AXES | {"hyper.l2": tuple(np.arange(50_000) / 1e5)}
    trials = Trials(axes, product_codes(axes), (0,), counted)
    assert len(trials) == 50_000 * 4
    assert made == [{"training.optimizer": "adam"}, {"training.optimizer": "sgd"}]
    assert trials.codes.nbytes < 3e6
