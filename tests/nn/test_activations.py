"""Every registry entry: derivative against automatic differentiation, corners, and targets within the range."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.errors import UsageError
from jaxmlp.nn.activations import ACTIVATIONS, activation

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_is_that_of_autodiff_also_at_zero_and_far_out(name):
    f = ACTIVATIONS[name]
    z = jnp.concatenate([jnp.linspace(-6, 6, 241), jnp.asarray([0.0, -700.0, 700.0, -1e-300, 1e-300])])
    expected = jax.vmap(jax.grad(f.value))(z)
    derivative = f.derivative(z, f.value(z))
    assert np.isfinite(derivative).all()
    np.testing.assert_allclose(derivative, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("name", "derivative"), [("relu", 0.0), ("leaky_relu", 1.0), ("elu", 1.0)])
def test_derivative_at_the_kink(name, derivative):
    z = jnp.zeros(())
    assert ACTIVATIONS[name].derivative(z, ACTIVATIONS[name].value(z)) == derivative
    assert jax.grad(ACTIVATIONS[name].value)(z) == derivative


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_kink_says_whether_a_derivative_jumps_at_zero(name):
    first = jax.grad(ACTIVATIONS[name].value)
    jumps = [abs(f(1e-9) - f(-1e-9)) > 1e-3 for f in (first, jax.grad(first))]
    assert any(jumps) == ACTIVATIONS[name].kink


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_and_derivative_keep_the_dtype(name, dtype):
    z = jnp.asarray([-1.0, 0.0, 2.0], dtype)
    a = ACTIVATIONS[name].value(z)
    assert a.dtype == dtype
    assert ACTIVATIONS[name].derivative(z, a).dtype == dtype


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_targets_are_the_limits_of_a_bounded_range(name):
    low, high = ACTIVATIONS[name].targets
    a = ACTIVATIONS[name].value(jnp.linspace(-1e6, 1e6, 1001))
    assert low < high
    if a.max() < 10 and a.min() > -10:
        np.testing.assert_allclose([low, high], [a.min(), a.max()], atol=1e-5)
    else:
        assert (low, high) == (0, 1)


def test_step_is_refused_with_the_reason():
    with pytest.raises(UsageError, match="its derivative is 0 everywhere"):
        activation("step")


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"network.activation 'rleu' is unknown; did you mean relu.*known: identity"):
        activation("rleu")
