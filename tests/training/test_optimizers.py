"""Update rules against formulas in NumPy: the linear ones bit for bit, the adaptive ones by tolerance."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.errors import UsageError
from jaxmlp.nn.network import Layer
from jaxmlp.spec import Hyper
from jaxmlp.training import optimizers
from jaxmlp.training.optimizers import OPTIMIZERS, optimizer, start, update

STEPS = 12
NUMBERS = Hyper(momentum=0.8, beta1=0.7, beta2=0.95, rms_decay=0.85, epsilon=1e-3, weight_decay=0.03)
CONSTANT = np.full(STEPS, 0.05, np.float32)
FALLING = (0.2 * 0.7 ** np.arange(STEPS)).astype(np.float32)
RATES = {"constant": CONSTANT, "falling": FALLING}
traces = []


pytestmark = pytest.mark.usefixtures("standard_promotion")


def arrays(hyper):
    return Hyper(*(jnp.asarray(n, jnp.float32) for n in hyper))


def first_params():
    rng = np.random.default_rng(0)
    return tuple(
        Layer(*(rng.normal(size=s).astype(np.float32) for s in shapes)) for shapes in [((3, 4), 4), ((4, 2), 2)]
    )


def gradients_over_time():
    rng = np.random.default_rng(1)
    return tuple(
        Layer(*(rng.normal(size=(STEPS, *s)).astype(np.float32) for s in shapes))
        for shapes in [((3, 4), (4,)), ((4, 2), (2,))]
    )


@cache
def jitted(name):
    def run(hyper, params, grads, rates):
        traces.append(name)

        def step(carry, now):
            g, rate = now
            params, opt_state = update(name, hyper, rate, g, carry[1], carry[0])
            return (params, opt_state), params

        return jax.lax.scan(step, (params, start(name, hyper, params)), (grads, rates))[1]

    return jax.jit(run)


def trajectory(name, hyper=NUMBERS, rates=CONSTANT):
    """All parameters after each step: leaves of shape [STEPS, ...]."""
    params = jax.tree.map(jnp.asarray, first_params())
    return jitted(name)(arrays(hyper), params, jax.tree.map(jnp.asarray, gradients_over_time()), jnp.asarray(rates))


def eagerly(name, hyper, rates):
    """Step by step, each operation on its own: what a compiler may fuse is not fused."""
    hyper, params = arrays(hyper), jax.tree.map(jnp.asarray, first_params())
    opt_state = start(name, hyper, params)
    for i, rate in enumerate(rates):
        g = jax.tree.map(lambda a, i=i: jnp.asarray(a[i]), gradients_over_time())
        params, opt_state = update(name, hyper, jnp.asarray(rate), g, opt_state, params)
    return params


class Momentum:
    """Report eq. 5: v <- gamma v + (1 - gamma) alpha g, w <- w - v."""

    def __init__(self, h, w, decayed):
        self.h, self.v = h, np.zeros_like(w)

    def __call__(self, w, g, rate, t):
        one = w.dtype.type(1)
        self.v = self.h.momentum * self.v + (one - self.h.momentum) * (rate * g)
        return w - self.v


class HeavyBall:
    """Polyak 1964: u <- gamma u + g, w <- w - alpha u."""

    def __init__(self, h, w, decayed):
        self.h, self.u = h, np.zeros_like(w)

    def __call__(self, w, g, rate, t):
        self.u = self.h.momentum * self.u + g
        return w - rate * self.u


class Nesterov(HeavyBall):
    """Sutskever et al. 2013 in PyTorch's form: the step is g + gamma u with the new u."""

    def __call__(self, w, g, rate, t):
        self.u = self.h.momentum * self.u + g
        return w - rate * (self.h.momentum * self.u + g)


class Sgd:
    def __init__(self, h, w, decayed):
        pass

    def __call__(self, w, g, rate, t):
        return w - rate * g


class Adam:
    """Kingma and Ba 2015, algorithm 1."""

    decay = 0.0

    def __init__(self, h, w, decayed):
        self.h, self.m, self.v, self.decayed = h, np.zeros_like(w), np.zeros_like(w), decayed

    def __call__(self, w, g, rate, t):
        self.m = self.h.beta1 * self.m + (1 - self.h.beta1) * g
        self.v = self.h.beta2 * self.v + (1 - self.h.beta2) * g**2
        m, v = self.m / (1 - self.h.beta1**t), self.v / (1 - self.h.beta2**t)
        return w - rate * (m / (np.sqrt(v) + self.h.epsilon) + self.weight_decay() * w)

    def weight_decay(self):
        return 0.0


class AdamW(Adam):
    """Loshchilov and Hutter 2019; weights only."""

    def weight_decay(self):
        return self.h.weight_decay if self.decayed else 0.0


class Velocity(HeavyBall):
    """scikit-learn's sgd: the rate stands inside, v <- gamma v - alpha g, w <- w + v."""

    def __call__(self, w, g, rate, t):
        self.u = self.h.momentum * self.u - rate * g
        return w + self.u


class NesterovVelocity(HeavyBall):
    """scikit-learn's sgd with nesterovs_momentum: the step is gamma v - alpha g with the new v."""

    def __call__(self, w, g, rate, t):
        self.u = self.h.momentum * self.u - rate * g
        return w + (self.h.momentum * self.u - rate * g)


class Lion:
    """Chen et al. 2023, algorithm 2: the sign of one mean moves, another is kept; weights decay, biases do not."""

    def __init__(self, h, w, decayed):
        self.h, self.m, self.decay = h, np.zeros_like(w), h.weight_decay if decayed else 0.0

    def __call__(self, w, g, rate, t):
        direction = np.sign(self.h.beta1 * self.m + (1 - self.h.beta1) * g)
        self.m = self.h.beta2 * self.m + (1 - self.h.beta2) * g
        return w - rate * (direction + self.decay * w)


class RmsProp:
    """Tieleman and Hinton 2012; epsilon stands outside the root, as in adam."""

    def __init__(self, h, w, decayed):
        self.h, self.v = h, np.zeros_like(w)

    def __call__(self, w, g, rate, t):
        self.v = self.h.rms_decay * self.v + (1 - self.h.rms_decay) * g**2
        return w - rate * g / (np.sqrt(self.v) + self.h.epsilon)


RULES = {
    "momentum": Momentum,
    "heavy_ball": HeavyBall,
    "nesterov": Nesterov,
    "sgd": Sgd,
    "adam": Adam,
    "adamw": AdamW,
    "velocity": Velocity,
    "nesterov_velocity": NesterovVelocity,
    "lion": Lion,
    "rmsprop": RmsProp,
}
LINEAR = ("sgd", "momentum", "heavy_ball", "nesterov", "velocity", "nesterov_velocity")


def by_numpy(name, hyper=NUMBERS, rates=CONSTANT, dtype=np.float64):
    """The trajectory by the rule above, in `dtype`; the numbers are those float32 holds."""
    hyper = Hyper(*(dtype(np.float32(n)) for n in hyper))
    path = []
    for layer, grads in zip(first_params(), gradients_over_time(), strict=True):
        fields = []
        for field, w, g in zip(Layer._fields, layer, grads, strict=True):
            rule, w, now = RULES[name](hyper, w.astype(dtype), decayed=field == "w"), w.astype(dtype), []
            for t, rate in enumerate(rates, start=1):
                w = rule(w, g[t - 1].astype(dtype), dtype(rate), t)
                now.append(w)
            fields.append(np.stack(now))
        path.append(Layer(*fields))
    return tuple(path)


def test_every_optimizer_has_a_formula():
    missing = OPTIMIZERS.keys() - RULES
    assert not missing, f"write the step of {', '.join(missing)} in NumPy into RULES"


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_step_follows_the_formula(name, rates):
    got, expected = trajectory(name, rates=RATES[rates]), by_numpy(name, rates=RATES[rates])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=5e-6, atol=5e-6), got, expected)


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("name", LINEAR)
def test_linear_rules_bit_for_bit(name, rates):
    got = eagerly(name, NUMBERS, RATES[rates])
    expected = by_numpy(name, NUMBERS, RATES[rates], np.float32)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b[-1]), got, expected)


def test_momentum_and_heavy_ball_differ_where_the_rate_changes():
    """Each as its closed sum says: every gradient keeps its own rate, or all take today's."""
    gamma = float(np.float32(0.8))
    for name in ("momentum", "heavy_ball"):
        for layer, grads, path in zip(
            first_params(), gradients_over_time(), trajectory(name, rates=FALLING), strict=True
        ):
            for w, g, steps in zip(layer, grads, path, strict=True):
                moved = np.diff(np.concatenate([w[None], steps]), axis=0)
                for today in range(STEPS):
                    past = np.arange(today + 1)
                    rate = (1 - gamma) * FALLING[past] if name == "momentum" else np.full(today + 1, FALLING[today])
                    expected = -np.tensordot(gamma ** (today - past) * rate, g[past], axes=1)
                    np.testing.assert_allclose(moved[today], expected, rtol=1e-4, atol=1e-6)
    late, prompt = trajectory("momentum", rates=FALLING), trajectory("heavy_ball", rates=FALLING * np.float32(0.2))
    assert np.abs(late[0].w[-1] - prompt[0].w[-1]).max() > 1e-2


@pytest.mark.parametrize("name", ["adamw", "lion"])
def test_weight_decay_spares_biases(name):
    decayed, plain = trajectory(name), trajectory(name, NUMBERS._replace(weight_decay=0.0))
    for one, other in zip(decayed, plain, strict=True):
        assert not np.allclose(one.w, other.w, atol=1e-4)
        np.testing.assert_array_equal(one.b, other.b)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_reads_names_exactly_the_fields_that_matter(name):
    """learning_rate is not among them: the rate of a step is an argument of its own, and the state does not keep it."""
    before = trajectory(name)
    changed = {
        field
        for field in Hyper._fields
        if not all(
            jax.tree.leaves(
                jax.tree.map(
                    np.array_equal,
                    before,
                    trajectory(name, NUMBERS._replace(**{field: getattr(NUMBERS, field) * 0.5 + 0.01})),
                )
            )
        )
    }
    assert changed == OPTIMIZERS[name].reads


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_trace_for_all_numbers(name):
    jitted.cache_clear()
    traces.clear()
    for n in (0.1, 0.2, 0.5):
        trajectory(name, Hyper(*(n for _ in Hyper._fields)), rates=CONSTANT * np.float32(n))
    assert traces == [name]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rate_zero_moves_nothing(name):
    got = trajectory(name, rates=np.zeros(STEPS, np.float32))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[-1], b), got, first_params())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_keeps_its_types(name):
    """A scan carries it: shapes and dtypes stay, and no leaf is weakly typed."""
    hyper, params = arrays(NUMBERS), jax.tree.map(jnp.asarray, first_params())

    def types(tree):
        return [(leaf.shape, leaf.dtype, leaf.weak_type) for leaf in jax.tree.leaves(tree)]

    before = jax.eval_shape(lambda: start(name, hyper, params))
    after = jax.eval_shape(lambda: update(name, hyper, jnp.float32(0.1), params, start(name, hyper, params), params))
    assert types(after) == types((params, before))
    assert not any(weak for _, _, weak in types(after))


@pytest.mark.parametrize(("limit", "scale"), [(0.0, 1.0), (10.0, 1.0), (5.0, 1.0), (2.5, 0.5), (0.05, 0.01)], ids=str)
def test_a_gradient_above_clip_norm_is_scaled_down_to_it(limit, scale):
    """The norm is over all weights and biases of all layers, 5 here; 0 does not clip."""
    grads = (
        Layer(jnp.asarray([[2.0, 0.0], [0.0, -2.0]]), jnp.asarray([1.0, 0.0])),
        Layer(jnp.asarray([[0.0], [0.0]]), jnp.asarray([-4.0])),
    )
    clipped = optimizers.clipped(arrays(Hyper(clip_norm=limit)), grads)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, scale * b, rtol=1e-6), clipped, grads)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"'adma' is unknown; did you mean adam.*known: momentum"):
        optimizer("adma")
