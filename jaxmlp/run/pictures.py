"""The pictures of a run: results do not depend on them, so one that cannot be drawn is a message."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxmlp import plots
from jaxmlp.errors import JaxmlpError, line_of
from jaxmlp.files import make_directory, read_bytes
from jaxmlp.nn.losses import CLASSES, LABELS, VALUES
from jaxmlp.run import directory, rates
from jaxmlp.run.answers import Answers
from jaxmlp.spec import Splits
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Epoch
from jaxmlp.training.model import Model

MOST_CLASSES = 500  # of a confusion matrix: a picture of more shows nothing, and takes memory as their square


def picture_names(trained: Model) -> list[str]:
    """The pictures that `draw` leaves of a trained model."""
    kind, names, are_images = trained.preparation.kind, [directory.CURVES], _are_images(trained)
    if kind == CLASSES and len(trained.preparation.classes) <= MOST_CLASSES:
        names.append(directory.CONFUSION)
    names += {VALUES: [directory.PREDICTED], LABELS: [directory.LABEL_RATES]}.get(kind, [])
    names += [directory.WEIGHTS] if are_images else []
    return names + ([directory.MISTAKES] if are_images and kind == CLASSES else [])


class Tested(NamedTuple):
    """The test examples of a weight above 0, and what the network says of them."""

    x: np.ndarray  # [N, D]
    targets: np.ndarray  # class numbers [N], or labels or values [N, K]
    answers: Answers

    @classmethod
    def of(cls, trained: Model, splits: Splits) -> "Tested":
        """Predict the test examples."""
        test = splits.test
        counted = slice(None) if test.weights is None else np.asarray(test.weights) > 0
        x = np.asarray(test.x)[counted]
        return cls(x, np.asarray(test.targets)[counted], Answers.of(trained, x))


def draw(
    path: Path, trained: Model, epochs: list[Epoch], best_epoch: int, tested: Tested, callbacks: Callbacks
) -> "plots.Picture | None":
    """The pictures of a run, on its test examples; returns the curves, if they are drawn, as its page has them too.

    Curves. Of classes the confusion matrix; of values predicted over target, and residuals; of label sets what is found
    of each label. Of networks for images the weights into the first layer, and the most confident mistakes.
    One that cannot be drawn is a message.
    """
    make_directory(path)
    kind, classes, K = trained.preparation.kind, trained.preparation.classes, len(trained.preparation.classes)
    if kind == CLASSES and K > MOST_CLASSES:
        callbacks.on_message(f"no confusion matrix: {K:,} classes, of which at most {MOST_CLASSES} fit")
    shape, names = trained.preparation.input_shape, list(map(str, classes))
    x, targets, (said, predicted) = tested
    drawings: dict[str, Callable[[], plots.Picture]] = {
        directory.CURVES: lambda: plots.run_curves([epoch.to_json() for epoch in epochs], best_epoch),
        directory.CONFUSION: lambda: plots.confusion_matrix(rates.confusions(targets, predicted, K), classes),
        directory.PREDICTED: lambda: plots.predicted_values(targets, said, names),
        directory.LABEL_RATES: lambda: plots.label_rates(targets.astype(int), predicted, names),
        directory.WEIGHTS: lambda: plots.first_layer_weights(np.asarray(trained.params[0].w), shape),
        directory.MISTAKES: lambda: plots.confident_mistakes(
            x, targets, predicted, tested.answers.of_classes().max(axis=1), classes, shape
        ),
    }
    curves = None
    for name in picture_names(trained):
        if epochs or name != directory.CURVES:
            with drawing(path / name, callbacks):
                picture = drawings[name]()
                picture.save(path / name)
                curves = picture if name == directory.CURVES else curves
    return curves


def _are_images(trained: Model) -> bool:
    return len(trained.preparation.input_shape) in (2, 3)


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
