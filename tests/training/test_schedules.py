"""Every schedule, step by step, against a formula in NumPy; what it reads; one trace for all numbers."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmlp.errors import UsageError
from jaxmlp.spec import Hyper, Training
from jaxmlp.training.schedules import SCHEDULES, learning_rates, schedule

MAX_EPOCHS, STEPS = 6, 4
NUMBERS = Hyper(
    learning_rate=0.3, decay_rate=0.8, decay_epochs=2.0, decay_power=0.7, final_fraction=0.2, warmup_epochs=0.0
)
traces = []


@cache
def jitted(name, max_epochs, steps):
    def rates(hyper, epochs, cuts):
        traces.append(name)
        training = Training(schedule=name, max_epochs=max_epochs)
        cut = cuts if SCHEDULES[name].cuts else None
        return jax.vmap(lambda epoch: learning_rates(training, hyper, epoch, steps, cut))(epochs)

    return jax.jit(rates)


def rates_of(name, hyper, max_epochs=MAX_EPOCHS, steps=STEPS, epochs=8, cuts=0):
    """The learning rates of all steps of the first epochs, also past the last one; after so many cuts."""
    hyper = Hyper(*(jnp.asarray(n, jnp.float32) for n in hyper))
    return np.asarray(jitted(name, max_epochs, steps)(hyper, jnp.arange(epochs), jnp.int32(cuts))).ravel()


def cosine(h, t, total):
    share = min(t / total, 1) if total > 0 else float(t > 0)
    return h.final_fraction + (1 - h.final_fraction) * (1 + np.cos(np.pi * share)) / 2


FORMULAS = {  # (hyper, epochs since warm-up, epochs there are after warm-up) -> factor
    "constant": lambda h, t, total: 1.0,
    "exponential": lambda h, t, total: h.decay_rate**t,
    "step": lambda h, t, total: h.decay_rate ** (t // h.decay_epochs),
    "inverse_scaling": lambda h, t, total: 1 / (1 + t) ** h.decay_power,
    "inverse_scaling_by_epoch": lambda h, t, total: 1 / (1 + np.floor(t) / h.decay_epochs) ** h.decay_power,
    "plateau": lambda h, t, total: 1.0,  # without cuts
    "cosine": cosine,
}


def by_hand(name, h, max_epochs=MAX_EPOCHS, steps=STEPS, epochs=8):
    rates = []
    for i in range(epochs * steps):
        warm = h.warmup_epochs * steps  # steps of warm-up
        rise = min((i + 1) / warm, 1) if warm > 0 else 1
        t = max(i - warm, 0) / steps
        rates.append(h.learning_rate * rise * FORMULAS[name](h, t, max(max_epochs - h.warmup_epochs, 0)))
    return np.asarray(rates)


def test_every_schedule_has_a_formula():
    missing = SCHEDULES.keys() - FORMULAS
    assert not missing, f"write the factor of {', '.join(missing)} in NumPy into FORMULAS"


@pytest.mark.parametrize(("warmup", "steps"), [(0.0, 4), (1.0, 4), (2.0, 4), (2.25, 4), (20.0, 4), (2.0, 1), (0.0, 8)])
@pytest.mark.parametrize("name", SCHEDULES)
def test_step_by_step(name, warmup, steps):
    """Also past the last epoch, and where the warm-up never ends."""
    hyper = NUMBERS._replace(warmup_epochs=warmup)
    found = rates_of(name, hyper, steps=steps)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_hand(name, hyper, steps=steps), rtol=2e-6)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(SCHEDULES)),
    learning_rate=st.floats(1e-4, 10),
    decay_rate=st.floats(0.1, 1),
    decay_epochs=st.integers(1, 5),
    decay_power=st.floats(0, 2),
    final_fraction=st.floats(0, 1),
    warmup_epochs=st.integers(0, 8),
)
def test_any_numbers(name, **numbers):
    hyper = NUMBERS._replace(**numbers)
    np.testing.assert_allclose(rates_of(name, hyper), by_hand(name, hyper), rtol=1e-5, atol=1e-6 * hyper.learning_rate)


@pytest.mark.parametrize("name", SCHEDULES)
def test_one_trace_for_all_numbers(name):
    jitted.cache_clear()
    traces.clear()
    for n in range(1, 6):
        rates_of(name, Hyper(*(0.1 * n for _ in Hyper._fields)))
    assert traces == [name]


@pytest.mark.parametrize("name", SCHEDULES)
def test_reads_names_exactly_the_fields_that_matter(name):
    base = NUMBERS._replace(warmup_epochs=1.5)
    before = rates_of(name, base, cuts=2)
    changes = {field: base._replace(**{field: getattr(base, field) * 0.5 + 0.05}) for field in Hyper._fields}
    changed = {field for field, hyper in changes.items() if not np.array_equal(before, rates_of(name, hyper, cuts=2))}
    of_stopping = {"patience"} if SCHEDULES[name].cuts else set()  # says when there is a cut
    assert changed == SCHEDULES[name].reads - of_stopping | {"learning_rate", "warmup_epochs"}


@pytest.mark.parametrize("name", SCHEDULES)
def test_max_epochs_matters_only_where_it_is_said_to(name):
    """What `--resume` with more epochs relies on."""
    same = np.array_equal(rates_of(name, NUMBERS), rates_of(name, NUMBERS, max_epochs=MAX_EPOCHS + 5))
    assert same != SCHEDULES[name].reads_max_epochs


@pytest.mark.parametrize("name", SCHEDULES)
def test_warmup_is_linear_and_ends_at_the_learning_rate(name):
    rates = rates_of(name, NUMBERS._replace(warmup_epochs=2.0))
    np.testing.assert_allclose(rates[: 2 * STEPS], 0.3 * np.arange(1, 2 * STEPS + 1) / (2 * STEPS), rtol=1e-6)
    after = rates_of(name, NUMBERS, max_epochs=MAX_EPOCHS - 2)
    np.testing.assert_allclose(rates[2 * STEPS :], after[: -2 * STEPS], rtol=1e-6)  # the schedule begins after it


@pytest.mark.parametrize("cuts", [0, 1, 3])
def test_each_cut_multiplies_the_rate_by_decay_rate(cuts):
    np.testing.assert_allclose(rates_of("plateau", NUMBERS, cuts=cuts), 0.3 * 0.8**cuts, rtol=1e-6)


def test_rates_of_scikit_learns_invscaling():
    """learning_rate_init / (t + 1)^power_t after t examples, the same for all steps of an epoch."""
    examples = 50
    hyper = NUMBERS._replace(decay_epochs=1 / examples)
    expected = np.repeat(0.3 / (np.arange(8) * examples + 1) ** 0.7, STEPS)
    np.testing.assert_allclose(rates_of("inverse_scaling_by_epoch", hyper), expected, rtol=2e-6)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"'cosin' is unknown; did you mean cosine.*known: constant"):
        schedule("cosin")
