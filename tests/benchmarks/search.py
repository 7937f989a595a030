"""How fast estimators and searches are beside scikit-learn's: `python tests/benchmarks/search.py [--case ...] [--rounds 3]`.

    fit        one fit on digits with the defaults; the first call of a process, which compiles, is told apart
    batch32    24 candidates x 5 folds on digits, minibatches of 32, against GridSearchCV with n_jobs = 2
    default    the same with the default minibatches of 200
    mnist      the same on 10,000 rows of MNIST (JAXMLP_DATA names its folder), 5 epochs, with the default minibatches

Ours and scikit-learn's take turns, round by round; quote the ratios of medians. Float64, as scikit-learn computes.
"""

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable

for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # they slow NumPy down where they are set
    os.environ.pop(variable, None)

import numpy as np
import sklearn.neural_network
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

import jaxmlp
from jaxmlp.sklearn import MLPClassifier, MLPGridSearchCV

GRID = {"alpha": [1e-5, 1e-4, 1e-3, 1e-2], "learning_rate_init": list(np.geomspace(3e-4, 3e-2, 6))}  # 24
CASES = {"fit": {}, "batch32": {"batch_size": 32, "max_iter": 30}, "default": {}, "mnist": {"max_iter": 5}}


def digits() -> tuple[np.ndarray, np.ndarray]:
    """1,797 rows of 64 features from 0 to 1."""
    X, y = load_digits(return_X_y=True)
    return np.asarray(X) / 16, np.asarray(y)


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """10,000 rows of 784 features from 0 to 1."""
    dataset = jaxmlp.load_data(jaxmlp.Data("mnist"))
    return dataset.train_images[:10_000].reshape(10_000, -1) / 255, dataset.train_labels[:10_000]


def seconds(run: Callable[[], object]) -> float:
    """Of a run."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64", help="of the examples")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for case in given.case:
        X, y = mnist() if case == "mnist" else digits()
        X = X.astype(given.dtype)
        ours = MLPClassifier(random_state=0, **CASES[case])
        theirs = sklearn.neural_network.MLPClassifier(random_state=0, **CASES[case])
        if case != "fit":
            ours = MLPGridSearchCV(ours, GRID, cv=5, refit=False)
            theirs = GridSearchCV(theirs, GRID, cv=5, refit=False, n_jobs=2)
        first = seconds(lambda: ours.fit(X, y))  # noqa: B023
        taken = [(seconds(lambda: ours.fit(X, y)), seconds(lambda: theirs.fit(X, y))) for _ in range(given.rounds)]  # noqa: B023
        own, other = (statistics.median(column) for column in zip(*taken, strict=True))
        print(
            f"{case:8} ours {own:6.2f} s (first call {first:.2f} s), scikit-learn {other:6.2f} s: {other / own:.2f} times as"
            f" long; {other / first:.2f} with what the first call compiles",
            flush=True,
        )
        if case != "fit":
            best = ours.cv_results_["mean_test_score"].max(), theirs.cv_results_["mean_test_score"].max()
            print(f"{'':8} best mean accuracy {best[0]:.4f} and {best[1]:.4f}", flush=True)


if __name__ == "__main__":
    main()
