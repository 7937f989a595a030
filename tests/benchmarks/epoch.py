"""How long an epoch takes: `python tests/benchmarks/epoch.py [--rounds 15]`.

784-128-10, ReLU, momentum, batch 128, 48,000 examples of noise, float32; evaluation apart (the validation split is one
row). All contestants run in turn, round by round, so that a drift of the machine hits them alike; quote the ratios.
`products` is a scan that gathers its batches and does the two large matrix products of an epoch (x @ w and x.T @ z), and
nothing else. PyTorch takes part if it is installed.
"""

import argparse
import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp import Examples, Hyper, Network, Spec, Splits, Training
from jaxmlp.training.fitting import compiled_advance, compiled_begin, traced

N, D, H, K, B = 48_000, 784, 128, 10, 128
RATE, GAMMA = 0.1, 0.9


def products(x, w, order):
    """The two large products of every batch; the update keeps them from being optimised away."""

    def step(w, rows):
        batch = x.at[rows].get(mode="promise_in_bounds")
        return w - 1e-9 * (batch.T @ (batch @ w)), None

    return jax.lax.scan(step, w, order.reshape(-1, B))[0]


def by_numpy(x, labels, generator) -> None:
    """An epoch as one writes it by hand: float32, the same rule."""
    w1, b1 = (generator.standard_normal((D, H)) / 28).astype(np.float32), np.zeros(H, np.float32)
    w2, b2 = (generator.standard_normal((H, K)) / 11).astype(np.float32), np.zeros(K, np.float32)
    params = [w1, b1, w2, b2]
    velocity = [np.zeros_like(p) for p in params]
    eye = np.eye(K, dtype=np.float32)
    order = generator.permutation(N)
    for start in range(0, N, B):
        rows = order[start : start + B]
        batch, t = x[rows], eye[labels[rows]]
        z = batch @ params[0] + params[1]
        a = np.maximum(z, 0)
        logits = a @ params[2] + params[3]
        y = np.exp(logits - logits.max(axis=1, keepdims=True))
        y /= y.sum(axis=1, keepdims=True)
        delta2 = (y - t) / B
        delta1 = (delta2 @ params[2].T) * (z > 0)
        grads = [batch.T @ delta1, delta1.sum(axis=0), a.T @ delta2, delta2.sum(axis=0)]
        for p, v, g in zip(params, velocity, grads, strict=True):
            v *= GAMMA
            v += (1 - GAMMA) * RATE * g
            p -= v


def by_sklearn(x, labels) -> None:
    """One epoch of MLPClassifier."""
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier((H,), solver="sgd", batch_size=B, learning_rate_init=RATE, momentum=GAMMA, max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.fit(x, labels)


def by_torch(x, labels) -> None:
    """One epoch of the plain loop, the data in memory."""
    import torch

    network = torch.nn.Sequential(torch.nn.Linear(D, H), torch.nn.ReLU(), torch.nn.Linear(H, K))
    rule = torch.optim.SGD(network.parameters(), lr=RATE, momentum=GAMMA)
    order = torch.randperm(N)
    for start in range(0, N, B):
        rows = order[start : start + B]
        rule.zero_grad()
        torch.nn.functional.cross_entropy(network(x[rows]), labels[rows]).backward()
        rule.step()


def contestants() -> dict[str, Callable[[], object]]:
    """Name to a function that runs one epoch."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((N, D), dtype=np.float32)
    labels = generator.integers(0, K, N).astype(np.int32)
    train, one = Examples(jnp.asarray(x), jnp.asarray(labels)), Examples(jnp.asarray(x[:1]), jnp.asarray(labels[:1]))
    splits, key = Splits(train, one, one), jax.random.key(0)
    order = jax.random.permutation(key, N)
    w = jax.random.normal(key, (D, H)) / 28
    found: dict[str, Callable[[], object]] = {"products": partial(jax.jit(products), train.x, w, order)}
    for gradient in ("autodiff", "delta_rule"):
        spec = Spec(Network((H,)), Training(gradient=gradient), D, K)
        hyper = traced(spec, Hyper(learning_rate=RATE, momentum=GAMMA))
        state = compiled_begin(spec, hyper, key)
        found[f"jaxmlp, {gradient}"] = partial(compiled_advance, spec, hyper, key, splits, state)
    found["NumPy by hand"] = partial(by_numpy, x, labels, generator)
    found["scikit-learn"] = partial(by_sklearn, x, labels)
    if importlib.util.find_spec("torch"):
        import torch

        found["PyTorch"] = partial(by_torch, torch.from_numpy(x), torch.from_numpy(labels.astype(np.int64)))
    return found


def main() -> None:
    """Run the contestants in turn and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    runs = contestants()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            jax.block_until_ready(run())
            if number:  # the first round compiles
                seconds[name].append(time.perf_counter() - started)
    base = seconds["jaxmlp, autodiff"]
    for name, times in seconds.items():
        ratio = statistics.median(t / b for t, b in zip(times, base, strict=True))
        print(
            f"{name:22s} median {1e3 * statistics.median(times):7.1f} ms, least {1e3 * min(times):7.1f} ms,"
            f" {ratio:.2f} times jaxmlp"
        )


if __name__ == "__main__":
    main()
