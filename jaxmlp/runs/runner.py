"""A run: an experiment trained in a run directory, from the data to the pictures, so that it can be stopped anywhere."""

import platform
import time
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxmlp
from jaxmlp import plots
from jaxmlp.data.preparing import Preparation, prepare
from jaxmlp.data.sources import Dataset, load_data
from jaxmlp.errors import RunError
from jaxmlp.nn.network import outputs, predictions
from jaxmlp.runs import checkpoints, directory, model
from jaxmlp.runs.config import Experiment
from jaxmlp.runs.directory import CHECKPOINTS, ENVIRONMENT, PLOTS, SUMMARY, append_metrics, read_json, write_json
from jaxmlp.runs.files import make_directory
from jaxmlp.runs.model import Model
from jaxmlp.spec import Spec, Splits
from jaxmlp.training import fitting
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Epoch
from jaxmlp.training.loop import TrainState


class Outcome(NamedTuple):
    """How a run ended: its summary (as in summary.json), or None where it was asked to stop and can be resumed."""

    summary: dict[str, Any] | None
    epochs_run: int


class Loaded(NamedTuple):
    """The data of a run, ready to be learnt from."""

    splits: Splits
    preparation: Preparation
    origin: str
    crc32: str  # of the images and labels as they were loaded
    seconds: float  # that loading and preparing took

    def described(self) -> str:
        """A line: where the data came from, and how many examples there are."""
        return f"{self.origin}: {' / '.join(f'{len(split.x):,}' for split in self.splits)} train, validation, test examples"


def read_data(experiment: Experiment, *, progress: bool = False) -> Loaded:
    """Load, split and normalise the data. Raises UsageError and DataError as `load_data` and `prepare` do."""
    started = time.perf_counter()
    dataset = load_data(experiment.data, progress=progress)
    splits, preparation = prepare(dataset, experiment.data)
    return Loaded(splits, preparation, dataset.origin, _checksum(dataset), time.perf_counter() - started)


def run(
    experiment: Experiment,
    data: Loaded,
    path: Path,
    callbacks: Callbacks,
    *,
    checkpoint_seconds: float,
    data_parallel: bool = False,
) -> Outcome:
    """Train `experiment` in the run directory `path` (see `directory.create` and `reopen`), going on where it stopped.

    A run that has ended (`directory.ended`) is evaluated and drawn again.
    Once `callbacks.should_stop` is true after an epoch, the state is saved and the run returns without a summary.
    With `data_parallel` every minibatch is split over all devices; a run may go on with it or without, however it began:
    the results are the same to rounding.
    Raises RunError where the disk fails, or the run was begun on other data; and, before anything is written,
    JaxmlpError or UsageError where there are no devices that could share a batch equally.
    """
    started = time.perf_counter()
    placement = fitting.placement_for(experiment.training, data_parallel=data_parallel)
    splits, preparation = data.splits, data.preparation
    spec = spec_of(experiment, splits, preparation)
    callbacks.on_message(data.described())
    begun = record_environment(experiment, path, data, callbacks, data_parallel=data_parallel)

    hyper, key, state = fitting.initial(spec, experiment.hyper, experiment.seed)
    state, epochs = _resume(path, state, callbacks, begun=begun)
    (path / SUMMARY).unlink(missing_ok=True)  # it is of fewer epochs
    program, state = fitting.compile_program(spec, hyper, key, splits, state, placement, callbacks)
    saved, stop = time.monotonic(), False
    for done in fitting.train(program, state, callbacks):
        state, stop = done.state, done.stop
        epochs.append(done.epoch)
        append_metrics(path, done.epoch)
        if stop or time.monotonic() - saved >= checkpoint_seconds:
            checkpoints.save(path / CHECKPOINTS, int(state.epoch), state, {})
            saved = time.monotonic()
    if stop:
        return Outcome(None, int(state.epoch))

    checkpoints.save(path / CHECKPOINTS, int(state.epoch), state, {})
    state, splits = placement.fetch((state, program.splits))
    summary = finish(spec, path, state, epochs, splits, preparation)
    summary["seconds"]["compile"] = program.compile_seconds
    summary["seconds"]["total"] = data.seconds + time.perf_counter() - started
    write_json(path / SUMMARY, summary)
    return Outcome(summary, int(state.epoch))


def spec_of(experiment: Experiment, splits: Splits, preparation: Preparation) -> Spec:
    """The static description: the experiment's, with the sizes that the data give."""
    return Spec(experiment.network, experiment.training, splits.train.x.shape[1], len(preparation.classes))


def _resume(path: Path, state: TrainState, callbacks: Callbacks, *, begun: bool) -> tuple[TrainState, list[Epoch]]:
    """The state and the epochs to go on from: those of the newest whole checkpoint, or the beginning."""
    make_directory(path / CHECKPOINTS)
    checkpoint = checkpoints.restore(path / CHECKPOINTS, state)
    if checkpoint is None:
        if begun:
            callbacks.on_message(f"{path} was stopped before its first checkpoint: starting from epoch 0")
        return state, directory.cut_metrics(path, 0)
    for damage in checkpoint.skipped:
        callbacks.on_message(f"passed over a damaged checkpoint: {damage}; going on from epoch {checkpoint.epoch}")
    return jax.device_put(checkpoint.tree), directory.cut_metrics(path, checkpoint.epoch)


def finish(
    spec: Spec, path: Path, state: TrainState, epochs: list[Epoch], splits: Splits, preparation: Preparation
) -> dict[str, Any]:
    """Write the model and the pictures, evaluate the test examples once, and return the summary.

    Its seconds are those of training alone; who compiled, or read the data, adds what that took.
    """
    trained = Model(spec, jax.device_get(state.best_params), preparation)
    model.save(path, trained)
    validation, test = (fitting.measure(spec, state.best_params, split) for split in splits[1:])
    best_epoch = int(state.stopping.best_epoch)
    draw(path / PLOTS, trained, epochs, best_epoch, splits)
    reason, seconds = fitting.stop_reason(spec, state), sum(epoch.seconds for epoch in epochs)
    summary = {
        "test": test.to_json(),
        "validation": validation.to_json(),
        "best_epoch": best_epoch,
        "epochs_run": int(state.epoch),
        "stop_reason": reason,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        "seconds": {"compile": 0.0, "train": seconds, "total": seconds},
        "examples_per_second": len(splits.train.x) * len(epochs) / seconds,
    }
    if reason == "diverged":
        summary["diverged"] = {"epoch": epochs[-1].epoch, "learning_rate": epochs[-1].learning_rate}
    return summary


def draw(path: Path, trained: Model, epochs: list[Epoch], best_epoch: int, splits: Splits) -> None:
    """The pictures of a run: curves, confusion matrix, first-layer weights, the most confident mistakes."""
    make_directory(path)
    classes, shape = trained.preparation.classes, trained.preparation.image_shape
    logits = model.compiled_forward(trained.spec, trained.params, splits.test.x)
    labels, predicted = np.asarray(splits.test.labels), np.asarray(predictions(logits))
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (labels, predicted), 1)
    if epochs:
        plots.run_curves([epoch.to_json() for epoch in epochs], best_epoch).save(path / directory.CURVES)
    plots.confusion_matrix(counts, classes).save(path / directory.CONFUSION)
    if len(shape) in (2, 3):
        confidence = np.max(np.asarray(outputs(trained.spec.network, logits)), axis=1)
        images = np.asarray(splits.test.x)
        plots.first_layer_weights(np.asarray(trained.params[0].w), shape).save(path / directory.WEIGHTS)
        mistakes = plots.confident_mistakes(images, labels, predicted, confidence, classes, shape)
        mistakes.save(path / directory.MISTAKES)


def record_environment(
    experiment: Experiment, path: Path, data: Loaded, callbacks: Callbacks, *, data_parallel: bool = False
) -> bool:
    """Write environment.json, and return whether the run had one, because it is resumed.

    Then other versions and devices are a message, and other data are refused: raises RunError.
    """
    device = jax.devices()[0]
    now = {
        "versions": {"jaxmlp": jaxmlp.__version__, "python": platform.python_version()}
        | {name: version(name) for name in ("jax", "jaxlib", "optax", "numpy")},
        "device": {"platform": device.platform, "kind": device.device_kind, "count": jax.device_count()}
        | ({"data_parallel": True} if data_parallel else {}),
        "machine": platform.platform(),
        "seed": experiment.seed,
        "prng": fitting.PRNG,
        "matmul_precision": experiment.training.matmul_precision,
        "data": {"origin": data.origin, "crc32": data.crc32},
    }
    before = read_json(path / ENVIRONMENT)
    if before is None:
        write_json(path / ENVIRONMENT, now)
        return False
    if before["data"]["crc32"] != now["data"]["crc32"]:
        raise RunError(
            f"{path} was begun on other data ({before['data']['origin']}) than there are now ({data.origin}):"
            " give it the former, or begin a new run"
        )
    changed = [key for key in ("versions", "device", "machine") if before[key] != now[key]]
    if changed:
        callbacks.on_message(
            f"resumed with other {' and '.join(changed)} than it was begun with: the last bits may differ"
        )
    return True


def _checksum(dataset: Dataset) -> str:
    value = 0
    for array in (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels):
        value = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data, value)
    return f"{value:08x}"
