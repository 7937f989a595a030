"""What trackers write of events: numbers by name, hyperparameters as plain values, and the files of a run."""

import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxmlp.training.epochs import Epoch, Measured
from jaxmlp.training.events import Curve, RunEnd

Numbers = dict[str, float]
METRICS, SPLITS = ("loss", "accuracy", "r2", "mae"), ("train", "validation")
UNTRACKED = ("seconds", "train_correct", "validation_correct")  # columns of a curve
MODEL, BEST, PLOTS = "model.safetensors", "best", "plots"  # in a run directory, and a sweep's


def of_epoch(epoch: Epoch) -> Numbers:
    """Losses, accuracy or R2, learning rate; a number that is not finite is left out."""
    numbers = {"learning_rate": epoch.learning_rate, "gradient_disagreement": epoch.disagreement}
    return _finite(numbers | _of_parts({"train": epoch.train, "validation": epoch.validation}))


def of_curve(curve: Curve) -> Iterator[tuple[int, Numbers]]:
    """The same for each epoch of a trial."""
    names = [name for name in curve if name not in UNTRACKED and (name != "disagreement" or any(curve[name]))]
    for epoch, values in enumerate(zip(*(curve[name] for name in names), strict=True), 1):
        yield epoch, _finite(dict(zip(names, values, strict=True)))


def of_trial(row: Mapping[str, Any]) -> Numbers:
    """How a trial ended: the metrics of its best epoch as best_validation_loss, and test_loss where it was tested."""
    of_best = {f"best_{name}": row.get(name) for part in SPLITS for name in (f"{part}_{metric}" for metric in METRICS)}
    tested = {f"test_{name}": row.get(f"test_{name}") for name in METRICS}
    return _finite(of_best | tested | {name: row.get(name) for name in ("best_epoch", "epochs_run", "sparsity")})


def of_summary(summary: Mapping[str, Any]) -> Numbers:
    """The same of a run; of a grid, that of its best trial."""
    if "best" in summary:
        best = summary["best"] or {}
        return of_trial(best) | _of_parts({"test": Measured.from_json(best["test"])} if "test" in best else {})
    parts = {"best_validation": "validation", "test": "test"}
    measured = {name: Measured.from_json(summary[part]) for name, part in parts.items() if part in summary}
    return _of_parts(measured) | _finite({name: summary.get(name) for name in ("best_epoch", "epochs_run")})


def hyperparameters(values: Mapping[Any, Any]) -> dict[str, str | bool | int | float]:
    """Values as trackers take them: lists and tuples as text, such as `[128, 64]`; without those that are None."""
    plain = {}
    for name, value in values.items():
        if value is not None:
            plain[name] = value if isinstance(value, str | bool | int | float) else str(list(value))
    return plain


def pictures(run: RunEnd) -> list[Path]:
    """The pictures of a run directory, and of its best trial."""
    folders = [] if run.path is None else [run.path / PLOTS, run.path / BEST / PLOTS]
    return [file for folder in folders for file in sorted(folder.glob("*.png"))]


@contextmanager
def model_file(run: RunEnd) -> Iterator[Path | None]:
    """The model as a file: that of the run directory, or of its best trial; one in memory is written."""
    if run.path is not None:
        files = [run.path / MODEL, run.path / BEST / MODEL]
        yield next((file for file in files if file.exists()), None)
    elif run.model is None:
        yield None
    else:
        with tempfile.TemporaryDirectory() as folder:
            run.model.save(Path(folder) / MODEL)
            yield Path(folder) / MODEL


def _of_parts(parts: Mapping[str, Measured]) -> Numbers:
    return _finite({f"{part}_{name}": getattr(measured, name) for part, measured in parts.items() for name in METRICS})


def _finite(numbers: Mapping[str, Any]) -> Numbers:
    return {
        name: float(number)
        for name, number in numbers.items()
        if isinstance(number, int | float) and math.isfinite(number)
    }
