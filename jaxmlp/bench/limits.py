"""What the machine can do: its large matrix product, and the products of an epoch with nothing around them."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxmlp.bench.task import Contestant, Task

WIDTHS = (1024, 2048, 4096)  # of the large product: the first that takes as many operations as a run


def large_product(task: Task) -> Contestant:
    """A square matrix product; worth the epochs that have as many operations."""
    return _square(task, jnp.float32, "highest")


def large_product_at(how: str) -> Callable[[Task], Contestant]:
    """The same of bfloat16 operands with sums in float32, or at the platform's default precision."""
    dtype = jnp.bfloat16 if how == "bfloat16" else jnp.float32
    return partial(_square, dtype=dtype, precision="default")


def _square(task: Task, dtype: DTypeLike, precision: str) -> Contestant:
    n = next((n for n in WIDTHS if 2 * n**3 >= task.epochs * task.flops), WIDTHS[-1])
    a = jnp.ones((n, n), dtype)
    multiply = jax.jit(partial(jnp.matmul, precision=precision, preferred_element_type=jnp.float32))

    def run() -> None:
        jax.block_until_ready(multiply(a, a))

    return Contestant(run, 2 * n**3 / task.flops)


def product_floor(task: Task) -> Contestant:
    """A scan that gathers its minibatches and does the products of the hidden layers, and nothing else.

    Of one hidden layer they are x @ w and x.T @ delta. A last, smaller minibatch is left out.
    """
    x, _ = task.data()
    steps = task.examples // task.batch
    order = jnp.asarray(np.random.default_rng(0).permutation(task.examples)[: steps * task.batch], jnp.int32)
    batches = order.reshape(steps, task.batch)
    x, ws = jnp.asarray(x), [jnp.asarray(w) for w, _ in task.weights()[:-1]]
    epoch = jax.jit(_products)

    def run() -> None:
        for _ in range(task.epochs):
            jax.block_until_ready(epoch(x, ws, batches))

    return Contestant(run, task.epochs)


def _products(x: jax.Array, ws: list[jax.Array], batches: jax.Array) -> list[jax.Array]:
    multiply = partial(jnp.matmul, precision="highest")

    def step(ws: list[jax.Array], rows: jax.Array) -> tuple[list[jax.Array], None]:
        activations = [x.at[rows].get(mode="promise_in_bounds")]
        for w in ws:
            activations.append(multiply(activations[-1], w))
        delta, after = activations[-1], list(ws)
        for layer in reversed(range(len(ws))):
            after[layer] = ws[layer] - 1e-9 * multiply(
                activations[layer].T, delta
            )  # keeps it from being optimised away
            if layer:
                delta = multiply(delta, ws[layer].T)
        return after, None

    return jax.lax.scan(step, ws, batches)[0]
