"""Early stopping by the watched value of each epoch (`training.monitor`): its state, and one pure transition.

What stops a training: the rule here, by `patience`, or a loss that is not finite; `loop.running` at `max_epochs`; the
callbacks of the host (`fitting.train`, in a grid `grid.driver`); in a grid also a rung (`grid.pruning.survivors`).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxmlp.errors import entry
from jaxmlp.spec import Hyper


class Stopping(NamedTuple):
    """What early stopping remembers. Epochs are counted from 1; best_epoch 0 means that none was finite yet."""

    last: Float[Array, ""]  # watched value of the epoch before
    best: Float[Array, ""]  # the lowest so far
    best_epoch: Int[Array, ""]
    stale: Int[Array, ""]  # epochs in a row without progress
    diverged: Bool[Array, ""]


def begin() -> Stopping:
    """Before the first epoch: nothing seen, so anything finite is an improvement."""
    infinity = jnp.asarray(jnp.inf, jnp.float32)
    zero = jnp.asarray(0, jnp.int32)
    return Stopping(infinity, infinity, zero, zero, jnp.asarray(False))


def _no_improvement(hyper: Hyper, stopping: Stopping, watched: Float[Array, ""]) -> Bool[Array, ""]:
    """No progress: the watched value is not below the best so far by more than min_delta."""
    return ~(watched < stopping.best - hyper.min_delta)


def _consecutive_increase(hyper: Hyper, stopping: Stopping, watched: Float[Array, ""]) -> Bool[Array, ""]:
    """No progress: the watched value is above that of the epoch before (the wording of the report's section 2.4)."""
    return ~(watched <= stopping.last)


class StopRule(NamedTuple):
    """When an epoch counts as one without progress (NaN always does), and the fields of Hyper that this reads."""

    is_stale: Callable[[Hyper, Stopping, Float[Array, ""]], Bool[Array, ""]]
    reads: frozenset[str]


STOP_RULES: dict[str, StopRule] = {
    "no_improvement": StopRule(_no_improvement, frozenset({"patience", "min_delta"})),
    "consecutive_increase": StopRule(_consecutive_increase, frozenset({"patience"})),
}


def stop_rule(name: str) -> StopRule:
    """The rule called `name`; UsageError lists the known ones."""
    return entry("training.stop_rule", name, STOP_RULES)


def after_epoch(
    name: str,
    hyper: Hyper,
    stopping: Stopping,
    epoch: Int[Array, ""],
    train_loss: Float[Array, ""],
    watched: Float[Array, ""],
) -> tuple[Stopping, Bool[Array, ""]]:
    """What early stopping remembers after an epoch, and whether that epoch is the new best.

    The best epoch is the one with the lowest watched value, whatever `min_delta` is: that only says how much of an
    improvement counts as progress. A value that is not finite is never an improvement, and marks the run as diverged.

    Args:
        name: The stop rule.
        hyper: `patience` and `min_delta` are read.
        stopping: What was remembered after the epoch before.
        epoch: The number of this epoch, from 1.
        train_loss: The mean over this epoch; only whether it is finite matters.
        watched: The validation loss or objective after this epoch, as `training.monitor` says.
    """
    diverged = ~(jnp.isfinite(train_loss) & jnp.isfinite(watched))
    stale = stop_rule(name).is_stale(hyper, stopping, watched) | diverged
    better = (watched < stopping.best) & ~diverged
    return (
        Stopping(
            last=watched,
            best=jnp.where(better, watched, stopping.best),
            best_epoch=jnp.where(better, epoch, stopping.best_epoch),
            stale=jnp.where(stale, stopping.stale + 1, 0),
            diverged=stopping.diverged | diverged,
        ),
        better,
    )


def stopped(hyper: Hyper, stopping: Stopping) -> Bool[Array, ""]:
    """Whether training is over: out of patience (0 is never), or diverged."""
    return ((hyper.patience > 0) & (stopping.stale >= hyper.patience)) | stopping.diverged
