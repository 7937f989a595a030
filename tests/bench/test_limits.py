"""The limits: what they compute, and how many epochs it is worth."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.bench import limits


def test_the_floor_does_the_products_of_every_hidden_layer(small):
    x, _ = small.data()
    ws = [w for w, _ in small.weights()[:-1]]
    batches = np.arange(32, dtype=np.int32).reshape(2, 16)
    after = limits._products(jnp.asarray(x), [jnp.asarray(1000 * w) for w in ws], jnp.asarray(batches))
    expected = [1000 * w for w in ws]
    for rows in batches:
        a = x[rows] @ expected[0]
        delta = a @ expected[1]
        steps = [1e-9 * (x[rows].T @ (delta @ expected[1].T)), 1e-9 * (a.T @ delta)]
        expected = [w - step for w, step in zip(expected, steps, strict=True)]
    for w, other, first in zip(after, expected, ws, strict=True):
        np.testing.assert_allclose(w, other, rtol=1e-5)
        assert not np.array_equal(w, 1000 * first)


@pytest.mark.parametrize(
    "make", [limits.large_product, limits.large_product_at("default"), limits.large_product_at("bfloat16")]
)
def test_the_large_product_is_worth_as_many_epochs_as_it_has_operations(small, monkeypatch, make):
    monkeypatch.setattr(limits, "WIDTHS", (64,))
    contestant = make(small)
    assert contestant.run() is None
    assert contestant.epochs * small.flops == 2 * 64**3
