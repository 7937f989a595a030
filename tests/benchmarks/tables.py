"""How good the estimators are beside scikit-learn's on tables: `python tests/benchmarks/tables.py`.

It prints the table of docs/sklearn.md. Five tables, 5 folds, the same parameters for both, features standardised in each
fold, 5 seeds: mean and standard deviation over folds and seeds of the accuracy, or of R2.
"""

import os
import warnings

for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)

import numpy as np
import sklearn.neural_network as theirs
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import jaxmlp.sklearn as ours

SEEDS = 5


def spirals(rows: int = 10_000) -> tuple[np.ndarray, np.ndarray]:
    """Two spirals with noise, and six features that say nothing."""
    rng = np.random.default_rng(0)
    turn, labels = np.sqrt(rng.random(rows)) * 3 * np.pi, rng.integers(0, 2, rows)
    angle = turn + np.pi * labels
    plane = np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1) + rng.normal(size=(rows, 2)) * 0.6
    return np.hstack([plane, rng.normal(size=(rows, 6))]), labels


TABLES = {
    "wine": load_wine(return_X_y=True),
    "breast cancer": load_breast_cancer(return_X_y=True),
    "diabetes": load_diabetes(return_X_y=True),
    "digits": load_digits(return_X_y=True),
    "two spirals": spirals(),
}


def main() -> None:
    warnings.simplefilter("ignore")
    print("| table | rows x features | jaxmlp | scikit-learn |\n|---|---|---|---|")
    for name, (X, y) in TABLES.items():
        regression = name == "diabetes"
        columns = []
        for package in (ours, theirs):
            scores = []
            for seed in range(SEEDS):
                kind = package.MLPRegressor if regression else package.MLPClassifier
                more = {"early_stopping": True, "learning_rate_init": 0.01} if regression else {}
                model = make_pipeline(StandardScaler(), kind(random_state=seed, max_iter=60, **more))
                folds = (KFold if regression else StratifiedKFold)(5, shuffle=True, random_state=seed)
                scores += cross_val_score(model, X, y, cv=folds).tolist()
            mean, std = np.mean(scores), np.std(scores)
            columns.append(f"{mean:.3f} ± {std:.3f}" if regression else f"{100 * mean:.2f} ± {100 * std:.2f} %")
        kind = ", R2" if regression else ""
        print(f"| {name}{kind} | {len(X):,} x {X.shape[1]} | {' | '.join(columns)} |", flush=True)


if __name__ == "__main__":
    main()
