"""The loop: exact in chunks, one trace for all numbers, metrics that count, stops that leave everything as it was."""

import itertools
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_close, assert_same, clouds, counting, differs, for_users

from jaxmlp.nn.losses import LOSSES
from jaxmlp.nn.network import Layer
from jaxmlp.spec import Examples, Hyper, Network, Spec, Splits, Training
from jaxmlp.training import evaluation, loop
from jaxmlp.training.evaluation import evaluate
from jaxmlp.training.loop import advance, begin, running
from jaxmlp.training.optimizers import OPTIMIZERS
from jaxmlp.training.schedules import SCHEDULES, learning_rates
from jaxmlp.training.shuffling import permutation
from jaxmlp.training.stopping import STOP_RULES

N, D, K = 21, 4, 3
KEY = jax.random.key(5)
AS_USED = {"xla_backend_optimization_level": 3}  # where bits are compared, the program is the one that users run
begin_quick = jax.jit(begin, static_argnums=0)
advance_jit = jax.jit(advance, static_argnums=(0, 5), compiler_options=AS_USED)
advance_quick = jax.jit(advance, static_argnums=(0, 5))
evaluate_jit = jax.jit(evaluate, static_argnums=0)
permutation_jit = jax.jit(permutation, static_argnums=1)


def spec_of(hidden=(5,), activation="tanh", dropout=False, **training):
    training = {"batch_size": 8, "max_epochs": 50} | training
    return Spec(Network(hidden, activation, dropout=dropout), Training(**training), D, K)


def begin_jit(spec, hyper, key):
    """`begin` of a specification, of which it reads no more: one program for all others."""
    return begin_quick(replace(spec, training=Training(spec.training.optimizer, spec.training.schedule)), hyper, key)


def hyper_of(**numbers):
    hyper = Hyper(**{"patience": 0, **numbers})
    return Hyper(*(jnp.asarray(n, jnp.float32) for n in hyper))._replace(
        patience=jnp.asarray(hyper.patience, jnp.int32)
    )


def examples(rows, seed, noise=0.7, weights=None):
    """As arrays of JAX."""
    return jax.tree.map(jnp.asarray, clouds(rows, inputs=D, classes=K, noise=noise, seed=seed, weights=weights))


def splits_of(rows=N, noise=0.7, weights=None, validation_weights=None):
    return Splits(examples(rows, 0, noise, weights), examples(10, 1, noise, validation_weights), examples(6, 2, noise))


def train(spec, hyper, splits, epochs, key=KEY, state=None):
    state = begin_jit(spec, hyper, key) if state is None else state
    return advance_quick(spec, hyper, key, splits, state, epochs)


def forward64(params, x):
    """(logits, activations of the layers) of a tanh network, in NumPy and float64."""
    params = [[np.asarray(a, np.float64) for a in layer] for layer in params]
    activations = [np.asarray(x, np.float64)]
    for w, b in params[:-1]:
        activations.append(np.tanh(activations[-1] @ w + b))
    w, b = params[-1]
    return activations[-1] @ w + b, activations


def losses64(logits, labels):
    return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]


def measure64(params, part):
    """The weighted mean loss and the correct count, of rows with weight above 0."""
    logits, _ = forward64(params, part.x)
    weights = np.ones(len(part.x)) if part.weights is None else np.asarray(part.weights, np.float64)
    right = logits.argmax(axis=1) == np.asarray(part.targets)
    return (weights * losses64(logits, np.asarray(part.targets))).sum() / weights.sum(), right[weights > 0].sum()


def by_hand(spec, hyper, splits, epochs, key=KEY):
    """Training with momentum and L1, L2 in plain NumPy: explicit batches, gradients written out. Rows of metrics."""
    h = Hyper(*(float(n) for n in hyper))
    params = [[np.asarray(a, np.float64) for a in layer] for layer in begin_jit(spec, hyper, key).params]
    velocity = [[np.zeros_like(a) for a in layer] for layer in params]
    x, labels = np.asarray(splits.train.x, np.float64), np.asarray(splits.train.targets)
    given = splits.train.weights
    weights = np.ones(len(x)) if given is None else np.asarray(given, np.float64)
    size, rows, log = spec.training.batch_size, len(x), []
    starts = range(0, rows, size)
    for epoch in range(epochs):
        order = np.asarray(permutation_jit(jax.random.fold_in(jax.random.split(key, 3)[1], epoch), rows))
        rates = learning_rates(spec.training, hyper, jnp.int32(epoch), len(starts))
        loss = correct = 0
        for rate, first in zip(np.asarray(rates, np.float64), starts, strict=True):
            batch = order[first : first + size]
            v = weights[batch]
            logits, activations = forward64(params, x[batch])
            right = logits.argmax(axis=1) == labels[batch]
            loss, correct = loss + (v * losses64(logits, labels[batch])).sum(), correct + right[v > 0].sum()
            if v.sum() == 0:
                continue
            delta = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) - np.eye(K)[labels[batch]]
            delta *= (v / v.sum())[:, None]
            for index in reversed(range(len(params))):
                w, b = params[index]
                dw, db = activations[index].T @ delta + h.l1 * np.sign(w) + h.l2 * w, delta.sum(axis=0)
                delta = delta @ w.T * (1 - activations[index] ** 2)
                for i, (value, g) in enumerate([(w, dw), (b, db)]):
                    velocity[index][i] = h.momentum * velocity[index][i] + (1 - h.momentum) * rate * g
                    params[index][i] = value - velocity[index][i]
        log.append((loss / weights.sum(), correct, *measure64(params, splits.validation), rates[-1]))
    return tuple(Layer(*layer) for layer in params), log


ROW_WEIGHTS = np.r_[0.0, 0.0, np.linspace(0.5, 2, N - 2)]
CASES = {
    "ragged last batch": (spec_of(), splits_of()),
    "whole batches, no hidden layer": (spec_of((), batch_size=7), splits_of()),
    "batch larger than all": (spec_of((), batch_size=64), splits_of()),
    "batches of one, and of weight 0": (spec_of(batch_size=1), splits_of(weights=ROW_WEIGHTS)),
    "weights, last batch of one, deep, falling rate, hand-derived gradient": (
        spec_of((5, 3), schedule="exponential", gradient="delta_rule", batch_size=5),
        splits_of(weights=ROW_WEIGHTS, validation_weights=np.r_[0, 0, 3, np.ones(7)]),
    ),
}


@pytest.mark.parametrize("name", for_users(CASES, [list(CASES)[-1]]))
def test_every_epoch_as_in_plain_numpy(name):
    """Weights and every metric, exact counts included, after each of three epochs of explicit batches."""
    spec, splits = CASES[name]
    hyper = hyper_of(learning_rate=0.5, momentum=0.6, l1=0.003, l2=0.01)
    state, log = train(spec, hyper, splits, 3)
    params, rows = by_hand(spec, hyper, splits, 3)
    assert_close(state.params, params, rtol=2e-5, atol=2e-6)
    train_loss, train_correct, validation_loss, validation_correct, rates = map(np.asarray, zip(*rows, strict=True))
    np.testing.assert_allclose(log.train_loss, train_loss, rtol=1e-5)
    np.testing.assert_allclose(log.validation_loss, validation_loss, rtol=1e-5)
    np.testing.assert_array_equal(log.train_score, train_correct)
    np.testing.assert_array_equal(log.validation_score, validation_correct)
    np.testing.assert_allclose(log.learning_rate, rates, rtol=1e-6)
    assert log.ran.all()
    assert not log.disagreement.any()
    assert state.epoch == 3


# --- chunks, traces, stops


def test_chunks_never_change_a_bit():
    """12 x 1 and 5 + 5 + 1 + 1 epochs, with all that draws or remembers: order, dropout, schedule, best, early stop."""
    spec = spec_of(dropout=True, schedule="cosine", max_epochs=12)
    hyper = hyper_of(learning_rate=1.0, l2=0.001, dropout_rate=0.2, warmup_epochs=1.5, patience=3)
    splits, results = splits_of(), []
    for chunks in ([1] * 12, [5, 5, 1, 1]):
        state, logs = begin_jit(spec, hyper, KEY), []
        for epochs in chunks:
            state, log = advance_jit(spec, hyper, KEY, splits, state, epochs)
            logs.append(log)
        results.append((state, jax.tree.map(lambda *rows: np.concatenate(rows), *logs)))
    assert_same(*results)
    assert 5 < results[0][1].ran.sum() < 10  # it stops within a chunk


def test_one_trace_for_all_numbers():
    counted, traces = counting(lambda *a: advance(*a, begin(*a[:3]), 2))
    jitted = jax.jit(counted, static_argnums=0)
    spec, splits = spec_of(()), splits_of()
    seen = [
        jitted(spec, hyper_of(learning_rate=rate, momentum=0.5 * rate, l1=l1, l2=l1, patience=patience), key, splits)
        for rate, l1, patience, key in [(0.1, 0, 0, KEY), (0.2, 0.1, 1, KEY), (1.0, 0, 3, jax.random.key(9))]
    ]
    assert len(traces) == 1
    assert jitted._cache_size() == 1
    assert differs(seen[0], seen[1])
    assert differs(seen[1], seen[2])


def test_state_and_log_keep_their_types():
    """A checkpoint restores typed arrays: what goes in and what comes out must be of the same program."""
    spec, hyper, splits = spec_of(), hyper_of(), splits_of()
    before = jax.eval_shape(lambda: begin(spec, hyper, KEY))
    after, log = jax.eval_shape(lambda: advance(spec, hyper, KEY, splits, begin(spec, hyper, KEY), 2))
    for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        assert (one.shape, one.dtype, one.weak_type) == (other.shape, other.dtype, other.weak_type)
        assert not one.weak_type
    assert all(row.shape == (2,) and not row.weak_type for row in jax.tree.leaves(log))


@pytest.mark.parametrize("rule", for_users(STOP_RULES, ["no_improvement"]))
def test_early_stop_keeps_the_best_and_then_leaves_all_as_it_is(rule):
    """Noise is learnt until the validation loss rises; the epochs are those of a plain count over the log."""
    spec, hyper, splits = spec_of((), stop_rule=rule), hyper_of(learning_rate=2.0, patience=2), splits_of(noise=2.0)
    states, logs = [begin_jit(spec, hyper, KEY)], []
    for _ in range(30):
        state, log = train(spec, hyper, splits, 1, state=states[-1])
        states.append(state)
        logs.append(log)
    log = jax.tree.map(lambda *rows: np.concatenate(rows), *logs)
    ran = int(log.ran.sum())
    assert 2 < ran < 30
    assert log.ran[:ran].all()
    losses = np.asarray(log.validation_loss)[:ran]
    bad = [
        {"no_improvement": loss >= least, "no_improvement_within": loss > least}.get(rule, loss > last)
        for loss, least, last in zip(
            losses, np.r_[np.inf, np.minimum.accumulate(losses)[:-1]], np.r_[np.inf, losses[:-1]], strict=True
        )
    ]
    ends = [epoch for epoch in range(1, ran) if bad[epoch] and bad[epoch - 1]]
    assert ends == [ran - 1]  # two in a row, for the first time
    assert state.epoch == ran
    assert state.stopping.best_epoch == losses.argmin() + 1
    assert state.stopping.best == losses.min()
    assert not running(spec, hyper, state)
    best = int(state.stopping.best_epoch)
    np.testing.assert_allclose(measure64(state.best_params, splits.validation)[0], losses.min(), rtol=1e-5)
    assert_same(state.best_params, states[best].params)
    assert_same(state, states[ran])
    for row in jax.tree.leaves(log):
        assert not row[ran:].any()


def test_past_the_last_epoch_all_is_left_as_it_is():
    spec, hyper, splits = spec_of((), max_epochs=3), hyper_of(), splits_of()
    state, log = train(spec, hyper, splits, 5)
    np.testing.assert_array_equal(log.ran, [True, True, True, False, False])
    assert state.epoch == 3
    for row in jax.tree.leaves(log):
        assert not row[3:].any()
    assert not running(spec, hyper, state)
    assert_same(train(spec, hyper, splits, 5, state=state)[0], state)


@pytest.mark.parametrize("cause", ["rate", "train", "validation"])
def test_a_diverged_run_stops_and_keeps_the_best_finite_parameters(cause):
    spec, splits = spec_of(()), splits_of()
    hyper = hyper_of(learning_rate=0.1, l2=0.1)
    state, _ = train(spec, hyper, splits, 2)
    assert state.stopping.best_epoch > 0
    if cause == "rate":
        hyper = hyper._replace(learning_rate=jnp.float32(3e38))
    else:
        part = getattr(splits, cause)
        splits = splits._replace(**{cause: part._replace(x=part.x.at[3, 1].set(jnp.nan))})
    after, log = train(spec, hyper, splits, 2, state=state)
    ran = int(log.ran.sum())
    assert ran == 1
    assert after.epoch == 3
    assert after.stopping.diverged
    assert not np.isfinite(log.validation_loss[0]) or not np.isfinite(log.train_loss[0])
    assert after.stopping.best_epoch == state.stopping.best_epoch
    assert_same(after.best_params, state.best_params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after.best_params))
    assert not running(spec, hyper, after)


def test_diverged_in_the_first_epoch_keeps_the_first_weights():
    spec, hyper, splits = spec_of(()), hyper_of(learning_rate=3e38, momentum=0.0, l2=1.0), splits_of()
    state, log = train(spec, hyper, splits, 2)
    assert (int(log.ran.sum()), int(state.stopping.best_epoch), bool(state.stopping.diverged)) == (1, 0, True)
    assert_same(state.best_params, begin_jit(spec, hyper, KEY).params)


# --- metrics


@pytest.mark.parametrize(
    ("together", "weights"),
    [
        *((together, np.r_[0, 0, 0.5, 3, np.ones(17)]) for together in (1, 4, 7, 20, 21, 4096)),
        *((together, None) for together in (7, 20)),  # without weights: whole blocks, and one that is padded
    ],
    ids=str,
)
def test_evaluation_in_blocks_counts_every_row_once(together, weights, monkeypatch):
    monkeypatch.setattr(evaluation, "EVALUATED_TOGETHER", together)
    spec, part = spec_of(), examples(N, 3, weights=weights)
    params = begin_jit(spec, hyper_of(), KEY).params
    got = jax.jit(partial(evaluate, spec))(hyper_of(), params, part)
    loss, correct = measure64(params, part)
    np.testing.assert_allclose(got.loss, loss, rtol=1e-6)
    assert got.correct == correct
    assert got.count == (N if weights is None else N - 2)


def test_weight_zero_hides_a_row_from_the_metrics_whatever_it_holds():
    spec, part = spec_of(), examples(N, 3)
    params = begin_jit(spec, hyper_of(), KEY).params
    hidden = part._replace(x=part.x.at[4].set(jnp.inf), weights=jnp.ones(N).at[4].set(0.0))
    got = evaluate_jit(spec, hyper_of(), params, hidden)
    kept = np.delete(np.arange(N), 4)
    loss, correct = measure64(params, Examples(part.x[kept], part.targets[kept]))
    np.testing.assert_allclose(got.loss, loss, rtol=1e-6)
    assert (got.correct, got.count) == (correct, N - 1)


def test_weights_of_one_change_nothing():
    spec, hyper = spec_of(), hyper_of(l1=0.01)
    assert_close(*(train(spec, hyper, splits_of(weights=w), 3) for w in (None, np.ones(N))), rtol=1e-5, atol=1e-6)


# --- the three settings of `gradient`


def test_the_derived_gradients_train_alike():
    """With dropout, whose masks are the same; of the delta rule alone: the tests against plain NumPy."""
    hyper, splits = hyper_of(learning_rate=0.5, l1=0.001, dropout_rate=0.3), splits_of()
    autodiff, both = (train(spec_of(gradient=name, dropout=True), hyper, splits, 3) for name in ("autodiff", "both"))
    assert_same(autodiff[0], both[0])
    assert_same(autodiff[1]._replace(disagreement=0), both[1]._replace(disagreement=0))
    assert not autodiff[1].disagreement.any()
    assert (both[1].disagreement < 1e-5).all()
    assert (both[1].disagreement > 0).any()  # two computations: to the last bit they are seldom equal


def test_a_wrong_derivation_is_reported(monkeypatch):
    rule = LOSSES["softmax_cross_entropy"]
    wrong = rule._replace(delta=lambda z, t, f, hyper: rule.delta(z, 0.9 * t, f, hyper))
    monkeypatch.setitem(LOSSES, "softmax_cross_entropy", wrong)
    fresh = jax.jit(lambda *a: advance(*a, 2), static_argnums=0)  # no program from a cache
    spec, hyper, splits = spec_of((), gradient="both"), hyper_of(), splits_of()
    _, log = fresh(spec, hyper, KEY, splits, begin_jit(spec, hyper, KEY))
    assert (log.disagreement > 0.01).all()


def test_disagreement_is_the_largest_of_the_epoch(monkeypatch):
    """A slip in one of the batches is still seen at the end of the epoch, whichever it is."""
    monkeypatch.setattr(loop, "largest_disagreement", lambda one, other: jnp.abs(one[0].b[1]))
    fresh = jax.jit(lambda *a: advance(*a, 1), static_argnums=0)
    spec, splits = spec_of((), gradient="both", batch_size=7), splits_of()
    hyper = hyper_of(learning_rate=1e-20)  # the gradients of an epoch are those at the first weights
    state = begin_jit(spec, hyper, KEY)
    _, log = fresh(spec, hyper, KEY, splits, state)
    order = np.asarray(permutation_jit(jax.random.fold_in(jax.random.split(KEY, 3)[1], 0), N))
    logits, _ = forward64(state.params, splits.train.x)
    delta = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) - np.eye(K)[np.asarray(splits.train.targets)]
    batches = np.abs([delta[rows].mean(axis=0)[1] for rows in order.reshape(3, 7)])
    np.testing.assert_allclose(log.disagreement, batches.max(), rtol=1e-5)
    assert batches.argmax() < 2  # not the last one, which could be seen by mistake


# --- dropout, seeds, trials


def test_dropout_changes_training_and_not_evaluation():
    hyper, splits = hyper_of(learning_rate=0.5, dropout_rate=0.5), splits_of()
    plain, dropped = (train(spec_of(dropout=dropout), hyper, splits, 3) for dropout in (False, True))
    assert differs(plain[0].params, dropped[0].params)
    loss, correct = measure64(dropped[0].params, splits.validation)
    np.testing.assert_allclose(dropped[1].validation_loss[-1], loss, rtol=1e-5)
    assert dropped[1].validation_score[-1] == correct
    assert_same(train(spec_of(dropout=True), hyper, splits, 3), dropped)
    none = train(spec_of(dropout=True), hyper._replace(dropout_rate=jnp.float32(0)), splits, 3)
    assert_close(none, plain, rtol=1e-5, atol=1e-6)


def test_dropout_and_order_are_drawn_anew_in_every_epoch_and_batch(monkeypatch):
    """With a learning rate of next to nothing, only the draws can change the metrics."""
    hyper, splits = hyper_of(learning_rate=1e-20, dropout_rate=0.5), splits_of()
    _, log = train(spec_of(dropout=True), hyper, splits, 3)
    assert len(set(np.asarray(log.train_loss).tolist())) == 3
    same = Splits(*(Examples(jnp.ones((16, D)), jnp.zeros(16, jnp.int32)) for _ in range(3)))
    keys = []
    mask = loop.network.dropout_mask
    monkeypatch.setattr(
        loop.network, "dropout_mask", lambda key, h, a: (jax.debug.callback(keys.append, key), mask(key, h, a))[1]
    )
    spec = spec_of((3, 3), dropout=True, gradient="delta_rule")
    fresh = jax.jit(lambda *a: advance(*a, 3), static_argnums=0)
    fresh(spec, hyper, KEY, same, begin_jit(spec, hyper, KEY))
    jax.effects_barrier()
    drawn = [tuple(np.asarray(jax.random.key_data(key)).tolist()) for key in keys]
    assert len(drawn) == len(set(drawn)) == 3 * 2 * 2  # epochs, batches, layers


def test_seeds_are_reproducible_and_differ():
    spec, hyper, splits = spec_of(), hyper_of(), splits_of()
    one, other = (train(spec, hyper, splits, 3, jax.random.key(seed)) for seed in (1, 2))
    assert_same(one, train(spec, hyper, splits, 3, jax.random.key(1)))
    assert differs(one[0].params, other[0].params)


def test_the_order_is_a_new_one_in_every_epoch(monkeypatch):
    """What is trained on: each epoch asks for all rows, with a key of its own, and not with those of other streams."""
    asked = []
    real = loop.permutation

    def spy(key, n):
        jax.debug.callback(lambda data: asked.append((n, tuple(data.tolist()))), jax.random.key_data(key))
        return real(key, n)

    monkeypatch.setattr(loop, "permutation", spy)
    spec, hyper, splits = spec_of(()), hyper_of(), splits_of()
    jax.jit(lambda *a: advance(*a, 4), static_argnums=0)(spec, hyper, KEY, splits, begin_jit(spec, hyper, KEY))
    jax.effects_barrier()
    stream = jax.random.split(KEY, 3)[1]
    expected = [jax.random.key_data(jax.random.fold_in(stream, epoch)) for epoch in range(4)]
    assert sorted(asked) == sorted((N, tuple(np.asarray(data).tolist())) for data in expected)


# --- it learns


def of_a_rule(optimizer, schedule):
    """The specification and the splits of the tests of every rule: one program a rule serves them all."""
    spec = spec_of((), optimizer=optimizer, schedule=schedule, batch_size=9, max_epochs=60)
    return spec, splits_of(18, noise=0.2, weights=np.ones(18))


# a schedule hands a rule one number a step, whichever it is: each rule with one of them, and each of them with some rule
TAKEN_TURNS = list(zip(OPTIMIZERS, itertools.cycle(SCHEDULES), strict=False))
assert len(OPTIMIZERS) >= len(SCHEDULES), "a schedule would meet no rule"


@pytest.mark.parametrize(("optimizer", "schedule"), TAKEN_TURNS)
def test_every_rule_and_every_schedule_learn(optimizer, schedule):
    with jax.numpy_dtype_promotion("standard"):
        spec, splits = of_a_rule(optimizer, schedule)
        hyper = hyper_of(learning_rate=0.1, decay_power=0.3)
        before = evaluate_jit(spec_of(()), hyper, begin_jit(spec, hyper, KEY).params, splits.validation)
        _, log = train(spec, hyper, splits, 20)
    assert log.validation_score[-1] > before.correct
    assert log.validation_score[-1] >= 9
    assert log.validation_loss[-1] < 0.9 * before.loss
    assert log.train_loss[-1] < log.train_loss[0]


@pytest.mark.parametrize(("optimizer", "schedule"), TAKEN_TURNS)
def test_a_batch_of_weight_zero_changes_nothing(optimizer, schedule):
    """Neither by what the rule remembers of earlier batches, nor by a penalty or a decay."""
    with jax.numpy_dtype_promotion("standard"):
        spec, splits = of_a_rule(optimizer, schedule)
        hyper, zeros = hyper_of(l1=0.1, l2=0.1), splits._replace(train=splits.train._replace(weights=jnp.zeros(18)))
        state, _ = train(spec, hyper, splits, 20)
        after, log = train(spec, hyper, zeros, 20, state=state)
        assert log.ran.any()
        assert_same((after.params, after.opt_state), (state.params, state.opt_state))
        assert differs(train(spec, hyper, splits, 20, state=state)[0].params, state.params)


def test_it_learns_xor():
    """Which no network without a hidden layer can; from several seeds."""
    x = jnp.asarray([[0, 0], [0, 1], [1, 0], [1, 1]], jnp.float32)
    part = Examples(x, jnp.asarray([0, 1, 1, 0], jnp.int32))
    splits, hyper = Splits(part, part, part), hyper_of(learning_rate=1.0, momentum=0.9)
    spec = Spec(Network((8,), "tanh"), Training(batch_size=4, max_epochs=400), 2, 2)
    for seed in range(5):
        state, log = train(spec, hyper, splits, 400, jax.random.key(seed))
        assert log.validation_score[-1] == 4
        assert state.stopping.best < 0.05


def test_monitor_objective_watches_the_loss_plus_the_penalties():
    """The loss alone is watched otherwise: the tests of early stopping."""
    spec, hyper, splits = spec_of((), monitor="objective"), hyper_of(learning_rate=0.5, l2=0.3), splits_of()
    state, log = train(spec, hyper, splits, 1)
    penalty = sum(0.15 * float(np.sum(np.square(layer.w))) for layer in state.params)
    assert penalty > 0.1
    np.testing.assert_allclose(state.stopping.last - log.validation_loss[0], penalty, rtol=1e-4)
