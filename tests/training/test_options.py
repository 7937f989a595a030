"""What [training] can do otherwise than by default: order, clipping, penalties, plateaus, monitors, float64; as in NumPy."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import LEARNT, assert_close, assert_same, cases, clouds, counting, of_kind, refused

from jaxmlp.grid.fit_grid import fit_grid, fit_trials
from jaxmlp.nn.losses import VALUES
from jaxmlp.nn.network import Layer
from jaxmlp.spec import Examples, Hyper, Network, Spec, Splits, Training
from jaxmlp.training import fitting
from jaxmlp.training.fitting import fit
from jaxmlp.training.loop import advance, begin
from jaxmlp.training.precision import precision
from jaxmlp.training.validation import check, check_data

N, D, K = 11, 3, 2
ROW_WEIGHTS = np.r_[0.0, 3.0, np.linspace(0.5, 2, N - 2)]


def regression(count, seed, weights=None):
    rng = np.random.default_rng(seed)
    return Examples(rng.normal(size=(count, D)), rng.normal(size=(count, K)), weights)


def splits_of(weights=None):
    return Splits(regression(N, 0, weights), regression(6, 1), regression(6, 2))


def spec_of(**training):
    options = {"optimizer": "sgd", "batch_size": 4, "max_epochs": 12, "shuffle": False, "dtype": "float64"}
    return Spec(Network((), loss="squared_error"), Training(**(options | training)), D, K)


def penalty(hyper, w):
    return hyper.l1 * np.abs(w).sum() + hyper.l2 / 2 * (w**2).sum()


def by_numpy(spec, hyper, splits, layer):
    """Linear regression by plain SGD in the order of the examples: the layer, and (rate, objective) of each epoch."""
    w, b = (np.array(leaf) for leaf in layer)
    x, t, v = splits.train
    v = np.ones(len(x)) if v is None else v
    training, rows, best, stale, cuts = spec.training, [], np.inf, 0, 0
    for epoch in range(training.max_epochs):
        rate = hyper.learning_rate * hyper.decay_rate**cuts
        if training.schedule == "inverse_scaling_by_epoch":
            rate = hyper.learning_rate / (1 + epoch * N) ** hyper.decay_power  # scikit-learn's invscaling
        total = 0.0
        for first in range(0, N, training.batch_size):
            now = slice(first, first + training.batch_size)
            weight = v[now].sum()
            share = 1 / weight if training.penalty_to == "sum" else 1.0
            errors = x[now] @ w + b - t[now]
            total += (v[now, None] * errors**2).sum() / 2 + share * penalty(hyper, w) * weight
            delta = errors * v[now, None] / weight
            dw = x[now].T @ delta + share * (hyper.l1 * np.sign(w) + hyper.l2 * w)
            db = delta.sum(axis=0)
            norm = np.sqrt((dw**2).sum() + (db**2).sum())
            scale = hyper.clip_norm / norm if training.clip and 0 < hyper.clip_norm < norm else 1.0
            w, b = w - rate * scale * dw, b - rate * scale * db
        objective = total / v.sum()
        rows.append((rate, objective))
        stale = stale + 1 if objective > best - hyper.min_delta else 0
        best = min(best, objective)
        if hyper.patience and stale >= hyper.patience:
            if training.schedule != "plateau" or rate <= 1e-6:
                break
            cuts, stale = cuts + 1, 0
    return Layer(w, b), rows


PENALISED = Hyper(learning_rate=0.1, l1=0.01, l2=0.3, patience=0)
NEVER_BETTER = Hyper(learning_rate=5e-5, l2=0.1, patience=2, min_delta=100.0, decay_rate=0.1)
CASES = {  # of training, hyper, whether examples are weighted
    "penalties of the mean": ({}, PENALISED, False),
    "penalties of the sum": ({"penalty_to": "sum"}, PENALISED, False),
    "penalties of the sum, weighted": ({"penalty_to": "sum"}, PENALISED, True),
    "penalties of the sum, by the delta rule": ({"penalty_to": "sum", "gradient": "delta_rule"}, PENALISED, True),
    "clipped": ({"clip": True}, PENALISED._replace(clip_norm=0.3), True),
    "clipped at 0, which is not at all": ({"clip": True}, PENALISED, True),
    "scikit-learn's invscaling": (
        {"schedule": "inverse_scaling_by_epoch"},
        Hyper(learning_rate=0.2, decay_epochs=1 / N, decay_power=0.4, patience=0),
        False,
    ),
    "cut on plateaus, then stopped": ({"schedule": "plateau"}, NEVER_BETTER, False),
    "stopped without progress": ({}, NEVER_BETTER._replace(decay_rate=Hyper().decay_rate), False),
}


@pytest.mark.parametrize(("training", "hyper", "weighted"), cases(CASES))
def test_every_epoch_as_in_plain_numpy(training, hyper, weighted):
    """In float64: weights, rates and the objective as it was trained, up to the epoch in which it stops."""
    spec = spec_of(monitor="train_objective", stop_rule="no_improvement_within", **training)
    splits = splits_of(ROW_WEIGHTS if weighted else None)
    with precision(spec.training):
        first = begin(spec, fitting.traced(spec, hyper), jax.random.key(0, impl=fitting.PRNG))
    found = fit(spec, hyper, splits)
    layer, rows = by_numpy(spec, hyper, splits, first.params[0])
    assert_close(found.state.params[0], layer, rtol=1e-11, atol=1e-13)
    rates, objectives = zip(*rows, strict=True)
    np.testing.assert_allclose([epoch.learning_rate for epoch in found.epochs], rates, rtol=1e-12)
    np.testing.assert_allclose(found.state.stopping.last, objectives[-1], rtol=1e-12)
    np.testing.assert_allclose(found.state.stopping.best, min(objectives), rtol=1e-12)
    assert found.best_epoch == 1 + int(np.argmin(objectives))
    assert len(rows) < 12 if hyper.patience else len(rows) == 12


def test_a_plateau_cuts_twice_before_it_stops():
    spec = spec_of(schedule="plateau", monitor="train_objective", stop_rule="no_improvement_within")
    found = fit(spec, NEVER_BETTER, splits_of())
    assert [round(epoch.learning_rate / 5e-7) for epoch in found.epochs] == [100, 100, 100, 10, 10, 1, 1]
    assert found.stop_reason == "early_stopping"


@pytest.mark.parametrize(
    ("field", "words"),
    {
        "clip_norm": ["not read without training.clip: set training.clip = true"],
        "dropout_rate": ["not read without network.dropout: set network.dropout = true"],
        "label_smoothing": ["not read by network.loss 'squared_error': take smoothed_cross_entropy,"],
        "huber_delta": ["take huber,"],
        "init_scale": ["not read by network.init 'glorot_uniform': take uniform,"],
        "beta1": ["not read by training.optimizer 'sgd': take adam or adamw or lion,"],
        "decay_rate": ["not read by training.schedule 'constant': take exponential or step or plateau,"],
        "min_delta": ["not read by training.stop_rule 'consecutive_increase': take no_improvement or"],
    }.items(),
)
def test_a_hyperparameter_that_nothing_reads_is_refused_and_what_reads_it_is_named(field, words):
    spec = spec_of(stop_rule="consecutive_increase")
    refused([f"hyper.{field} is set, but", *words, "leave hyper."], check, spec, Hyper(**{field: 0.125}))


@pytest.mark.parametrize("monitor", ["loss", "objective", "score", "train_objective"])
def test_every_monitor_decides_which_epoch_is_the_best(monitor):
    """Rated by the log: R2 of the validation values; the objective with the penalties of the weights."""
    spec, hyper = spec_of(monitor=monitor), PENALISED._replace(learning_rate=0.4)
    found = fit(spec, hyper, splits_of())
    last = found.epochs[-1].validation
    if monitor == "train_objective":
        watched = by_numpy(spec, hyper, splits_of(), _first(spec, hyper))[1][-1][1]
    else:
        rest = penalty(hyper, np.asarray(found.state.params[0].w))
        watched = {"loss": last.loss, "objective": last.loss + rest, "score": -last.score}[monitor]
    np.testing.assert_allclose(found.state.stopping.last, watched, rtol=1e-10)
    if monitor == "score":
        scores = [epoch.validation.score for epoch in found.epochs]
        assert found.best_epoch == 1 + int(np.argmax(scores))
    assert found.test.r2 is not None


def _first(spec, hyper):
    with precision(spec.training):
        return begin(spec, fitting.traced(spec, hyper), jax.random.key(0, impl=fitting.PRNG)).params[0]


def test_without_validation_examples_the_train_objective_stops():
    """The training does not touch them; any other monitor says what is missing."""
    whole = splits_of()
    splits = whole._replace(validation=jax.tree.map(lambda a: a[:0], whole.validation))
    spec = spec_of(monitor="train_objective")
    found = fit(spec, PENALISED, splits)
    assert_same(found.state.params, fit(spec, PENALISED, whole).state.params)
    assert (found.validation.count, found.stop_reason, found.best_epoch) == (0, "max_epochs", 12)
    refused(["splits.validation has no examples"], check_data, spec_of(), splits)


def test_trials_without_validation_examples_train_as_fit_does():
    """Of classes too, whose accuracy is then none."""
    spec = Spec(Network(()), Training(batch_size=8, max_epochs=2, monitor="train_objective"), D, 3)
    splits = Splits(*(clouds(n, inputs=D, seed=n) for n in (20, 0, 5)))
    (found,) = fit_trials(spec, [Hyper()], [0], splits, mode="sequential")
    assert_same(found.params, fit(spec, Hyper(), splits).params)
    (accuracy,) = fit_grid(spec, Hyper(), splits, {}, mode="sequential").table["validation_accuracy"]
    assert accuracy is None


def test_without_shuffling_no_order_is_drawn():
    """Seeds differ in the first weights alone: from the same ones they train to the same bits."""
    spec = spec_of()
    with precision(spec.training):
        hyper = fitting.traced(spec, PENALISED)
        state = begin(spec, hyper, jax.random.key(0))
        step = jax.jit(advance, static_argnums=0)
        one, other = (step(spec, hyper, jax.random.key(seed), splits_of(), state) for seed in (1, 2))
        assert_same(one, other)
        shuffled = replace(spec, training=replace(spec.training, shuffle=True))
        assert not np.array_equal(
            *(step(shuffled, hyper, jax.random.key(s), splits_of(), state)[0].params[0].w for s in (1, 2))
        )


def test_one_trace_for_all_values_of_the_new_hyperparameters():
    spec, splits = spec_of(clip=True, schedule="plateau"), splits_of()
    spec = replace(spec, network=replace(spec.network, loss="huber"))
    counted, traces = counting(lambda *given: advance(*given, begin(*given[:3]))[0].params)
    jitted, seen = jax.jit(counted, static_argnums=0), []
    with precision(spec.training):
        for clip_norm, huber_delta, decay_rate in [(0.0, 1.0, 0.2), (0.1, 1.0, 0.3), (0.1, 0.5, 0.2)]:
            hyper = Hyper(clip_norm=clip_norm, huber_delta=huber_delta, decay_rate=decay_rate)
            seen.append(jitted(spec, fitting.traced(spec, hyper), jax.random.key(0), splits))
    assert len(traces) == 1
    assert len({np.asarray(params[0].w).tobytes() for params in seen}) == 3


# JAX's own type is float32, so a number of a wrong type shows in float64: every loss in that, and in float32 one for each
# kind of targets
IN_FLOAT32 = {kind: (loss, kind, outputs) for loss, kind, outputs in LEARNT.values()}.values()


@pytest.mark.parametrize(
    ("loss", "kind", "outputs", "dtype"),
    [(*learnt, "float64") for learnt in LEARNT.values()] + [(*learnt, "float32") for learnt in IN_FLOAT32],
)
def test_every_kind_of_targets_is_learnt_in_the_dtype_that_was_asked_for(loss, kind, outputs, dtype):
    """The loss falls; weights, metrics and stopping are of the dtype, whatever the examples came in."""
    spec = Spec(Network((), loss=loss), Training(batch_size=8, max_epochs=4, dtype=dtype), D, outputs)
    hyper = Hyper(learning_rate=0.1, **({"label_smoothing": 0.1} if loss.startswith("smoothed") else {}))
    sizes = (20, 9, 9)  # one program evaluates both of the last
    splits = Splits(*(of_kind(loss, kind, clouds(n, inputs=D, seed=s), outputs) for s, n in enumerate(sizes)))
    found = fit(spec, hyper, splits)
    assert found.epochs[-1].train.loss < found.epochs[0].train.loss
    leaves = jax.tree.leaves((found.params, found.state.opt_state, found.state.stopping.best))
    assert {str(leaf.dtype) for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)} == {dtype}
    assert (found.test.r2 is not None) == (kind == VALUES)
