"""The perceptron: equal to the equations written out in NumPy, to minus the gradient, and to itself however it is run."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_same, counting, refused

from jaxmlp.nn import losses
from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.perceptron import fitting, online
from jaxmlp.perceptron.fitting import fit_online
from jaxmlp.perceptron.online import BLOCK, Online, one_layer
from jaxmlp.spec import Examples, Hyper, Splits, Training

D, K, N = 12, 4, 300
IN_NUMPY = {  # value, slope from (z, y), low and high target
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z, y: y * (1 - y), 0, 1),
    "tanh": (np.tanh, lambda z, y: 1 - y**2, -1, 1),
    "arctan": (np.arctan, lambda z, y: 1 / (1 + z**2), -np.pi / 2, np.pi / 2),
    "identity": (lambda z: z, lambda z, y: 1, 0, 1),
}
REACHED = {"sigmoid": 0.05, "tanh": 0.05, "arctan": 0.5, "identity": 0.002}  # thresholds that end it within some steps
FAST = Online(learning_rate=0.1, threshold=0.0, init_scale=0.03, max_steps=1000)

advance = jax.jit(online.advance, static_argnums=0)
learn = jax.jit(online.learn, static_argnums=0)


def in_float64(output_activation):
    return replace(one_layer(output_activation, "uniform", D, K), training=Training(dtype="float64"))


def numbers(values=FAST, dtype=jnp.float32):
    return Online(*(jnp.asarray(v, dtype) for v in values[:3]), jnp.asarray(values.max_steps, jnp.int32))


def examples(dtype=np.float32):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, K, N).astype(np.int32)
    x = generator.random((N, D)) * 0.5 + 0.5 * (np.arange(D) % K == labels[:, None])
    return Examples(jnp.asarray(x.astype(dtype)), jnp.asarray(labels))


def splits():
    return Splits(examples(), examples(), examples())


def drawn(key, steps):
    _, order_key = jax.random.split(key)
    blocks = jnp.arange(-(-steps // BLOCK))
    return np.asarray(jax.vmap(lambda block: online.draw(order_key, block, N))(blocks)).ravel()


def by_numpy(name, values, data, layer, rows):
    """The thread's equations, one example after the other."""
    f, slope, low, high = IN_NUMPY[name]
    every_x, labels = np.asarray(data.x), np.asarray(data.targets)
    w, b = np.array(layer.w), np.array(layer.b)
    errors = []
    for row in rows[: values.max_steps]:
        x, d = every_x[row], np.where(np.arange(K) == labels[row], high, low)
        z = x @ w + b
        y = f(z)
        errors.append(0.5 * np.sum((d - y) ** 2))
        if errors[-1] < values.threshold:
            return w, b, errors, len(errors) - 1
        delta = (d - y) * slope(z, y)
        w += values.learning_rate * np.outer(x, delta)
        b += values.learning_rate * delta
    return w, b, errors, len(errors)


@pytest.mark.parametrize("stops", [False, True], ids=["to the limit", "to the threshold"])
@pytest.mark.parametrize("name", IN_NUMPY)
def test_it_equals_the_equations_in_numpy(name, stops, float64):
    spec, key, data = in_float64(name), jax.random.key(3), examples(np.float64)
    values = FAST._replace(threshold=REACHED[name] if stops else 0.0)
    traced = numbers(values, jnp.float64)
    state = online.begin(spec, traced, key)
    w, b, errors, steps = by_numpy(name, values, data, state.layer, drawn(key, 1000))
    end = advance(spec, traced, key, data, state, jnp.asarray(1000, jnp.int32))
    assert end.layer.w.dtype == jnp.float64
    assert int(end.steps) == steps
    assert bool(end.stopped) == stops
    assert (0 < steps < 1000) == stops
    np.testing.assert_allclose(end.layer.w, w, rtol=0, atol=1e-12)
    np.testing.assert_allclose(end.layer.b, b, rtol=0, atol=1e-12)
    np.testing.assert_allclose(end.error, errors[-1], rtol=0, atol=1e-12)
    width = int(online.window(traced))
    np.testing.assert_allclose(
        end.errors[: -(-steps // width)], np.add.reduceat(errors[:steps], range(0, steps, width))
    )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_step_is_minus_the_gradient_times_the_learning_rate(name, float64):
    spec, data = in_float64(name), examples(np.float64)
    traced = numbers(dtype=jnp.float64)
    state = online.begin(spec, traced, jax.random.key(0))
    x, label = data.x[:1], data.targets[:1]
    f, loss = ACTIVATIONS[name], losses.loss("squared_error")
    d = losses.output_targets(label, K, loss, f, Hyper(), x.dtype)
    error = jax.jit(lambda layer: 0.5 * jnp.sum((d - f.value(x @ layer.w + layer.b[None, :])) ** 2))
    gradient = jax.grad(error)(state.layer)
    after = learn(spec, traced, x, label, state)
    for part in ("w", "b"):
        moved = getattr(after.layer, part) - getattr(state.layer, part)
        np.testing.assert_allclose(moved, -0.1 * getattr(gradient, part), rtol=0, atol=1e-15)
    assert int(after.steps) == 1


@pytest.mark.parametrize("name", ["sigmoid", "identity"])
@pytest.mark.parametrize("length", [1, 60])
def test_the_length_of_a_block_does_not_matter(name, length, float64):
    spec, data = in_float64(name), examples(np.float64)
    traced = numbers(FAST._replace(threshold=REACHED[name]), jnp.float64)
    start = online.begin(spec, traced, jax.random.key(1))
    whole = learn(spec, traced, data.x, data.targets, start)
    parts = start
    for first in range(0, N, length):
        if bool(online.running(traced, parts)):
            rows = slice(first, first + length)
            parts = learn(spec, traced, data.x[rows], data.targets[rows], parts)
    assert int(parts.steps) == int(whole.steps)
    assert bool(parts.stopped) == bool(whole.stopped)
    np.testing.assert_allclose(parts.layer.w, whole.layer.w, rtol=0, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 100, 1000])
def test_chunks_do_not_change_a_bit(chunk):
    spec, key, data, traced = one_layer("tanh", "uniform", D, K), jax.random.key(0), examples(), numbers()
    state = whole = online.begin(spec, traced, key)
    whole = advance(spec, traced, key, data, whole, jnp.asarray(10**6, jnp.int32))
    for until in range(chunk, 1000 + chunk, chunk):
        state = advance(spec, traced, key, data, state, jnp.asarray(until, jnp.int32))
    assert_same(state, whole)


@pytest.mark.parametrize("limit", [1, BLOCK - 1, BLOCK, BLOCK + 1, 1000])
def test_the_limit_on_steps_is_exact(limit):
    spec, key, traced = (
        one_layer("sigmoid", "uniform", D, K),
        jax.random.key(0),
        numbers(FAST._replace(max_steps=limit)),
    )
    end = advance(spec, traced, key, examples(), online.begin(spec, traced, key), jnp.asarray(10**6, jnp.int32))
    assert int(end.steps) == limit
    assert not bool(end.stopped)


@pytest.mark.parametrize("name", ["sigmoid", "arctan"])
def test_it_ends_at_the_first_error_below_the_threshold(name, float64):
    """A threshold just above an error that is below all before it ends there; one just below it does not."""
    spec, data, traced = in_float64(name), examples(np.float64), numbers(dtype=jnp.float64)
    start = online.begin(spec, traced, jax.random.key(0))
    _, _, errors, _ = by_numpy(name, FAST, data, start.layer, range(N))
    records = [n for n in range(N) if errors[n] < min(errors[:n], default=np.inf)]
    assert len(records) > 3
    for step in records:
        for factor, ends in ((1 + 1e-9, True), (1 - 1e-9, False)):
            threshold = FAST._replace(threshold=errors[step] * factor)
            end = learn(spec, numbers(threshold, jnp.float64), data.x, data.targets, start)
            w, b, _, steps = by_numpy(name, threshold, data, start.layer, range(N))
            assert (int(end.steps) == step) == ends
            assert int(end.steps) == steps
            np.testing.assert_allclose(end.layer.w, w, rtol=0, atol=1e-12)  # the last example changed nothing
            np.testing.assert_allclose(end.layer.b, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("threshold", "steps"), [(0.5, 1), (0.5000001, 0)])
def test_an_error_equal_to_the_threshold_is_not_below_it(threshold, steps):
    spec, data = one_layer("identity", "zeros", D, K), examples()  # so the first error is 1/2 exactly
    traced = numbers(FAST._replace(threshold=threshold))
    end = learn(spec, traced, data.x[:1], data.targets[:1], online.begin(spec, traced, jax.random.key(0)))
    assert (int(end.steps), bool(end.stopped)) == (steps, steps == 0)
    assert float(end.error) == 0.5


TRIALS = [
    (FAST._replace(learning_rate=rate, threshold=threshold, max_steps=limit), seed)
    for rate, threshold, limit, seed in [
        (0.1, 0.0, 1000, 0),
        (0.05, 0.0, 700, 0),
        (0.1, 0.03, 1000, 1),
        (0.1, 0.5, 1000, 2),
        (0.2, 0.0, 1, 3),
    ]
]


SIGMOID = one_layer("sigmoid", "uniform", D, K)


@pytest.fixture(scope="module")
def solos():
    """Each trial by itself."""
    return [fit_online(SIGMOID, [trial], splits()).trials[0] for trial in TRIALS]


@pytest.mark.parametrize("together", [2, 16])  # the last batch is not full; one is enough
def test_trials_equal_their_solo_runs(solos, together, monkeypatch):
    monkeypatch.setattr(fitting, "TOGETHER", together)
    found = fit_online(SIGMOID, TRIALS, splits()).trials
    for one, solo in zip(found, solos, strict=True):
        assert (one.steps, one.stop_reason) == (solo.steps, solo.stop_reason)
        np.testing.assert_allclose(one.params[0].w, solo.params[0].w, rtol=0, atol=1e-5)
        np.testing.assert_allclose(one.curve, solo.curve, rtol=1e-4)
        assert abs(one.test.correct - solo.test.correct) <= 1
        assert one.test.count == N
    assert {one.stop_reason for one in found} == {"max_steps", "threshold"}


def test_one_program_serves_all_numbers():
    counted, traces = counting(partial(online.advance, one_layer("arctan", "uniform", D, K)))
    program, begin = jax.jit(counted), jax.jit(partial(online.begin, one_layer("arctan", "uniform", D, K)))
    key, data = jax.random.key(0), examples()
    for values in (FAST, Online(0.2, 1e-3, 0.5, 77), Online()._replace(max_steps=3)):
        program(numbers(values), key, data, begin(numbers(values), key), jnp.asarray(64, jnp.int32))
    assert len(traces) == 1


def test_it_says_when_it_diverged_and_keeps_what_was_finite():
    spec = one_layer("identity", "uniform", D, K)
    (end,) = fit_online(spec, [(FAST._replace(learning_rate=5.0), 0)], splits()).trials
    assert end.stop_reason == "diverged"
    assert 0 < end.steps < 1000
    assert not np.isfinite(end.error)
    assert np.isfinite(end.params[0].w).all()


def test_the_curve_counts_every_step_once():
    spec = one_layer("sigmoid", "uniform", D, K)
    values = FAST._replace(max_steps=100_000)
    width = int(online.window(numbers(values)))
    assert width % BLOCK == 0
    assert width * online.WINDOWS >= 100_000
    (end,) = fit_online(spec, [(values._replace(threshold=REACHED["sigmoid"]), 0)], splits()).trials
    steps = [step for step, _ in end.curve]
    assert steps == [*range(width, end.steps, width), end.steps]
    assert end.curve[-1][1] < end.curve[0][1]


@pytest.mark.parametrize("largest", [1, 32, 32_768, 32_769, 10**6, 2**31 - 1])
def test_the_windows_are_enough_for_any_limit(largest):
    width = int(online.window(numbers(FAST._replace(max_steps=largest))))
    assert width >= BLOCK
    assert (largest - 1) // width < online.WINDOWS


def test_every_row_is_drawn_equally_often():
    rows, blocks = 7, 400
    found = jax.vmap(lambda block: online.draw(jax.random.key(0), block, rows))(jnp.arange(blocks))
    counts = np.bincount(np.asarray(found).ravel(), minlength=rows)
    expected = blocks * BLOCK / rows
    assert np.sum((counts - expected) ** 2 / expected) < 22.5  # chi squared, 6 degrees of freedom: 1 in 1,000


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: one_layer("step", "uniform", D, K), ["step", "derivative is 0"]),
        (lambda: one_layer("sigmoyd", "uniform", D, K), ["network.output_activation", "sigmoid"]),
        (lambda: fit_online(one_layer("tanh", "unifrm", D, K), [(FAST, 0)], splits()), ["network.init", "uniform"]),
        (lambda: fit_online(one_layer("tanh", "zeros", D, K), [(Online(threshold=-1.0), 0)], splits()), ["threshold"]),
        (lambda: fit_online(one_layer("tanh", "zeros", D, K), [(Online(max_steps=0), 0)], splits()), ["max_steps"]),
    ],
)
def test_what_makes_no_sense_is_refused(make, words):
    refused(words, make)
