"""What saving costs: a checkpoint of 784-128-10 after 100 epochs, and the line of an epoch.

    python tests/benchmarks/saving.py [FOLDER]

Medians and the slowest of 50, in milliseconds, on the disk of FOLDER (here).
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from jaxmlp.run import directory, metrics, runner
from jaxmlp.run.config import Experiment
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.training import fitting
from jaxmlp.training.epochs import Epoch, Measured

EPOCHS, REPEATS = 100, 50


def main() -> None:
    """Measure both, and print a line for each."""
    spec = Spec(Network((128,)), Training(), inputs=784, outputs=10)
    _, _, state = fitting.initial(spec, Hyper(), 0)
    run = directory.experiment_identity(Experiment(), "01234567")
    loss = Measured(0.123456789, 47_000, 48_000)
    epochs = [Epoch(i, 0.1, loss, loss, 0.123456789, None) for i in range(1, EPOCHS + 1)]
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else ".") as folder:
        path = Path(folder)
        (path / directory.CHECKPOINTS).mkdir()
        for name, save in (
            ("a checkpoint", lambda: runner.save(path, state, epochs, run)),
            ("an epoch's line", lambda: metrics.append(path, epochs[0])),
        ):
            times = []
            for _ in range(REPEATS):
                started = time.perf_counter()
                save()
                times.append(1000 * (time.perf_counter() - started))
            print(f"{name}: median {statistics.median(times):.2f} ms, slowest {max(times):.2f} ms")


if __name__ == "__main__":
    main()
