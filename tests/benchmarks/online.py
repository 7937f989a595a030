"""How long a step of the perceptron takes: `python tests/benchmarks/online.py [--rounds 9] [--trials 256]`.

784-10, sigmoid, 48,000 examples of noise, float32, threshold 0; one trial, and many on as many CPU devices as there are
cores. Beside it the loop that one writes in NumPy, with the outer product, its draws made beforehand. All contestants run
in turn, round by round, so that a drift of the machine hits them alike; quote the ratios.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp import Examples, Splits
from jaxmlp.perceptron.fitting import fit_online
from jaxmlp.perceptron.online import Online, one_layer

N, D, K = 48_000, 784, 10
STEPS, STEPS_OF_MANY, STEPS_OF_NUMPY = 32_768, 1_024, 8_192
RATE = 0.01


def by_numpy(x: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> float:
    """Seconds a step of the plain loop."""
    generator = np.random.default_rng(0)
    w = generator.uniform(-0.03, 0.03, (D, K)).astype(np.float32)
    b = generator.uniform(-0.03, 0.03, K).astype(np.float32)
    targets = np.eye(K, dtype=np.float32)
    started = time.perf_counter()
    for row in rows:
        y = 1 / (1 + np.exp(-(x[row] @ w + b)))
        e = targets[labels[row]] - y
        if 0.5 * (e @ e) < 0.0:
            break
        delta = e * y * (1 - y)
        w += RATE * np.outer(x[row], delta)
        b += RATE * delta
    return (time.perf_counter() - started) / len(rows)


def by_jaxmlp(trials: int, steps: int, splits: Splits) -> float:
    """Seconds a step of one trial."""
    pairs = [(Online(RATE, 0.0, 0.03, steps), seed) for seed in range(trials)]
    return fit_online(one_layer("sigmoid", "uniform", D, K), pairs, splits).seconds / (trials * steps)


def main() -> None:
    """Run the contestants in turn and print a table."""
    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--trials", type=int, default=256)
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    x = generator.random((N, D), dtype=np.float32) * (generator.random((N, D)) < 0.2)  # as dark as MNIST
    labels, rows = generator.integers(0, K, N).astype(np.int32), generator.integers(0, N, STEPS_OF_NUMPY)
    train = Examples(jnp.asarray(x), jnp.asarray(labels))
    one = Examples(train.x[:1], train.targets[:1])
    splits = Splits(train, one, one)
    runs: dict[str, Callable[[], float]] = {
        "NumPy": lambda: by_numpy(x, labels, rows),
        "one trial": lambda: by_jaxmlp(1, STEPS, splits),
        f"{arguments.trials} trials": lambda: by_jaxmlp(arguments.trials, STEPS_OF_MANY, splits),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(arguments.rounds + 1):
        for name, run in runs.items():
            seconds = run()
            if number:  # the first round warms up
                times[name].append(seconds)
    for name, found in times.items():
        ratio = statistics.median(base / own for base, own in zip(times["NumPy"], found, strict=True))
        print(
            f"{name:12s} median {1e6 * statistics.median(found):6.2f} us a step, least {1e6 * min(found):6.2f} us;"
            f" NumPy takes {ratio:.2f} times as long"
        )


if __name__ == "__main__":
    main()
