"""Where a run goes on: the state and the epochs of its newest whole checkpoint, and metrics.jsonl as it was then."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxmlp.errors import RunError
from jaxmlp.files import make_directory
from jaxmlp.grid.results import COLUMNS, epochs_of
from jaxmlp.run import checkpoints, directory, metrics
from jaxmlp.run.directory import CHECKPOINTS, CONFIG, METRICS
from jaxmlp.run.identity import Identity
from jaxmlp.spec import Spec, Splits
from jaxmlp.text import count
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.epochs import Epoch
from jaxmlp.training.loop import TrainState


def resume(
    path: Path, state: TrainState, spec: Spec, splits: Splits, identity: Identity, callbacks: Callbacks, *, begun: bool
) -> tuple[TrainState, list[Epoch]]:
    """The state and the epochs to go on from: those of the newest whole checkpoint, or the beginning."""

    def like(metadata: dict[str, str]) -> Any:
        if "identity" not in metadata:  # of a version whose checkpoints were the state alone
            return state
        history = jax.ShapeDtypeStruct((int(metadata["epochs"]), len(COLUMNS)), np.float64)
        return {"state": state, "history": history}

    make_directory(path / CHECKPOINTS)
    marked = directory.identity_of(path) is not None
    checkpoint = checkpoints.restore(path / CHECKPOINTS, like, refuse=checkpoints.refusal(identity, marked=marked))
    if checkpoint is None:
        if begun:
            lost = len(metrics.read(path))
            again = f" ({count(lost, 'epoch')} of {METRICS} again)" if lost else ""
            callbacks.on_message(f"{path} has no checkpoint: starting from epoch 0{again}")
        metrics.restore(path, [])
        return state, []
    if checkpoint.epoch > spec.training.max_epochs:
        raise RunError(
            f"{path / CONFIG} grants {spec.training.max_epochs} epochs, and {checkpoint.epoch} are done: put"
            " training.max_epochs back, or begin a new run"
        )
    for damage in checkpoint.skipped:
        callbacks.on_message(f"passed over: {damage}; going on from epoch {checkpoint.epoch}")
    if "identity" not in checkpoint.metadata:
        callbacks.on_message(f"{checkpoint.path} is of an earlier version and says not whose it is: taken on trust")
        return jax.device_put(checkpoint.tree), metrics.cut(path, checkpoint.epoch)
    epochs = epochs_of(checkpoint.tree["history"], spec, splits)
    if wrong := metrics.restore(path, epochs):
        callbacks.on_message(f"{path}: {wrong}: written again from the checkpoint")
    return jax.device_put(checkpoint.tree["state"]), epochs
