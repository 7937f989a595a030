"""How fast a grid is: `python tests/benchmarks/grid.py [--case mnist|digits] [--rounds 7] [--chunk 4 ...] [--gradient ...]`.

Trial-epochs a second of a grid on all cores, against the single run (`fit`), the machine's own large matrix product, and
scikit-learn and PyTorch in two processes of one thread each. mnist: 784-128-10, batch 128, 48,000 rows, evaluation apart
(the validation split is one row). digits: 64-32-10, batch 32, 1,150 rows. Data of noise, float32, ReLU, momentum. All
take turns, round by round, so that a drift of the machine hits them alike; quote the ratios.
"""

import argparse
import importlib.util
import multiprocessing
import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial

for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # they slow NumPy down where they are set
    os.environ.pop(variable, None)

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp import Callbacks, Examples, Hyper, Network, Spec, Splits, Training
from jaxmlp.grid import sizing
from jaxmlp.grid.driver import Driver
from jaxmlp.grid.executors import Local, local_workers
from jaxmlp.grid.journal import Memory
from jaxmlp.grid.trials import Trial
from jaxmlp.grid.units import Group, Record, cut
from jaxmlp.training.fitting import compiled_advance, compiled_begin, traced

CASES = {"mnist": (48_000, 784, 128, 10, 128), "digits": (1_150, 64, 32, 10, 32)}
PROCESSES = 2


def data(rows: int, inputs: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise."""
    generator = np.random.default_rng(0)
    return generator.standard_normal((rows, inputs), dtype=np.float32), generator.integers(0, classes, rows)


def product(n: int = 4096) -> Callable[[], float]:
    """GFLOP/s of one large matrix product, on all cores."""
    a = jnp.ones((n, n), jnp.float32)
    multiply = jax.jit(lambda a: a @ a)
    jax.block_until_ready(multiply(a))

    def run() -> float:
        started = time.perf_counter()
        jax.block_until_ready(multiply(a))
        return 2 * n**3 / (time.perf_counter() - started) / 1e9

    return run


def single(spec: Spec, splits: Splits, epochs: int) -> Callable[[], float]:
    """Epochs a second of one network."""
    hyper, key = traced(spec, Hyper(patience=0)), jax.random.key(0)
    state = compiled_begin(spec, hyper, key)
    splits = jax.device_put(splits)
    run_once = partial(compiled_advance, spec, hyper, key, splits, state, epochs=epochs)
    jax.block_until_ready(run_once())

    def run() -> float:
        started = time.perf_counter()
        jax.block_until_ready(run_once())
        return epochs / (time.perf_counter() - started)

    return run


def grid(spec: Spec, splits: Splits, trials: int, chunk: int, epochs: int) -> Callable[[], float]:
    """Trial-epochs a second of a grid of learning rates and momenta, its units trained as the sweep command does it."""
    rates, momenta = np.geomspace(0.01, 0.3, 8), np.linspace(0, 0.95, -(-trials // 8))
    grid_trials = [Trial(Hyper(float(rates[i % 8]), float(momenta[i // 8]), patience=0), 0) for i in range(trials)]
    spec = replace(spec, training=replace(spec.training, max_epochs=epochs))
    packing = sizing.packing_for(spec, len(splits.train.x), jax.local_devices()[0], trials, chunk=chunk)
    group = Group(
        spec,
        packing,
        numbers=range(trials),
        trial=grid_trials.__getitem__,
        seed=lambda _: 0,
        splits=lambda: splits,
        record=lambda result: Record(result.row(len(splits.train.x), 1), {}),
    )
    units = cut(group, number=0, stage=0, until=epochs, trials=group.numbers)
    journal = Memory(lambda _: None)
    executor = Local([group], local_workers(len(units)), journal)  # keeps data and programs from run to run

    def run() -> float:
        started = time.perf_counter()
        driver = Driver([group], executor, journal, Callbacks())
        driver.run()
        return driver.tally.epochs / (time.perf_counter() - started)

    run()  # compiles
    return run


def by_sklearn(case: str) -> float:
    """Epochs a second of MLPClassifier, in this process."""
    from sklearn.neural_network import MLPClassifier

    rows, inputs, hidden, classes, batch = CASES[case]
    x, labels = data(rows, inputs, classes)
    epochs = 1 if case == "mnist" else 5
    network = MLPClassifier((hidden,), solver="sgd", batch_size=batch, max_iter=epochs, n_iter_no_change=epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = time.perf_counter()
        network.fit(x, labels)
    return epochs / (time.perf_counter() - started)


def by_torch(case: str) -> float:
    """Epochs a second of the plain loop, the data in memory."""
    import torch

    torch.set_num_threads(1)
    rows, inputs, hidden, classes, batch = CASES[case]
    x, labels = (torch.from_numpy(part) for part in data(rows, inputs, classes))
    network = torch.nn.Sequential(torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes))
    rule = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    epochs = 1 if case == "mnist" else 5
    started = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(rows)
        for start in range(0, rows, batch):
            at = order[start : start + batch]
            rule.zero_grad()
            torch.nn.functional.cross_entropy(network(x[at]), labels[at]).backward()
            rule.step()
    return epochs / (time.perf_counter() - started)


def in_processes(pool, function: Callable[[str], float], case: str) -> Callable[[], float]:
    """Epochs a second of all processes together, each at its own network."""
    return lambda: sum(pool.map(function, [case] * PROCESSES, chunksize=1))


def main() -> None:
    """Run all in turn and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", choices=CASES, default="mnist")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--chunk", type=int, nargs="+", default=None)
    parser.add_argument("--gradient", nargs="+", default=["autodiff", "delta_rule"])
    arguments = parser.parse_args()
    rows, inputs, hidden, classes, batch = CASES[arguments.case]
    x, labels = data(rows, inputs, classes)
    train, one = Examples(x, labels.astype(np.int32)), Examples(x[:1], labels[:1].astype(np.int32))
    splits = Splits(train, one, one)
    specs = {
        gradient: Spec(
            Network((hidden,)), Training(batch_size=batch, max_epochs=100_000, gradient=gradient), inputs, classes
        )
        for gradient in arguments.gradient
    }
    spec = next(iter(specs.values()))
    trials, grid_epochs, epochs = (64, 1, 1) if arguments.case == "mnist" else (1_000, 8, 20)
    chunks = arguments.chunk or [sizing.guessed_chunk(spec, "cpu")]
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES, initializer=one_thread) as pool:
        runs: dict[str, Callable[[], float]] = {
            "large product, GFLOP/s": product(),
            "one network": single(spec, splits, epochs),
        }
        runs |= {
            f"grid of {trials}, {gradient}, chunk {chunk}": grid(spec, splits, trials, chunk, grid_epochs)
            for gradient, spec in specs.items()
            for chunk in chunks
        }
        runs["scikit-learn, 2 processes"] = in_processes(pool, by_sklearn, arguments.case)
        if importlib.util.find_spec("torch"):
            runs["PyTorch, 2 processes"] = in_processes(pool, by_torch, arguments.case)
        found: dict[str, list[float]] = {name: [] for name in runs}
        for number in range(arguments.rounds + 1):
            for name, run in runs.items():
                rate = run()
                if number:
                    found[name].append(rate)
    flops = rows * (6 * hidden * classes + 4 * inputs * hidden)  # of an epoch: no gradient of the inputs is needed
    for name, rates in found.items():
        line = f"{name:32s} median {statistics.median(rates):9.2f}, most {max(rates):9.2f}"
        if name.startswith("grid"):
            parts = []
            for other, theirs in found.items():
                if other.startswith("grid"):
                    continue
                scale = flops / 1e9 if "product" in other else 1.0
                parts.append(
                    f"{statistics.median(scale * a / b for a, b in zip(rates, theirs, strict=True)):.2f} of {other}"
                )
            line += "  (" + ", ".join(parts) + ")"
        print(line)


def one_thread() -> None:
    """A process computes on one core, as there are as many processes as cores."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    threadpool_limits(1)


if __name__ == "__main__":
    main()
