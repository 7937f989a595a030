"""One network on two devices: the trajectory of one device to rounding, all-reduces only, one compile, clear refusals."""

import re
from functools import partial

import helpers
import jax
import numpy as np
import pytest
from helpers import assert_same, clouds

from jaxmlp.errors import JaxmlpError, UsageError
from jaxmlp.spec import Hyper, Network, Spec, Splits, Training
from jaxmlp.training import data_parallel, evaluation, fitting, loop
from jaxmlp.training.fitting import fit, placement_for

D, H, K, BATCH = 6, 5, 3, 8
HYPER = Hyper(learning_rate=0.5, l1=1e-3, l2=1e-2, patience=0)
assert_close = partial(helpers.assert_close, rtol=2e-5, atol=2e-6)  # sums in another order, over five epochs


def spec_of(*, dropout=False, hidden=(H,), **training):
    training = {"batch_size": BATCH, "max_epochs": 5} | training
    return Spec(Network(hidden, "tanh", dropout=dropout), Training(**training), D, K)


def examples(rows, seed, weighted):
    weights = np.linspace(0, 2, rows) if weighted else None
    return clouds(rows, inputs=D, classes=K, seed=seed, weights=weights)


def splits_of(rows=29, weighted=False):
    return Splits(examples(rows, 0, weighted), examples(rows // 2, 1, weighted), examples(7, 2, weighted))


def without_seconds(row):
    return row._replace(seconds=0.0, disagreement=None)


# The last batch: 5 rows of 29, which two devices cannot share; 6 of 30, which they can; none of 32. In validation 14, 15
# and 16 rows are measured together: of 15 each device computes all.
ADAM = Hyper(learning_rate=0.01, patience=0)
CASES = {
    "last batch unsplit, adam, cosine": (spec_of(optimizer="adam", schedule="cosine", hidden=()), splits_of(29), ADAM),
    "last batch split, weights, both": (spec_of(gradient="both"), splits_of(30, True), HYPER),
    "whole batches, dropout, delta rule": (spec_of(dropout=True, gradient="delta_rule"), splits_of(32), HYPER),
    "batch larger than all, weights, no hidden layer": (spec_of(hidden=(), batch_size=64), splits_of(29, True), HYPER),
}
WHOLE = CASES["whole batches, dropout, delta rule"]


@pytest.mark.parametrize("name", CASES)
def test_every_epoch_is_that_of_one_device(name):
    """Losses, counts, weights, and the memory of the update rule; the first weights to the bit."""
    assert jax.device_count() == 2, "the suite is meant to run on two CPU devices"
    spec, splits, hyper = CASES[name]
    with jax.numpy_dtype_promotion("standard" if spec.training.optimizer == "adam" else "strict"):  # optax needs it
        one, two = (fit(spec, hyper, splits, seed=3, data_parallel=split) for split in (False, True))
    assert len(one.epochs) == len(two.epochs) == 5
    for alone, shared in zip(one.epochs, two.epochs, strict=True):
        assert_close(without_seconds(alone), without_seconds(shared))
        for part in ("train", "validation"):
            assert getattr(alone, part).correct == getattr(shared, part).correct
            assert getattr(alone, part).count == getattr(shared, part).count
        assert (shared.disagreement is not None) == (spec.training.gradient == "both")
        assert (shared.disagreement or 0.0) < 1e-5
    assert_close(one.state, two.state)
    assert_close((one.params, one.validation, one.test), (two.params, two.validation, two.test))
    assert one.best_epoch == two.best_epoch


@pytest.mark.parametrize("together", [1, 4, 5])
def test_validation_in_blocks(together, monkeypatch):
    """Shared or not, every row counts once."""
    monkeypatch.setattr(evaluation, "EVALUATED_TOGETHER", together)
    spec, splits = spec_of(), splits_of(weighted=True)
    shard = data_parallel.shard_over(data_parallel.mesh_for(spec.training))
    hyper = fitting.traced(spec, HYPER)
    params = fitting.compiled_begin(spec, hyper, jax.random.key(0)).params
    alone, shared = (
        jax.jit(lambda *a, s=s: evaluation.evaluate(spec, hyper, *a, s))(params, splits.validation)
        for s in (lambda b: b, shard)
    )
    assert_close(alone, shared)


def test_what_comes_back_lies_on_one_device():
    spec, splits, hyper = WHOLE
    found = fit(spec, hyper, splits, data_parallel=True)
    assert {len(leaf.devices()) for leaf in jax.tree.leaves((found.params, found.state))} == {1}
    assert fitting.measure(spec, hyper, found.params, splits.test) == found.test


def test_one_compile_for_all_numbers_and_seeds_begins_with_the_weights_of_one_device(monkeypatch):
    spec, splits, traces, epoch = spec_of(max_epochs=3, hidden=()), splits_of(), [], loop.epoch
    monkeypatch.setattr(loop, "epoch", lambda *a, **k: traces.append(1) or epoch(*a, **k))
    first = fit(spec, HYPER, splits, data_parallel=True)
    hyper = Hyper(learning_rate=1e-30, patience=2)
    other = fit(spec, hyper, splits, seed=3, data_parallel=True)
    assert len(traces) == 1
    assert first.compile_seconds > other.compile_seconds
    alone = fit(spec, hyper, splits, seed=3)
    assert len(traces) == 2
    (layer,), (expected,) = other.params, alone.params  # the biases begin at 0, which any step changes
    np.testing.assert_array_equal(layer.w, expected.w)


def test_a_second_run_gives_the_same_bits():
    spec, splits, hyper = WHOLE
    one, two = (fit(spec, hyper, splits, data_parallel=True) for _ in range(2))
    assert_same(one.state, two.state)


# --- what the compiler makes of it


def compiled_text(spec, splits, *, split):
    """The program that the devices run, as text: the shapes in it are those of one device."""
    place = placement_for(spec.training, data_parallel=split)
    hyper, key = fitting.traced(spec, HYPER), jax.random.key(0)
    state = fitting.compiled_begin(spec, hyper, key)
    arguments = place.put((hyper, key, splits, state))
    return place.advance.lower(spec, *arguments).compile().as_text()


def results_of(operation, text):
    """The types of what an operation returns, wherever it occurs: `f32[8,6]`, without the layout."""
    found = re.findall(rf" = (\(.*?\)|\S+) {operation}(?:-start)?\(", text)
    return [shape for types in found for shape in re.findall(r"\w+\[[\d,]*\]", types)]


COLLECTIVES = r"\b(all-reduce|all-gather|all-to-all|ragged-all-to-all|collective-\w+|reduce-scatter)(?:-start)?\("


@pytest.mark.parametrize(("gradient", "weighted"), [("autodiff", True), ("delta_rule", False)])
def test_only_sums_travel(gradient, weighted):
    """All-reduces of the gradients and of numbers; each device gathers its half of the rows, and no others.

    Of the 16 validation examples, too, each computes 8.
    """
    spec, splits = spec_of(dropout=True, gradient=gradient), splits_of(4 * BATCH, weighted)
    text = compiled_text(spec, splits, split=True)
    assert set(re.findall(COLLECTIVES, text)) == {"all-reduce"}
    params = jax.tree.leaves(fitting.compiled_begin(spec, fitting.traced(spec, HYPER), jax.random.key(0)).params)
    sizes = [leaf.size for leaf in params]
    reduced = [
        np.prod([int(n) for n in re.findall(r"\d+", shape.split("[")[1])]) for shape in results_of("all-reduce", text)
    ]
    assert sorted(size for size in reduced if size > 1) == sorted(sizes)
    rows = [shape for shape in results_of("gather", text) if shape.endswith(f"{D}]")]
    assert rows
    assert {shape.split("[")[1].split(",")[0] for shape in rows} == {str(BATCH // 2)}
    assert f"f32[8,{H}]" in text
    assert f"f32[16,{H}]" not in text


def test_nothing_travels_to_one_device():
    spec, splits, _ = WHOLE
    assert not re.search(COLLECTIVES, compiled_text(spec, splits, split=False))


# --- refusals


def test_a_batch_that_the_devices_cannot_share_is_refused():
    with pytest.raises(UsageError, match=r"^training.batch_size is 9; .* on 2 devices is a multiple of 2$"):
        fit(spec_of(batch_size=9), HYPER, splits_of(), data_parallel=True)


def test_one_device_is_refused_with_the_way_to_more(monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda: jax.local_devices()[:1])
    with pytest.raises(JaxmlpError, match=r"finds one here \(cpu\).*JAX_NUM_CPU_DEVICES=N") as refusal:
        fit(spec_of(), HYPER, splits_of(), data_parallel=True)
    assert not isinstance(refusal.value, UsageError)
