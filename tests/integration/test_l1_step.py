"""The proximal step of the L1 penalty: exact zeros, at the minimum of the objective, in every way there is to train."""

import itertools
from dataclasses import replace
from functools import partial

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.errors import UsageError
from jaxmlp.grid.fit_grid import fit_trials
from jaxmlp.nn.gradients import by_delta_rule, penalty_term
from jaxmlp.nn.network import init
from jaxmlp.spec import Examples, Hyper, Network, Spec, Splits, Training
from jaxmlp.training import loop
from jaxmlp.training.evaluation import evaluate
from jaxmlp.training.fitting import fit, typed
from jaxmlp.training.optimizers import OPTIMIZERS, shrink, start, update

D, K = 6, 3
RULES = [name for name, rule in OPTIMIZERS.items() if rule.effective_rate]
ADAPTIVE = [name for name in OPTIMIZERS if name not in RULES]
HYPER = Hyper(0.3, momentum=0.8, l1=0.01, patience=0)


def examples(count, seed, dtype=np.float32):
    """Overlapping clouds, two of whose six inputs say nothing of the class."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, K, count).astype(np.int32)
    return Examples((np.eye(K, D)[labels] + generator.standard_normal((count, D))).astype(dtype), labels)


SPLITS = Splits(examples(45, 0), examples(15, 1), examples(15, 2))


def spec_of(optimizer="momentum", l1_step="proximal", hidden=(5,), **training):
    training = {"batch_size": 8, "max_epochs": 12, "monitor": "objective", "shuffle": False} | training
    return Spec(Network(hidden, "tanh"), Training(optimizer, l1_step=l1_step, **training), D, K)


def hyper_for(optimizer, **numbers):
    hyper = HYPER._replace(**numbers)
    return hyper if "momentum" in OPTIMIZERS[optimizer].reads else hyper._replace(momentum=Hyper().momentum)


def weights(params):
    return np.concatenate([np.asarray(layer.w).ravel() for layer in params])


def biases(params):
    return np.concatenate([np.asarray(layer.b) for layer in params])


assert_close = partial(helpers.assert_close, atol=1e-6)


def smooth_gradient(spec, hyper, params, batch):
    """Of all but L1."""
    return by_delta_rule(spec, hyper._replace(l1=jnp.zeros(())), params, batch, None).grads


@partial(jax.jit, static_argnums=0)
def at_rest(spec, hyper, batch):
    """The weights after 4,000 steps, and the gradient of all but L1 there."""
    rule, rate, params = spec.training.optimizer, jnp.asarray(0.1), init(spec, hyper, jax.random.key(0))

    def step(_, carry):
        params, state = carry
        params, state = update(rule, hyper, rate, smooth_gradient(spec, hyper, params, batch), state, params)
        return shrink(rule, hyper, rate, params), state

    params, _ = jax.lax.fori_loop(0, 4000, step, (params, start(rule, hyper, params)))
    return params, smooth_gradient(spec, hyper, params, batch)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("l2", [0.0, 0.05], ids=["l1", "l1_l2"])
@pytest.mark.parametrize("rule", RULES)
def test_it_comes_to_rest_at_the_minimum_of_the_objective(rule, l2):
    """There the gradient of all but L1 is -l1 sign(w), or at most l1 where w = 0; and 0 for a bias."""
    spec, batch = (
        spec_of(rule, hidden=(), dtype="float64"),
        Examples(*map(jnp.asarray, examples(60, 3, np.float64)[:2])),
    )
    hyper = jax.tree.map(jnp.asarray, Hyper(momentum=0.8, l1=0.05, l2=l2))
    ((w, b),), ((dw, db),) = jax.device_get(at_rest(spec, hyper, batch))
    assert 0 < np.mean(w == 0) < 1
    np.testing.assert_allclose(dw[w != 0], -0.05 * np.sign(w[w != 0]), atol=1e-10)
    assert np.all(np.abs(dw[w == 0]) < 0.05)
    np.testing.assert_allclose(db, 0, atol=1e-10)
    assert np.all(b != 0)


# a rule is handed a gradient, whichever route it comes from: each rule with one route, each route with two rules
ROUTES = itertools.cycle(["autodiff", "both", "delta_rule"])
SPECS = [spec_of(rule, hidden=(), gradient=route) for rule, route in zip(RULES, ROUTES, strict=False)]


def both_steps(spec, **numbers):
    """The results with the proximal step, and with the subgradient in its place."""
    hyper, subgradient = hyper_for(spec.training.optimizer, **numbers), replace(spec.training, l1_step="subgradient")
    return fit(spec, hyper, SPLITS), fit(replace(spec, training=subgradient), hyper, SPLITS)


@pytest.mark.parametrize("spec", SPECS, ids=RULES)
def test_it_leaves_weights_of_exactly_zero_where_the_subgradient_leaves_none(spec):
    proximal, subgradient = both_steps(spec, l1=0.1)
    assert np.mean(weights(proximal.state.params) == 0) > 0.1
    assert not np.any(weights(subgradient.state.params) == 0)
    assert np.all(biases(proximal.state.params) != 0)
    if spec.training.gradient == "both":
        assert max(epoch.disagreement for epoch in proximal.epochs) < 1e-5


@pytest.mark.parametrize("spec", SPECS, ids=RULES)
def test_without_a_penalty_it_keeps_every_bit(spec):
    helpers.assert_same(*(result.state for result in both_steps(spec, l1=0.0, l2=0.01)))


def test_packed_trials_equal_their_solo_runs_and_one_compile_serves_every_l1(monkeypatch):
    spec, traces, epoch = spec_of(), [], loop.epoch
    hypers, seeds = [hyper_for("momentum", l1=l1) for l1 in (0.0, 0.003, 0.01, 0.03, 0.001, 0.02)], [2, 2, 3, 3, 2, 3]
    expected = [fit(spec, hyper, SPLITS, seed) for hyper, seed in zip(hypers, seeds, strict=True)]
    monkeypatch.setattr(loop, "epoch", lambda *a, **k: traces.append(1) or epoch(*a, **k))
    packed = fit_trials(spec, hypers, seeds, SPLITS, chunk=4)
    assert len(traces) == 1
    for trial, alone in zip(packed, expected, strict=True):
        assert_close(trial.params, alone.params)
        np.testing.assert_array_equal(weights(trial.params) == 0, weights(alone.params) == 0)


def test_several_devices_train_the_same_network():
    spec = spec_of()
    one, two = fit(spec, HYPER, SPLITS), fit(spec, HYPER, SPLITS, data_parallel=True)
    assert_close(one.params, two.params)


def test_the_objective_that_is_watched_has_the_penalty():
    spec = spec_of()
    assert spec.training.monitor == "objective"
    state = fit(spec, HYPER, SPLITS).state
    penalty = penalty_term(spec, typed(spec, HYPER), state.best_params)
    loss = evaluate(spec, typed(spec, HYPER), state.best_params, jax.tree.map(jnp.asarray, SPLITS.validation)).loss
    assert penalty > 0.01
    np.testing.assert_allclose(state.stopping.best, loss + penalty, rtol=1e-5)


def test_a_batch_of_zero_weight_examples_shrinks_nothing():
    """With batches of one, an epoch is as many shrinkages as there are examples with a weight."""
    spec, key = spec_of("sgd", hidden=(), batch_size=1, max_epochs=1), jax.random.key(0)
    train = partial(jax.jit(loop.advance, static_argnums=0), spec, hyper := typed(spec, HYPER), key)
    state = jax.jit(loop.begin, static_argnums=0)(spec, hyper, key)
    nothing = np.zeros((45, D), np.float32)  # of which no weight has a gradient: all that moves it is the penalty
    for count in (0, 1, 3):
        part = SPLITS.train._replace(x=nothing, weights=(np.arange(45) < count).astype(np.float32))
        after, _ = train(jax.tree.map(jnp.asarray, SPLITS._replace(train=part)), state)
        shrunk = np.maximum(np.abs(weights(state.params)) - count * hyper.learning_rate * hyper.l1, 0)
        np.testing.assert_allclose(np.abs(weights(after.params)), shrunk, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("rule", ADAPTIVE)
def test_adaptive_rules_are_refused(rule):
    with pytest.raises(
        UsageError, match=rf"training.optimizer '{rule}' scales.*take 'subgradient', or one of momentum"
    ):
        fit(spec_of(rule), Hyper(l1=0.01), SPLITS)


def test_an_unknown_step_is_refused():
    with pytest.raises(UsageError, match=r"training.l1_step 'proximl' is unknown; did you mean proximal"):
        fit(spec_of(l1_step="proximl"), HYPER, SPLITS)


def test_without_the_penalty_all_is_as_at_l1_0_and_another_l1_is_refused():
    with_factor, without = (spec_of(l1_step=step, monitor="train_objective") for step in ("subgradient", "none"))
    hyper = HYPER._replace(l1=0.0)
    assert_close(*(fit(spec, hyper, SPLITS).state for spec in (with_factor, without)))
    with pytest.raises(UsageError, match=r"hyper.l1 is set, but not read by training.l1_step 'none': take subgradient"):
        fit(without, HYPER, SPLITS)
