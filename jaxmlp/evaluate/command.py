"""`jaxmlp evaluate RUN [FILE] [--json]`: how good a trained network is, on its test examples or on those of a file."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from jaxmlp.cli import parsing
from jaxmlp.errors import UsageError, printable
from jaxmlp.evaluate.metrics import metrics
from jaxmlp.nn.losses import CLASSES, loss
from jaxmlp.run import directory, model, own
from jaxmlp.run.answers import Answers
from jaxmlp.run.examples import ENDS, NPZ, Truth, is_table, read_truth
from jaxmlp.run.sealed import finite
from jaxmlp.training.model import Model

TITLES = {
    "exact_match": "all labels right",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "r2": "R2",
    "mae": "mean absolute error",
    "rmse": "root mean square error",
}
SHARES = ("accuracy", "exact_match", "precision", "recall")  # written in per cent


@dataclass(frozen=True)
class Evaluate:
    """Measure a trained network on its test examples, or on those of a file, by scikit-learn's metrics."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """A run directory, or its model.safetensors."""
    file: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")] = None
    """A CSV or Parquet file with the columns that were trained on, the target among them; or an NPZ with x and y. Without
    it, the test examples of the run."""
    target: tuple[str, ...] = ()
    """Columns of the file that were learnt; without it, data.target of the run."""
    json: bool = False
    """Print JSON instead of tables."""


COMMAND = parsing.Command(
    "evaluate",
    Evaluate,
    ("target", "json"),
    (
        "runs/wine",
        "runs/wine new.csv --json",
        "runs/wine/model.safetensors new.csv --target class",
    ),
)


def main(arguments: list[str]) -> int:
    """Parse, evaluate, print tables or JSON."""
    command = COMMAND.parse(arguments)
    if command.file is not None and not is_table(command.file):
        raise UsageError(f"{command.file} is no table that is read ({', '.join(ENDS)}); to look at images take predict")
    if command.file is None and command.target:
        raise UsageError("--target names columns of a FILE, and none is given: leave it out, or say which")
    trained = model.load(command.run)
    source, x, truth = _own(command.run, trained) if command.file is None else _of_file(command, trained)
    preparation = trained.preparation
    answers = Answers.of(trained, x)
    measured = metrics(
        preparation.kind,
        truth.targets,
        answers.of_classes() if preparation.kind == CLASSES else answers.outputs,
        answers.predicted,
        preparation.classes,
        truth.weights,
        probable=loss(trained.spec.network.loss).output_name == "probability",
    )
    if command.json:
        about = {"data": source, "kind": preparation.kind, "weighted": truth.weights is not None}
        print(json.dumps(finite(about | measured), indent=2, allow_nan=False))
    else:
        _print(source, preparation.kind, measured, weighted=truth.weights is not None)
    return 0


def _own(run: Path, trained: Model) -> tuple[str, Any, Truth]:
    """Where the test examples of a run are from, and these. Raises UsageError and RunError where they cannot be told."""
    if not run.is_dir():
        raise UsageError(f"{run} is a file, which has no test examples with it: give FILE, or the directory of the run")
    data = own.read_again(run, trained.spec.network.loss)
    test = data.splits.test
    weights = None if test.weights is None else np.asarray(test.weights)
    return f"test examples of {data.origin}", test.x, Truth(np.asarray(test.targets), weights)


def _of_file(command: Evaluate, trained: Model) -> tuple[str, Any, Truth]:
    """The examples of the file. Raises UsageError where nothing says which columns were learnt."""
    assert command.file is not None
    target: str | tuple[str, ...] = command.target
    weight = ""
    if command.run.is_dir() and (command.run / directory.CONFIG).exists():
        data = own.data_keys(command.run)
        target, weight = target or data.target, data.weight
    if not target and command.file.suffix.lower() != NPZ:
        raise UsageError(f"--target is missing: {command.run} does not say which columns of {command.file} it learnt")
    rows, truth = read_truth(command.file, trained.preparation, target, weight, _to_stderr)
    return str(command.file), rows.x, truth


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def _print(source: str, kind: str, measured: dict[str, Any], *, weighted: bool) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000
    entries = measured[kind]
    several = len(entries) > 1
    means = f", means over {len(entries)} {kind if kind != 'values' else 'outputs'}" if several else ""
    console.print(f"{source}: {measured['count']:,} examples", markup=False, soft_wrap=True)
    table = Table("metric" + ", weighted" * weighted + means, "value")
    for name, title in TITLES.items():
        if name in measured:
            table.add_row(title, _text(name, measured[name]) + ("" if weighted else _counts(name, measured)))
    console.print(table)
    if several:
        what, *names = entries[0]
        heads = ["examples" if name == "count" else TITLES[name] for name in names]
        each = Table({"class": "class", "label": "label", "output": "output"}[what], *heads)
        for entry in entries:
            each.add_row(escape(printable(str(entry[what]))), *(_text(name, entry[name]) for name in names))
        console.print(each)


def _text(name: str, value: float | int | None) -> str:
    if value is None:
        return "–"
    if name == "count":
        return f"{value:,}"
    return f"{100 * value:.2f} %" if name in SHARES else f"{value:.4g}" if name in ("mae", "rmse") else f"{value:.4f}"


def _counts(name: str, measured: dict[str, Any]) -> str:
    """The exact counts behind an accuracy, of label sets behind the share of those that are all right."""
    counted = "exact_match" if "exact_match" in measured else "accuracy"
    return f" ({measured['correct']:,} of {measured['count']:,})" if name == counted else ""
