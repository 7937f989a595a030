"""Members of one program are the networks they would have been alone, wherever and however many they run."""

import jax
import numpy as np
import pytest

from jaxmlp.errors import UsageError
from jaxmlp.spec import Examples, Hyper, Network, Spec, Splits, Training
from jaxmlp.training import members
from jaxmlp.training.fitting import fit
from jaxmlp.training.members import fit_members

SPEC = Spec(Network((5,)), Training(max_epochs=9, batch_size=8), inputs=4, classes=3)
HYPERS = [Hyper(0.3, patience=1), Hyper(0.1, momentum=0.5), Hyper(0.3, l2=0.01)]
SEEDS = [3, 3, 8]


@pytest.fixture(scope="module")
def splits():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 60).astype(np.int32)
    x = (np.eye(3, 4)[labels] + 0.6 * generator.standard_normal((60, 4))).astype(np.float32)
    return Splits(*(Examples(x[part], labels[part]) for part in (slice(0, 35), slice(35, 50), slice(50, 60))))


@pytest.fixture(scope="module")
def alone(splits):
    return [fit(SPEC, hyper, splits, seed) for hyper, seed in zip(HYPERS, SEEDS, strict=True)]


def same_run(one, other):
    assert [row.epoch for row in one.epochs] == [row.epoch for row in other.epochs]
    assert (one.best_epoch, one.stop_reason, one.test.correct) == (
        other.best_epoch,
        other.stop_reason,
        other.test.correct,
    )
    assert [row.train.correct for row in one.epochs] == [row.train.correct for row in other.epochs]


def test_one_after_the_other_they_equal_their_solo_runs_to_the_bit(splits, alone):
    assert jax.device_count() > 1, "the suite is meant to run on two CPU devices"
    for one, solo in zip(fit_members(SPEC, HYPERS, SEEDS, splits, lanes=1), alone, strict=True):
        same_run(one, solo)
        jax.tree.map(np.testing.assert_array_equal, one.params, solo.params)


def test_side_by_side_they_equal_their_solo_runs_to_rounding(splits, alone):
    for one, solo in zip(fit_members(SPEC, HYPERS, SEEDS, splits, lanes=2), alone, strict=True):
        same_run(one, solo)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), one.params, solo.params)


def test_one_trace_for_all_numbers_and_seeds(splits, monkeypatch):
    traces = []
    advance = members.advance
    monkeypatch.setattr(members, "advance", lambda *a: traces.append(1) or advance(*a))
    members.compiled.cache_clear()
    for rate in (0.1, 0.2, 0.3):
        fit_members(SPEC, [Hyper(rate), Hyper(rate / 2)], [0, 1], splits)
    members.compiled.cache_clear()
    assert len(traces) == 1


def test_it_tells_how_many_are_running(splits):
    told = []
    fits = fit_members(SPEC, HYPERS, SEEDS, splits, on_epoch=lambda running, epochs: told.append((running, epochs)))
    assert told[0] == (3, 3)
    assert told[-1][1] == sum(len(one.epochs) for one in fits)


@pytest.mark.parametrize(
    ("hypers", "error"), [([], ValueError), ([Hyper()], ValueError), ([Hyper(-1.0)] * 3, UsageError)]
)
def test_what_makes_no_sense_is_refused(splits, hypers, error):
    with pytest.raises(error):
        fit_members(SPEC, hypers, SEEDS, splits)
