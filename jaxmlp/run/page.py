"""The page of a run: how good its network is, how it was trained, and how to go on with it; it stands alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxmlp import display, files, plots
from jaxmlp.nn.losses import CLASSES, LABELS, loss
from jaxmlp.plots import page as pages
from jaxmlp.run import directory, model, pictures, rates
from jaxmlp.run.directory import CONFIG, ENVIRONMENT, PAGE, PLOTS
from jaxmlp.run.pictures import Tested
from jaxmlp.run.sealed import read_json
from jaxmlp.spec import Splits
from jaxmlp.statistics import accuracy_interval
from jaxmlp.text import count, duration, short_path, typed
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Epoch, Measured
from jaxmlp.training.model import Model
from jaxmlp.training.schedules import schedule

MOST_CLASSES = 100  # that have a row
CAPTIONS = {
    directory.CONFUSION: "How often each class (row) was predicted as each (column), on the test examples.",
    directory.MISTAKES: "The mistakes of which the network was surest.",
    directory.PREDICTED: "What is predicted of the test examples over what is true, and what is left.",
    directory.LABEL_RATES: "What is found of each label, and how much of what is found is right.",
    directory.WEIGHTS: "The weights into each hidden unit, as images: red adds to its pre-activation, blue takes from it.",
}
ENDS = {
    "early_stopping": "stopped early: validation no longer improved",
    "max_epochs": "trained for all epochs granted",
    "diverged": "diverged: a loss was no longer finite",
    "pruned": "pruned: worse than other trials of its sweep",
}


def show(
    path: Path, trained: Model, epochs: list[Epoch], summary: dict[str, Any], splits: Splits, callbacks: Callbacks
) -> None:
    """Draw the pictures of a run directory that is whole but for them, and write its page."""
    tested = pictures.Tested.of(trained, splits)
    curves = pictures.draw(path / PLOTS, trained, epochs, summary["best_epoch"], tested, callbacks)
    write(path, trained, epochs, summary, tested, [len(split.x) for split in splits], curves, callbacks)


def write(
    path: Path,
    trained: Model,
    epochs: Sequence[Epoch],
    summary: dict[str, Any],
    tested: Tested,
    sizes: Sequence[int],
    curves: "plots.Picture | None",
    callbacks: Callbacks,
) -> None:
    """Write run.html into a run directory that is whole but for it: a page that cannot be written is a message.

    Args:
        path: The run directory, with its config.toml, environment.json and pictures.
        trained: The network of the best epoch.
        epochs: Those of metrics.jsonl.
        summary: The content of summary.json.
        tested: The test examples, and the answers to them.
        sizes: How many training, validation and test examples there are.
        curves: As they were drawn; None where they were not.
        callbacks: Are told of what went wrong.
    """
    with pictures.drawing(path / PAGE, callbacks):
        files.write_atomically(path / PAGE, _rendered(path, trained, epochs, summary, tested, sizes, curves))


def is_whole(path: Path) -> bool:
    """Whether the page of a run is there, to its end."""
    try:
        return files.read_bytes(path / PAGE).rstrip().endswith(b"</html>")
    except OSError:
        return False


def _rendered(
    path: Path,
    trained: Model,
    epochs: Sequence[Epoch],
    summary: dict[str, Any],
    tested: Tested,
    sizes: Sequence[int],
    curves: "plots.Picture | None",
) -> str:
    tree, environment = directory.saved_tree(path), read_json(path / ENVIRONMENT) or {}
    preparation, rows = trained.preparation, [epoch.to_json() for epoch in epochs]
    templates = pages.environment("jaxmlp.run", path / PLOTS)
    templates.filters |= {"count": count, "duration": duration}
    kept = [name for name in CAPTIONS if pictures.is_whole(path / PLOTS / name)]
    return templates.get_template(PAGE).render(
        title=f"{display.sizes(trained.params)} on {Path(tree['data']['name']).name}",
        network=trained.spec.network,
        training=trained.spec.training,
        seed=tree["seed"],
        origin=environment.get("data", {}).get("origin"),
        sizes=sizes,
        normalise=preparation.normalise,
        results={split: Measured.from_json(summary[split]) for split in ("validation", "test")},
        interval=_interval(summary["test"]),
        end=ENDS.get(summary["stop_reason"], summary["stop_reason"].replace("_", " ")),
        summary=summary,
        facts=facts(summary),
        kind=preparation.kind,
        entries=_entries(trained, tested),
        inline=drawings(trained, rows, summary["best_epoch"], tested, curves),
        figures={Path(name).stem: CAPTIONS[name] for name in kept},
        commands=commands(path, tree, summary, preparation.input_shape if preparation.columns is None else None),
        config=files.read_bytes(path / CONFIG).decode(),
        environment=environment,
    )


def drawings(
    trained: Model, rows: Sequence[dict[str, Any]], best_epoch: int, tested: Tested, curves: "plots.Picture | None"
) -> dict[str, tuple[str, str]]:
    """The pictures that have notes: as <svg>, with a caption."""
    drawn = {}
    if curves is not None:
        drawn["Curves"] = (
            curves,
            (
                "Loss and score of each epoch; those of training are of the minibatches as they were trained. "
                "Rest the pointer on a point for its values."
            ),
        )
    if bins := calibration_bins(trained, tested):
        what = "label" if trained.preparation.kind == LABELS else "prediction"
        caption = "Of the test examples. Below the dashed line the network is surer than it is often right."
        drawn["Calibration"] = plots.calibration(bins, what), caption
    if rows:
        drawn["Learning rate"] = plots.learning_rate(rows, best_epoch), "Of the last step of each epoch."
    return {name: (plots.inlined(picture, f"{name}: {text}"), text) for name, (picture, text) in drawn.items()}


def calibration_bins(trained: Model, tested: Tested) -> list[Any]:
    """The predicted classes by their probability, or all labels by theirs; empty where outputs are no probabilities."""
    kind, answers = trained.preparation.kind, tested.answers
    if loss(trained.spec.network.loss).output_name != "probability" or not np.isfinite(answers.outputs).all():
        return []
    if kind == CLASSES:
        return plots.reliability_bins(answers.of_classes().max(axis=1), answers.predicted == tested.targets)
    return plots.reliability_bins(answers.outputs.ravel(), tested.targets.ravel() > 0)


def _entries(trained: Model, tested: Tested) -> list[dict[str, Any]]:
    """A row for each class, label or output; none of more than MOST_CLASSES."""
    kind, names, answers = trained.preparation.kind, trained.preparation.classes, tested.answers
    if len(names) > MOST_CLASSES or not len(tested.targets):
        return []
    if kind == CLASSES:
        return rates.of_classes(rates.confusions(tested.targets, answers.predicted, len(names)), names)
    rated = rates.of_labels if kind == LABELS else rates.of_values
    return rated(tested.targets, answers.predicted, names)


def _interval(test: dict[str, Any]) -> tuple[float, float] | None:
    return accuracy_interval(test["correct"], test["count"]) if test.get("count") and "correct" in test else None


def facts(summary: dict[str, Any]) -> dict[str, str]:
    """What the run took: name and number."""
    seconds = summary["seconds"]
    return {
        "parameters": f"{summary['parameters']:,}",
        "epochs": f"{summary['epochs_run']:,}",
        "best epoch": f"{summary['best_epoch']:,}",
        "training": f"{seconds['train']:,.1f} s",
        "compiling": f"{seconds['compile']:,.1f} s",
        "examples a second": f"{summary['examples_per_second']:,.0f}",
    }


def commands_of(path: Path, tree: dict[str, Any], summary: dict[str, Any]) -> dict[str, str]:
    """As `commands`, for a run that has ended as its directory lies there. Raises RunError where it has no model."""
    preparation = model.load(path).preparation
    return commands(path, tree, summary, preparation.input_shape if preparation.columns is None else None)


def commands(path: Path, tree: dict[str, Any], summary: dict[str, Any], shape: Sequence[int] | None) -> dict[str, str]:
    """How to go on: what each command is for, and the command.

    shape: of the inputs; None for the columns of a table.
    """
    run, images = short_path(path), shape is not None and len(shape) > 1
    file = "table.csv" if shape is None else "image.png" if images else "examples.npz"
    named = {
        "Predict:": typed("predict", run, file),
        "Measure it by more metrics, or on other examples:": typed("evaluate", run),
    }
    if summary["stop_reason"] == "max_epochs" and not schedule(tree["training"]["schedule"]).reads_max_epochs:
        longer = typed("train", "--out", run, "--resume", "--training.max-epochs", 2 * summary["epochs_run"])
        named["Train it on, as its epochs were used up:"] = longer
    named |= {
        "Write again what is missing or damaged, or go on after a kill:": typed("train", "--out", run, "--resume"),
        "Train it anew with other flags:": typed("train", short_path(path / CONFIG), "--seed", tree["seed"] + 1),
        "Compare it with another run:": typed("runs", "compare", run, "OTHER"),
        "Take it elsewhere:": typed("export", run, "--format", "onnx"),
        "A page that answers in the browser:": typed("demo", run),
    }
    return named
