"""The learning rate over time: pure functions of the hyperparameters and of the epochs done so far, with fractions.

Written here because several of optax's schedules refuse traced hyperparameters.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxmlp.errors import entry
from jaxmlp.spec import Hyper, Training

Times = Float[Array, " steps"]  # one for each step of an epoch


class Schedule(NamedTuple):
    """A factor of the learning rate, and the fields of Hyper it reads."""

    # (hyper, epochs done since warm-up, epochs there are after warm-up)
    factor: Callable[[Hyper, Times, Float[Array, ""]], Times]
    reads: frozenset[str] = frozenset()
    reads_max_epochs: bool = False
    cuts: bool = (
        False  # whether the end of patience multiplies the rate by decay_rate, instead of stopping the training
    )


def _cosine(hyper: Hyper, done: Times, total: Float[Array, ""]) -> Times:
    """Loshchilov and Hutter 2017, without restarts: from 1 to final_fraction along half a cosine."""
    progress = jnp.clip(done / jnp.maximum(total, 1e-6), 0.0, 1.0)
    return hyper.final_fraction + (1 - hyper.final_fraction) * 0.5 * (1 + jnp.cos(jnp.pi * progress))


SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(lambda hyper, done, total: jnp.ones_like(done)),
    "exponential": Schedule(lambda hyper, done, total: hyper.decay_rate**done, frozenset({"decay_rate"})),
    "step": Schedule(
        lambda hyper, done, total: hyper.decay_rate ** jnp.floor(done / hyper.decay_epochs),
        frozenset({"decay_rate", "decay_epochs"}),
    ),
    "inverse_scaling": Schedule(
        lambda hyper, done, total: (1 + done) ** -hyper.decay_power, frozenset({"decay_power"})
    ),
    # scikit-learn's invscaling, which counts examples: decay_epochs = 1 / N, and a rate that changes between epochs.
    "inverse_scaling_by_epoch": Schedule(
        lambda hyper, done, total: (1 + jnp.floor(done) / hyper.decay_epochs) ** -hyper.decay_power,
        frozenset({"decay_power", "decay_epochs"}),
    ),
    "plateau": Schedule(
        lambda hyper, done, total: jnp.ones_like(done), frozenset({"decay_rate", "patience"}), cuts=True
    ),
    "cosine": Schedule(_cosine, frozenset({"final_fraction"}), reads_max_epochs=True),
}


def schedule(name: str) -> Schedule:
    """The schedule called `name`; UsageError lists the known ones."""
    return entry("training.schedule", name, SCHEDULES)


def learning_rates(
    training: Training, hyper: Hyper, epoch: Array, steps: int, cuts: Int[Array, ""] | None = None
) -> Float[Array, " steps"]:
    """The learning rate of each of the `steps` steps of the epoch `epoch` (counted from 0), after so many `cuts`.

    With warm-up, step i (counted from 0 over the whole run) has the share (i + 1) / (warm-up steps) of the learning
    rate until that is 1, and the schedule begins after it.
    """
    dtype = training.dtype
    done = epoch.astype(dtype) + jnp.arange(steps, dtype=dtype) / steps  # [steps]
    warmup = jnp.asarray(hyper.warmup_epochs, dtype)
    rise = jnp.where(warmup > 0, jnp.minimum((done + 1 / steps) / jnp.where(warmup > 0, warmup, 1), 1), 1)
    after = jnp.maximum(done - warmup, 0)
    factor = schedule(training.schedule).factor(hyper, after, jnp.maximum(training.max_epochs - warmup, 0))
    rates = jnp.asarray(hyper.learning_rate, dtype) * rise * factor
    return rates if cuts is None else rates * jnp.asarray(hyper.decay_rate, dtype) ** cuts.astype(dtype)
