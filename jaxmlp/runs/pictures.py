"""The pictures of a run: results do not depend on them, so one that cannot be drawn is a message."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from jaxmlp import plots
from jaxmlp.errors import JaxmlpError, line_of
from jaxmlp.files import make_directory, read_bytes
from jaxmlp.nn.losses import CLASSES
from jaxmlp.nn.network import outputs, predictions
from jaxmlp.runs import directory
from jaxmlp.spec import Splits
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Epoch
from jaxmlp.training.model import Model, compiled_forward

MOST_CLASSES = 500  # of a confusion matrix: a picture of more shows nothing, and takes memory as their square


def picture_names(trained: Model) -> list[str]:
    """The pictures that `draw` leaves of a trained model."""
    names = [directory.CURVES]
    if trained.preparation.kind != CLASSES:
        return names
    if len(trained.preparation.classes) <= MOST_CLASSES:
        names.append(directory.CONFUSION)
    if len(trained.preparation.input_shape) in (2, 3):
        names += [directory.WEIGHTS, directory.MISTAKES]
    return names


def draw(
    path: Path, trained: Model, epochs: list[Epoch], best_epoch: int, splits: Splits, callbacks: Callbacks
) -> None:
    """The pictures of a run: curves, confusion matrix, first-layer weights, the most confident mistakes.

    One that cannot be drawn is a message.
    """
    make_directory(path)
    if trained.preparation.kind != CLASSES:
        if epochs:
            with drawing(path / directory.CURVES, callbacks):
                plots.run_curves([epoch.to_json() for epoch in epochs], best_epoch).save(path / directory.CURVES)
        return
    classes, shape = trained.preparation.classes, trained.preparation.input_shape
    logits = compiled_forward(trained.spec, trained.params, splits.test.x)
    labels, predicted = np.asarray(splits.test.targets), np.asarray(predictions(logits))
    pictures: dict[str, Callable[[], plots.Picture]] = {}
    if epochs:
        pictures[directory.CURVES] = lambda: plots.run_curves([epoch.to_json() for epoch in epochs], best_epoch)
    if len(classes) <= MOST_CLASSES:
        counts = np.zeros((len(classes), len(classes)), int)
        np.add.at(counts, (labels, predicted), 1)
        pictures[directory.CONFUSION] = lambda: plots.confusion_matrix(counts, classes)
    else:
        callbacks.on_message(f"no confusion matrix: {len(classes):,} classes, of which at most {MOST_CLASSES} fit")
    if len(shape) in (2, 3):
        confidence = np.max(np.asarray(outputs(trained.spec.network, logits)), axis=1)
        images, weights = np.asarray(splits.test.x), np.asarray(trained.params[0].w)
        pictures[directory.WEIGHTS] = lambda: plots.first_layer_weights(weights, shape)
        pictures[directory.MISTAKES] = lambda: plots.confident_mistakes(
            images, labels, predicted, confidence, classes, shape
        )
    for name, picture in pictures.items():
        with drawing(path / name, callbacks):
            picture().save(path / name)


def is_whole(path: Path) -> bool:
    """Whether a PNG file is there, from its first bytes to its last."""
    try:
        content = read_bytes(path)
    except OSError:
        return False
    return content.startswith(b"\x89PNG") and content.endswith(b"IEND\xaeB`\x82")


@contextlib.contextmanager
def drawing(path: Path, callbacks: Callbacks) -> Iterator[None]:
    """Make of a picture that cannot be drawn a message: the results do not depend on it."""
    try:
        yield
    except JaxmlpError:  # the disk refuses
        raise
    except Exception as error:
        callbacks.on_message(f"{path} cannot be drawn ({line_of(error, named=True)}); the results are written")
