"""Early stopping by the watched value of each epoch (`training.monitor`): its state, and one pure transition.

What stops a training: the rule here, by `patience`, or a loss that is not finite; `loop.running` at `max_epochs`; the
callbacks of the host (`fitting.train`, in a grid `grid.driver`); in a grid also a rung (`grid.pruning.survivors`).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from jaxmlp.errors import entry
from jaxmlp.spec import Hyper
from jaxmlp.training.evaluation import Metrics


class Stopping(NamedTuple):
    """What early stopping remembers. Epochs are counted from 1; best_epoch 0 means that none was finite yet."""

    last: Float[Array, ""]  # watched value of the epoch before
    best: Float[Array, ""]  # the lowest so far
    best_epoch: Int[Array, ""]
    stale: Int[Array, ""]  # epochs in a row without progress
    diverged: Bool[Array, ""]
    cuts: Int[Array, ""] | None  # of the learning rate so far; None where the schedule makes none


LEAST_RATE = 1e-6  # a learning rate that is no higher is not cut again: the training stops


def begin(dtype: DTypeLike, *, cuts: bool) -> Stopping:
    """Before the first epoch: nothing seen, so anything finite is an improvement. `cuts`: the learning rate can be cut."""
    infinity = jnp.asarray(jnp.inf, dtype)
    zero = jnp.asarray(0, jnp.int32)
    return Stopping(infinity, infinity, zero, zero, jnp.asarray(False), zero if cuts else None)


def _no_improvement(hyper: Hyper, stopping: Stopping, watched: Float[Array, ""]) -> Bool[Array, ""]:
    """No progress: the watched value is not below the best so far by more than min_delta."""
    return ~(watched < stopping.best - hyper.min_delta)


def _no_improvement_within(hyper: Hyper, stopping: Stopping, watched: Float[Array, ""]) -> Bool[Array, ""]:
    """No progress: the watched value is above best - min_delta; one that is equal to it is progress (scikit-learn's)."""
    return ~(watched <= stopping.best - hyper.min_delta)


def _consecutive_increase(hyper: Hyper, stopping: Stopping, watched: Float[Array, ""]) -> Bool[Array, ""]:
    """No progress: the watched value is above that of the epoch before (the wording of the report's section 2.4)."""
    return ~(watched <= stopping.last)


class StopRule(NamedTuple):
    """When an epoch counts as one without progress (NaN always does), and the fields of Hyper that this reads."""

    is_stale: Callable[[Hyper, Stopping, Float[Array, ""]], Bool[Array, ""]]
    reads: frozenset[str]


STOP_RULES: dict[str, StopRule] = {
    "no_improvement": StopRule(_no_improvement, frozenset({"patience", "min_delta"})),
    "no_improvement_within": StopRule(_no_improvement_within, frozenset({"patience", "min_delta"})),
    "consecutive_increase": StopRule(_consecutive_increase, frozenset({"patience"})),
}


def stop_rule(name: str) -> StopRule:
    """The rule called `name`; UsageError lists the known ones."""
    return entry("training.stop_rule", name, STOP_RULES)


class Monitor(NamedTuple):
    """What early stopping watches; lower is better."""

    # (metrics of the validation examples, penalties of the weights, objective of the minibatches or None) -> watched value
    watched: Callable[[Metrics, Float[Array, ""], Float[Array, ""] | None], Float[Array, ""]]
    reads_validation: bool = True
    reads_train_objective: bool = False


def _negative_score(validation: Metrics, penalties: Float[Array, ""], _: Float[Array, ""] | None) -> Float[Array, ""]:
    """- R2, or - the share of correct examples."""
    if validation.r2 is not None:
        return -validation.r2
    loss = validation.loss
    share = validation.score.astype(loss.dtype) / validation.count.astype(loss.dtype)
    return jnp.where(jnp.isfinite(loss), -share, loss)


def _train_objective(_: Metrics, penalties: Float[Array, ""], objective: Float[Array, ""] | None) -> Float[Array, ""]:
    assert objective is not None
    return objective


MONITORS: dict[str, Monitor] = {
    "loss": Monitor(lambda validation, penalties, _: validation.loss),
    "objective": Monitor(lambda validation, penalties, _: validation.loss + penalties),
    "score": Monitor(_negative_score, reads_train_objective=True),
    "train_objective": Monitor(_train_objective, reads_validation=False, reads_train_objective=True),
}


def monitor(name: str) -> Monitor:
    """The watched value called `name`; UsageError lists the known ones."""
    return entry("training.monitor", name, MONITORS)


def after_epoch(
    name: str,
    hyper: Hyper,
    stopping: Stopping,
    epoch: Int[Array, ""],
    train_loss: Float[Array, ""],
    watched: Float[Array, ""],
    rate: Float[Array, ""],
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
        watched: The value of this epoch that `training.monitor` names; lower is better.
        rate: The learning rate of its last step. Where it can be cut, an end of patience cuts it, down to LEAST_RATE.
    """
    diverged = ~(jnp.isfinite(train_loss) & jnp.isfinite(watched))
    stale = stop_rule(name).is_stale(hyper, stopping, watched) | diverged
    better = (watched < stopping.best) & ~diverged
    after = Stopping(
        last=watched,
        best=jnp.where(better, watched, stopping.best),
        best_epoch=jnp.where(better, epoch, stopping.best_epoch),
        stale=jnp.where(stale, stopping.stale + 1, 0),
        diverged=stopping.diverged | diverged,
        cuts=stopping.cuts,
    )
    if stopping.cuts is not None:
        cut = _out_of_patience(hyper, after) & (rate > LEAST_RATE)
        after = after._replace(cuts=stopping.cuts + cut.astype(jnp.int32), stale=jnp.where(cut, 0, after.stale))
    return after, better


def _out_of_patience(hyper: Hyper, stopping: Stopping) -> Bool[Array, ""]:
    return (hyper.patience > 0) & (stopping.stale >= hyper.patience)


def stopped(hyper: Hyper, stopping: Stopping) -> Bool[Array, ""]:
    """Whether training is over: out of patience (0 is never), or diverged."""
    return _out_of_patience(hyper, stopping) | stopping.diverged
