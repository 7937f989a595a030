"""Early stopping: scripted loss curves with the exact epoch of stop, and any curve against plain Python."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmlp.errors import UsageError
from jaxmlp.spec import Hyper
from jaxmlp.training import stopping
from jaxmlp.training.evaluation import Metrics
from jaxmlp.training.stopping import MONITORS, STOP_RULES, begin, monitor, stop_rule, stopped

NAN, INF = math.nan, math.inf
after_epoch = jax.jit(stopping.after_epoch, static_argnums=0)
is_over = jax.jit(stopped)
RATE = jnp.float32(0.1)


def run(rule, losses, patience=3, min_delta=0.0, train=None, to_the_end=False):
    """Feed the losses until training stops: (epochs run, best epoch, best loss, stale, diverged), and who was better."""
    hyper = hyper_of(patience, min_delta)
    state, better = begin("float32", cuts=False), []
    for epoch, loss in enumerate(losses, start=1):
        if is_over(hyper, state) and not to_the_end:
            break
        value = loss if train is None else train[epoch - 1]
        state, new = after_epoch(rule, hyper, state, jnp.int32(epoch), jnp.float32(value), jnp.float32(loss), RATE)
        better.append(bool(new))
    return len(better), state, better


def hyper_of(patience, min_delta=0.0):
    return typed(Hyper(patience=patience, min_delta=min_delta))


def typed(hyper):
    return Hyper(*(jnp.asarray(n, jnp.float32) for n in hyper))._replace(
        patience=jnp.asarray(hyper.patience, jnp.int32)
    )


CURVES = [
    # rule, losses, patience, min_delta -> epochs run, best epoch, stale count, diverged
    ("no_improvement", [5, 4, 3, 2, 1], 1, 0, (5, 5, 0, False)),
    ("no_improvement", [5, 4, 6, 3, 2], 1, 0, (3, 2, 1, False)),
    ("no_improvement", [5, 4, 6, 3, 6, 6, 6, 1], 3, 0, (7, 4, 3, False)),
    ("no_improvement", [5, 4, 6, 6, 3, 6, 6, 2], 3, 0, (8, 8, 0, False)),  # a new best starts the count anew
    ("no_improvement", [5, 4, 6, 5, 4.5, 1], 3, 0, (5, 2, 3, False)),  # falling, but not below the best: stale
    ("no_improvement", [5, 5, 5, 5, 1], 3, 0, (4, 1, 3, False)),  # equal is no improvement
    ("no_improvement", [5, 6, 7, 8, 9, 9, 9], 0, 0, (7, 1, 6, False)),  # patience 0 never stops
    ("no_improvement", [5, 4.5, 4.25, 4.125, 1], 3, 0.5, (4, 4, 3, False)),  # better each time, but never by more than
    ("no_improvement", [5, 4.25, 3.5, 2.75, 2], 3, 0.5, (5, 5, 0, False)),  # min_delta; best_epoch knows no min_delta
    ("no_improvement", [5, 4.5, 3.9, 3.9, 3.9, 3.9, 1], 3, 0.5, (6, 3, 3, False)),
    ("no_improvement", [5, 4, NAN, 3], 3, 0, (3, 2, 1, True)),
    ("no_improvement", [5, 4, INF, 3], 0, 0, (3, 2, 1, True)),  # diverged stops whatever the patience is
    ("no_improvement", [5, 4, -INF, 3], 3, 0, (3, 2, 1, True)),  # as low as can be, and no improvement
    ("no_improvement", [NAN, 1], 3, 0, (1, 0, 1, True)),
    ("no_improvement", [INF, 1], 3, 0, (1, 0, 1, True)),
    ("no_improvement", [], 3, 0, (0, 0, 0, False)),
    ("no_improvement_within", [5, 5, 5, 5, 1], 3, 0, (5, 5, 0, False)),  # without min_delta equal is progress
    ("no_improvement_within", [5, 4, 4.5, 4.5, 4.5, 1], 3, 0, (5, 2, 3, False)),
    ("no_improvement_within", [5, 4.5, 4, 3.5, 3], 3, 0.5, (5, 5, 0, False)),  # by min_delta exactly: progress
    (
        "no_improvement_within",
        [5, 4.5, 4.25, 4.125, 3.875, 1],
        3,
        0.5,
        (5, 5, 3, False),
    ),  # of the best, not of the last
    ("no_improvement_within", [5, 5, NAN, 3], 3, 0, (3, 1, 1, True)),
    ("no_improvement_within", [5, 6, 7, 8, 9], 0, 0, (5, 1, 4, False)),
    ("consecutive_increase", [5, 4, 3, 2, 1], 1, 0, (5, 5, 0, False)),
    ("consecutive_increase", [5, 4, 6, 3, 2], 1, 0, (3, 2, 1, False)),
    ("consecutive_increase", [5, 4, 6, 5, 7, 6, 8, 7], 3, 0, (8, 2, 0, False)),  # never three in a row
    ("consecutive_increase", [5, 4, 6, 7, 5, 6, 7, 8, 1], 3, 0, (8, 2, 3, False)),
    ("consecutive_increase", [5, 4, 6, 7, 8, 1], 3, 0, (5, 2, 3, False)),
    ("consecutive_increase", [5, 6, 6, 6, 6, 6], 3, 0, (6, 1, 0, False)),  # equal is no increase
    ("consecutive_increase", [5, 6, 7, 8, 9, 9.5, 9.75], 0, 0, (7, 1, 6, False)),
    ("consecutive_increase", [5, 4, NAN, 3], 3, 0, (3, 2, 1, True)),
    ("consecutive_increase", [5, 4, INF, 3], 0, 0, (3, 2, 1, True)),
    ("consecutive_increase", [5, 4, -INF, 3], 3, 0, (3, 2, 1, True)),
    ("consecutive_increase", [NAN, 1], 3, 0, (1, 0, 1, True)),
    ("consecutive_increase", [INF, 1], 3, 0, (1, 0, 1, True)),
    ("consecutive_increase", [], 3, 0, (0, 0, 0, False)),
]


@pytest.mark.parametrize(("rule", "losses", "patience", "min_delta", "expected"), CURVES)
def test_scripted_curve(rule, losses, patience, min_delta, expected):
    epochs, state, _ = run(rule, losses, patience, min_delta)
    assert (epochs, state.best_epoch, state.stale, state.diverged) == expected
    if state.best_epoch > 0:
        assert state.best == np.float32(losses[int(state.best_epoch) - 1])
    else:
        assert state.best == INF


def test_every_rule_has_scripted_curves():
    missing = STOP_RULES.keys() - {rule for rule, *_ in CURVES}
    assert not missing, f"script the epoch at which {', '.join(missing)} stops in CURVES"


@pytest.mark.parametrize("rule", STOP_RULES)
def test_training_loss_diverges_too(rule):
    epochs, state, better = run(rule, [5, 4, 3, 2], train=[5, 4, NAN, 2])
    assert (epochs, state.best_epoch, state.stale, state.diverged) == (3, 2, 1, True)
    assert better == [True, True, False]


@pytest.mark.parametrize("rule", STOP_RULES)
def test_diverged_is_not_forgotten(rule):
    assert run(rule, [5, NAN, 4, 3], to_the_end=True)[1].diverged


def reference(rule, losses, patience, min_delta):
    """The same in plain Python, in the words of the docstrings."""
    last = best = INF
    best_epoch = stale = epochs = 0
    for epoch, loss in enumerate(losses, start=1):
        epochs = epoch
        finite = math.isfinite(loss)
        progress = (
            finite
            and {
                "no_improvement": loss < np.float32(best) - np.float32(min_delta),
                "no_improvement_within": loss <= np.float32(best) - np.float32(min_delta),
                "consecutive_increase": loss <= last,
            }[rule]
        )
        if finite and loss < best:
            best, best_epoch = loss, epoch
        stale = 0 if progress else stale + 1
        last = loss
        if not finite or (patience and stale >= patience):
            return epochs, best_epoch, best, stale, not finite
    return epochs, best_epoch, best, stale, False


few = st.integers(0, 6).map(lambda n: n / 4)  # few values, so that equal ones are frequent
curves = st.lists(st.one_of(few, few, few, st.floats(0, 10, width=32), st.sampled_from([NAN, INF])), max_size=14)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    rule=st.sampled_from(sorted(STOP_RULES)),
    losses=curves,
    patience=st.integers(0, 4),
    min_delta=st.sampled_from([0, 0.25, 0.5]),
)
def test_any_curve_as_in_plain_python(rule, losses, patience, min_delta):
    epochs, state, _ = run(rule, losses, patience, min_delta)
    got = (epochs, int(state.best_epoch), float(state.best), int(state.stale), bool(state.diverged))
    assert got == reference(rule, losses, patience, min_delta)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(rule=st.sampled_from(sorted(STOP_RULES)), losses=curves)
def test_the_best_is_the_first_lowest_whatever_the_rule(rule, losses):
    _, state, better = run(rule, losses, patience=0, min_delta=0.25, to_the_end=True)
    finite = [(loss, epoch) for epoch, loss in enumerate(losses, start=1) if math.isfinite(loss)]
    assert (float(state.best), int(state.best_epoch)) == min(finite, default=(INF, 0))
    assert [epoch for epoch, new in enumerate(better, start=1) if new][-1:] == [int(state.best_epoch)] * bool(finite)


@pytest.mark.parametrize("rule", STOP_RULES)
def test_reads_names_exactly_the_fields_that_matter(rule):
    losses = [5, 4, 4.5, 4.25, 4.5, 4.75, 3.9, 3.8, 3.7, 4, 5, 6, 7, 8, 9]
    base = Hyper(patience=3, min_delta=0.0)

    def outcome(hyper):
        hyper, state = typed(hyper), begin("float32", cuts=False)
        states = []
        for epoch, loss in enumerate(losses, start=1):
            state, _ = after_epoch(rule, hyper, state, jnp.int32(epoch), jnp.float32(loss), jnp.float32(loss), RATE)
            states.append((*map(float, state[:-1]), bool(is_over(hyper, state))))
        return states

    before = outcome(base)
    changes = {field: base._replace(**{field: getattr(base, field) + 1}) for field in Hyper._fields}
    assert {field for field, hyper in changes.items() if outcome(hyper) != before} == STOP_RULES[rule].reads


@pytest.mark.parametrize("rule", STOP_RULES)
def test_one_trace_and_the_same_under_vmap(rule):
    traces = []

    def chain(patience, losses):
        traces.append(rule)
        hyper = hyper_of(3)._replace(patience=patience)
        advance = partial(stopping.after_epoch, rule, hyper)
        first = begin("float32", cuts=False)
        return jax.lax.scan(lambda s, x: (advance(s, x[0], x[1], x[1], RATE)[0], stopped(hyper, s)), first, losses)

    curve = jnp.asarray([5, 4, 6, 7, 8, 9], jnp.float32)
    losses = (jnp.arange(1, 7, dtype=jnp.int32), curve)
    jitted = jax.jit(chain)
    alone = [jitted(jnp.int32(patience), losses)[1] for patience in range(5)]
    assert len(traces) == 1
    together = jax.jit(jax.vmap(chain, in_axes=(0, None)))(jnp.arange(5, dtype=jnp.int32), losses)[1]
    np.testing.assert_array_equal(together, alone)


def test_every_leaf_is_typed():
    before, one = begin("float32", cuts=True), jnp.float32(1)
    after, _ = after_epoch("no_improvement", hyper_of(3), before, jnp.int32(1), one, one, RATE)
    for one, other in zip(before, after, strict=True):
        assert one.dtype == other.dtype
        assert not other.weak_type
        assert one.shape == other.shape == ()


def cut_by(losses, rate, patience=2):
    """The epochs that run, and how often the rate was cut after each; a rate that is cut is a fifth of itself."""
    hyper, state, cuts = hyper_of(patience), begin("float32", cuts=True), []
    for epoch, loss in enumerate(losses, start=1):
        if is_over(hyper, state):
            break
        now = jnp.float32(rate * 0.2 ** int(state.cuts))
        state, _ = after_epoch(
            "no_improvement_within", hyper, state, jnp.int32(epoch), jnp.float32(loss), jnp.float32(loss), now
        )
        cuts.append(int(state.cuts))
    return cuts


@pytest.mark.parametrize(
    ("losses", "rate", "patience", "cuts"),
    [
        ([5, 6, 6, 6, 6, 4, 6, 6], 0.1, 2, [0, 0, 1, 1, 2, 2, 2, 3]),  # the count begins anew after a cut
        ([5, 6, 6, 6, 6], 2e-6, 2, [0, 0, 1, 1, 1]),  # 4e-7 is no higher than 1e-6: the end of patience stops here
        ([5, 6, 6, 6, 6], 1e-6, 2, [0, 0, 0]),
        ([5, 6, 6, 6, 6], 0.1, 0, [0, 0, 0, 0, 0]),  # a patience of 0 never ends
        ([5, 6, NAN, 6, 6], 0.1, 2, [0, 0, 1]),  # what diverged is over, cut or not
    ],
)
def test_the_end_of_patience_cuts_the_rate_down_to_a_millionth(losses, rate, patience, cuts):
    assert cut_by(losses, rate, patience) == cuts


METRICS = {
    "classes": Metrics(jnp.float32(0.5), jnp.int32(3), jnp.int32(4)),
    "values": Metrics(jnp.float32(0.5), None, jnp.int32(4), r2=jnp.float32(0.75), mae=jnp.float32(0.1)),
}


@pytest.mark.parametrize("kind", METRICS)
@pytest.mark.parametrize(
    ("name", "watched"), [("loss", 0.5), ("objective", 0.75), ("score", -0.75), ("train_objective", 2)]
)
def test_what_a_monitor_watches(name, watched, kind):
    """Lower is better: of a score its negative."""
    assert monitor(name).watched(METRICS[kind], jnp.float32(0.25), jnp.float32(2)) == watched


def test_every_monitor_is_tested():
    assert set(MONITORS) == {"loss", "objective", "score", "train_objective"}


def test_a_score_of_outputs_that_are_not_finite_has_diverged():
    lost = METRICS["classes"]._replace(loss=jnp.float32(NAN))
    assert np.isnan(monitor("score").watched(lost, jnp.float32(0), None))


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"'no_improvment' is unknown; did you mean no_improvement.*known: no_imp"):
        stop_rule("no_improvment")
