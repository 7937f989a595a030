"""The model card: README.md in a run directory, for people who get the network and were not there when it was trained."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from jaxmlp import display, files
from jaxmlp.data.columns import Column
from jaxmlp.errors import printable
from jaxmlp.fields import flat
from jaxmlp.nn.losses import CLASSES, LABELS, VALUES
from jaxmlp.plots import page
from jaxmlp.run import config
from jaxmlp.run.answers import Answers, answer_names, said
from jaxmlp.run.config import Experiment
from jaxmlp.run.directory import CARD, ENVIRONMENT
from jaxmlp.run.sealed import read_json
from jaxmlp.spec import Examples, Splits
from jaxmlp.statistics import accuracy_interval, mean_interval, r2_interval
from jaxmlp.text import count, duration
from jaxmlp.training.epochs import Measured
from jaxmlp.training.model import Model

FEW = 1000  # test examples: with fewer the interval is wide
NORMALISED = {
    "per_image": "each image by itself, to mean 0 and standard deviation 1",
    "unit": "divided by the largest magnitude (255 of bytes)",
    "per_feature": "each input to mean 0 and standard deviation 1 over the training examples",
    "global": "all inputs together, to mean 0 and standard deviation 1 over the training examples",
    "none": "not at all",
}


def write(
    path: Path, experiment: Experiment, origin: str, splits: Splits, trained: Model, summary: dict[str, Any]
) -> None:
    """Write the card of the run in `path`, from what it trained on, its model and its summary."""
    preparation, network = trained.preparation, trained.spec.network
    environment, tree = read_json(path / ENVIRONMENT) or {}, config.tree(experiment)
    keys = {section: tree[section] for section in ("network", "training", "hyper")} | {"seed": tree["seed"]}
    names = answer_names(trained)
    columns = () if preparation.columns is None else preparation.columns.columns
    content = {
        "trained": trained,
        "sizes": display.sizes(trained.params),
        "task": _task(trained),
        "date": time.strftime("%Y-%m-%d"),
        "origin": origin,
        "data": experiment.data,
        "data_name": Path(experiment.data.name).name,
        "checksum": environment.get("data", {}).get("crc32", "unknown"),
        "splits": splits._asdict(),
        "normalised": NORMALISED[preparation.normalise],
        "columns": [(column.name, _kind(column)) for column in columns],
        "metrics": [row for name in ("test", "validation") for row in _metrics(name, trained, splits, summary)],
        "weighted": splits.test.weights is not None,
        "keys": list(flat(keys)),
        "summary": summary,
        "trained_for": duration(summary["seconds"]["train"]),
        "environment": environment,
        "limits": limits(experiment, splits, trained, summary),
        "names": names,
        "probable": said(trained) == "probabilities",
        "said": said(trained),
        "loss": network.loss,
    }
    templates = page.environment("jaxmlp.run", path)
    templates.filters["cell"] = lambda text: printable(str(text)).replace("|", "\\|")
    files.write_atomically(path / CARD, templates.get_template("card.md").render(content) + "\n")


def _task(trained: Model) -> str:
    """What the network does, in half a sentence."""
    preparation = trained.preparation
    K, columns = len(preparation.classes), preparation.columns
    shape = " x ".join(map(str, preparation.input_shape))
    noun = "images" if len(preparation.input_shape) > 1 else "rows"
    examples = (
        f"{noun} of {shape} numbers"
        if columns is None
        else f"rows of a table with {count(len(columns.columns), 'column')}"
    )
    return {
        CLASSES: f"tells {K:,} classes of {examples} apart",
        LABELS: f"says which of {count(K, 'label')} {examples} have",
        VALUES: f"predicts {count(K, 'value')} of {examples}",
    }[preparation.kind]


def _kind(column: Column) -> str:
    """What a column holds."""
    if column.categories is None:
        text = f"numbers; {column.median:g} stands for a missing one"
    else:
        more = ", ..." if len(column.categories) > 10 else ""
        text = f"{len(column.categories)} categories: {', '.join(map(printable, column.categories[:10]))}{more}"
    return text + "; an input says where it is missing" * column.indicator


def _metrics(name: str, trained: Model, splits: Splits, summary: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Rows of the table of results: split, metric, value, and of the test examples its 95 % interval.

    The validation examples chose the epoch, so what they say leans to the good: an interval would not say by how much.
    """
    measured, is_test = Measured.from_json(summary[name]), name == "test"
    if not measured.count:
        return []
    split = f"{name}, {measured.count:,} examples"
    if measured.correct is not None:
        metric, share, *_ = measured.names()[0], *measured.shown()
        low, high = accuracy_interval(measured.correct, measured.count)
        interval = f"{100 * low:.2f} to {100 * high:.2f} %" if is_test else ""
        rows = [(split, metric, f"{share} ({measured.correct:,})", interval)]
        if measured.right_labels is not None:
            single = measured.right_labels / (measured.count * trained.spec.outputs)
            rows.append((split, "single labels right", f"{100 * single:.2f} % ({measured.right_labels:,})", ""))
    else:
        of_r2, of_mae = _intervals_of_values(trained, splits.test) if is_test else ("", "")
        rows = [
            (split, "R2", f"{measured.r2:.4f}", of_r2),
            (split, "mean absolute error", f"{measured.mae:.4g}", of_mae),
        ]
    return [*rows, (split, "loss", f"{measured.loss:.4f}", "")]


def _intervals_of_values(trained: Model, examples: Examples) -> tuple[str, str]:
    """The intervals of R2 and of the mean absolute error; empty where examples have weights, or are too few."""
    if examples.weights is not None or len(examples.x) < 2:
        return "", ""
    targets = np.asarray(examples.targets, float)
    predicted = Answers.of(trained, examples.x).outputs.astype(float)
    with np.errstate(all="ignore"):  # of a network that diverged
        r2, mae = r2_interval(targets, predicted), mean_interval(np.abs(targets - predicted).mean(axis=1))
    return f"{r2[0]:.4f} to {r2[1]:.4f}", f"{mae[0]:.4g} to {mae[1]:.4g}"


def limits(experiment: Experiment, splits: Splits, trained: Model, summary: dict[str, Any]) -> list[str]:
    """What the network is not good for, as far as the kind of data and the run tell: sentences."""
    preparation = trained.preparation
    kind, columns, tested = preparation.kind, preparation.columns, summary["test"]["count"]
    sentences = []
    if summary["stop_reason"] == "diverged":
        sentences.append("The training diverged: these are the best weights before that, and hardly good for anything.")
    if len(preparation.input_shape) > 1:
        shape = " x ".join(map(str, preparation.input_shape))
        sentences.append(
            f"Images of another kind than those of {Path(experiment.data.name).name}: it sees {shape} numbers, and has"
            " learnt neither other sizes, places and directions of what is shown, nor dark and light swapped."
        )
    elif columns is not None:
        sentences.append(
            "Rows from elsewhere or from later, if columns mean something else there. A category that is unknown counts as"
            " none, and a missing number as the median: it answers all the same."
        )
        sentences.append("How it treats groups of people, if its rows are people: nobody has looked.")
    if kind == CLASSES:
        sentences.append(
            f"Anything that is none of its {len(preparation.classes)} classes: it always names one of them."
        )
        class_counts = np.bincount(np.asarray(splits.train.targets), minlength=len(preparation.classes))
        rarest = int(class_counts.argmin())
        if class_counts[rarest] * len(class_counts) < len(splits.train.x) / 2:
            name = printable(str(preparation.classes[rarest]))
            sentences.append(
                f"The class {name}, if that matters: only {class_counts[rarest]:,} training examples have it."
            )
    if said(trained) == "probabilities":
        sentences.append(
            "Decisions that take its probabilities at their word: whether they are calibrated was not checked."
        )
    elif kind == CLASSES:
        sentences.append("Probabilities: its outputs are none.")
    if kind == VALUES:
        targets = np.asarray(splits.train.targets)
        low, high = (", ".join(f"{value:g}" for value in ends[:5]) for ends in (targets.min(0), targets.max(0)))
        sentences.append(
            f"Values beyond those it was trained on (from {low} to {high}), and how sure a value is: it says none of that."
        )
    if tested < FEW:
        sentences.append(f"Fine comparisons: {count(tested, 'test example')} tell little, as the interval says.")
    if summary["stop_reason"] in ("max_epochs", "pruned"):
        sentences.append("Judging the method: the training was ended while it might still have become better.")
    return sentences
