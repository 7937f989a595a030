"""A run: an experiment trained in a run directory, from the data to the pictures, so that it can be stopped anywhere.

`run` says what is written when. Each epoch: a line of metrics.jsonl; and, `checkpoint_seconds` after the last one, a
checkpoint: the state, and the metrics of all its epochs. At the end: a checkpoint, model, summary, card and pictures.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxmlp.data.preparing import Preparation, has_few_examples_each, prepare
from jaxmlp.data.sources import load_data
from jaxmlp.errors import JaxmlpError
from jaxmlp.fields import flat
from jaxmlp.files import flush, remove
from jaxmlp.grid.results import history_of
from jaxmlp.nn.losses import CLASSES, VALUES, loss
from jaxmlp.run import ahead, card, checkpoints, config, directory, environment, metrics, model, page, pictures
from jaxmlp.run.config import Experiment
from jaxmlp.run.directory import CARD, CHECKPOINTS, ENVIRONMENT, EXPORT, METRICS, PAGE, PLOTS, SUMMARY
from jaxmlp.run.identity import Identity
from jaxmlp.run.resuming import resume
from jaxmlp.run.sealed import read_json, write_json
from jaxmlp.spec import Hyper, Spec, Splits
from jaxmlp.text import count, short_path, typed
from jaxmlp.training import fitting
from jaxmlp.training.callbacks import Callbacks, Together, ending
from jaxmlp.training.epochs import Epoch
from jaxmlp.training.events import Checkpoint, RunBegin, RunEnd
from jaxmlp.training.loop import TrainState
from jaxmlp.training.model import Model
from jaxmlp.training.precision import precision
from jaxmlp.training.validation import check_data


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
    notes: tuple[str, ...] = ()  # what was passed over in the columns of a table

    def origin_and_sizes(self) -> str:
        """A line: where the data came from, how many examples there are, how they are normalised; and a line a note."""
        sizes = " / ".join(f"{len(split.x):,}" for split in self.splits)
        normalise = self.preparation.normalise
        line = f"{self.origin}: {sizes} train, validation, test examples, normalised {normalise}"
        if self.preparation.kind != CLASSES:
            line += f", {count(self.preparation.outputs, self.preparation.kind.removesuffix('s'))} each"
        return "\n".join([line, *self.notes])


def read_data(experiment: Experiment, *, progress: bool = False) -> Loaded:
    """Load, split and normalise the data. Raises UsageError and DataError as `load_data` and `prepare` do."""
    started = time.perf_counter()
    dataset = load_data(experiment.data, progress=progress)
    notes: list[str] = []
    learns = loss(experiment.network.loss).learns
    splits, preparation = prepare(dataset, experiment.data, learns, notes.append)
    if has_few_examples_each(splits, preparation):
        notes.append(
            f"the targets are taken as {len(preparation.classes):,} classes, with few examples each: to learn numbers, set"
            " --data.kind values"
        )
    if preparation.kind == VALUES:  # which a loss may restrict
        check_data(spec_of(experiment, splits, preparation), splits)
    seconds = time.perf_counter() - started
    return Loaded(splits, preparation, dataset.origin, dataset.crc32, seconds, tuple(notes))


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

    A run that has ended (`directory.ended`) is evaluated and drawn again. The caller holds the directory (`lock.locked`).
    Once `callbacks.should_stop` is true after an epoch, the state is saved and the run returns without a summary.
    With `data_parallel` every minibatch is split over all devices; a run may go on with it or without, however it began:
    the results are the same to rounding.
    Raises RunError where the disk fails, or the run was begun on other data; and, before anything is written,
    JaxmlpError or UsageError where there are no devices that could share a batch equally.
    """
    callbacks = Together([metrics.Log(path), callbacks])
    with precision(experiment.training), ending(callbacks, path):
        return _run(experiment, data, path, callbacks, checkpoint_seconds, data_parallel=data_parallel)


def _run(
    experiment: Experiment,
    data: Loaded,
    path: Path,
    callbacks: Callbacks,
    checkpoint_seconds: float,
    *,
    data_parallel: bool,
) -> Outcome:
    started = time.perf_counter()
    placement = fitting.placement_for(experiment.training, data_parallel=data_parallel)
    splits, preparation = data.splits, data.preparation
    spec = spec_of(experiment, splits, preparation)
    callbacks.on_message(data.origin_and_sizes())
    identity = directory.experiment_identity(experiment, data.crc32)
    now = environment.of_run(experiment, identity, data.origin, data_parallel=data_parallel)
    begun = environment.check(path, identity, now, callbacks)

    ahead.begin(spec, experiment.hyper, splits, preparation.kind)
    hyper, key, state = fitting.initial(spec, experiment.hyper, experiment.seed)
    state, epochs = resume(path, state, spec, splits, identity, callbacks, begun=begun)
    environment.write(path, now)  # what refuses to go on has not written it
    remove(path / SUMMARY)  # it is of fewer epochs
    callbacks.on_run_begin(_begin_of(experiment, data.origin_and_sizes(), path, epochs, resumed=begun))
    program, state = fitting.compile_epoch(spec, hyper, key, splits, state, placement, callbacks)
    saved, stop = time.monotonic(), False
    for done in fitting.train(program, state, callbacks):
        state, stop = done.state, done.stop
        epochs.append(done.epoch)
        if stop or time.monotonic() - saved >= checkpoint_seconds:
            callbacks.on_checkpoint(save(path, state, epochs, identity))
            saved = time.monotonic()
    if stop:
        callbacks.on_run_end(RunEnd("stopped", path=path))
        return Outcome(None, int(state.epoch))

    callbacks.on_checkpoint(save(path, state, epochs, identity))
    state, splits = placement.fetch((state, program.splits))
    trained, summary = write_model(spec, program.hyper, path, state, epochs, splits, preparation, identity)
    summary["seconds"]["compile"] = program.compile_seconds
    summary["seconds"]["total"] = data.seconds + time.perf_counter() - started
    write_json(path / SUMMARY, summary, identity)
    card.write(path, experiment, data.origin, splits, trained, summary)
    page.show(path, trained, epochs, summary, splits, callbacks)
    if begun and (path / EXPORT).exists():
        again = typed("export", short_path(path), "--overwrite")
        callbacks.on_message(f"{path / EXPORT} may hold earlier weights: write it again by {again}")
    callbacks.on_run_end(RunEnd("finished", summary, path, trained))
    return Outcome(summary, int(state.epoch))


def tell(experiment: Experiment, path: Path, summary: dict[str, Any], callbacks: Callbacks) -> None:
    """Have callbacks see a run that has ended, from its files."""
    origin = (read_json(path / ENVIRONMENT) or {})["data"]["origin"]
    epochs = [Epoch.from_json(line) for line in metrics.read(path)]
    callbacks.on_run_begin(_begin_of(experiment, origin, path, epochs, resumed=True))
    callbacks.on_run_end(RunEnd("finished", summary, path))


def _begin_of(experiment: Experiment, data: str, path: Path, epochs: Sequence[Epoch], *, resumed: bool) -> RunBegin:
    return RunBegin(dict(flat(config.tree(experiment))), data, path, resumed, tuple(epochs))


def spec_of(experiment: Experiment, splits: Splits, preparation: Preparation) -> Spec:
    """The static description: the experiment's, with the sizes that the data give."""
    return Spec(experiment.network, experiment.training, splits.train.x.shape[1], preparation.outputs)


def save(path: Path, state: TrainState, epochs: Sequence[Epoch], identity: Identity) -> Checkpoint:
    """Write a checkpoint: the state, and the metrics of its epochs, so that metrics.jsonl may be lost."""
    tree = {"state": state, "history": history_of(epochs)}
    metadata = {"identity": identity.to_json(), "epochs": str(len(epochs))}
    return Checkpoint(int(state.epoch), checkpoints.save(path / CHECKPOINTS, int(state.epoch), tree, metadata))


def write_model(
    spec: Spec,
    hyper: Hyper,
    path: Path,
    state: TrainState,
    epochs: list[Epoch],
    splits: Splits,
    preparation: Preparation,
    identity: Identity,
) -> tuple[Model, dict[str, Any]]:
    """Write the model, evaluate the test examples once, and return the model and the summary.

    Its seconds are those of training alone; a caller that compiled, or read the data, adds what that took.
    """
    flush(path / METRICS)
    trained = Model(spec, jax.device_get(state.best_params), preparation)
    model.save(path, trained, identity)
    validation, test = (fitting.measure(spec, hyper, state.best_params, split) for split in splits[1:])
    reason, seconds = fitting.stop_reason(spec, state), sum(epoch.seconds for epoch in epochs)
    summary = {
        "test": test.to_json(),
        "validation": validation.to_json(),
        "best_epoch": int(state.stopping.best_epoch),
        "epochs_run": int(state.epoch),
        "stop_reason": reason,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        "seconds": {"compile": 0.0, "train": seconds, "total": seconds},
        "examples_per_second": len(splits.train.x) * len(epochs) / seconds,
        "metrics_sha256": metrics.digest(path),
    }
    if reason == "diverged":
        summary["diverged"] = {"epoch": epochs[-1].epoch, "learning_rate": epochs[-1].learning_rate}
    return trained, summary


def missing(path: Path, summary: dict[str, Any]) -> str | None:
    """What a run that has ended lacks, or has damaged: metrics, model, card, page or a picture; None where all is there."""
    if not (path / ENVIRONMENT).exists():
        return f"{path / ENVIRONMENT} is missing"
    if summary.get("metrics_sha256") not in (None, metrics.digest(path)):
        return f"{path / METRICS} is missing or damaged"
    if not (path / model.FILE).exists():
        return f"{path / model.FILE} is missing"
    try:
        trained = model.load(path)
    except JaxmlpError as error:
        return str(error).split(";")[0]
    if not (path / CARD).exists():
        return f"{path / CARD} is missing"
    names = [path / PLOTS / name for name in pictures.picture_names(trained)]
    absent = [name for name in names if not pictures.is_whole(name)]
    absent += [] if page.is_whole(path) else [path / PAGE]
    return f"{absent[0]} is missing or damaged" if absent else None


def losses(path: Path, summary: dict[str, Any]) -> Iterator[str]:
    """A line for each checkpoint of a run that has ended which cannot be used, and for what more epochs would cost then."""
    epochs, skipped = checkpoints.whole(path / CHECKPOINTS, checkpoints.refusal_of(directory.identity_of(path)))
    yield from skipped
    newest = max(epochs, default=0)
    if newest < summary["epochs_run"]:
        yield f"{path} has no whole checkpoint of epoch {summary['epochs_run']}: more epochs would go on from epoch {newest}"
