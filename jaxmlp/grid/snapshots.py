"""All it takes to resume trials that have begun and not finished: arrays and facts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.grid.results import History, joined
from jaxmlp.training.loop import TrainState


class Snapshot(NamedTuple):
    """The trials of a scheduler that have begun and not finished, and what JSON can hold of the others."""

    states: TrainState | None  # NumPy, [trials, ...], in the order of facts["trials"]; None where there are none
    histories: History  # one after the other
    facts: dict[str, Any]  # `trials`: their numbers; `epochs`: of each; the others are the scheduler's own


def snapshot_of(
    states: Mapping[int, TrainState], histories: Mapping[int, History], facts: Mapping[str, Any]
) -> Snapshot:
    """The snapshot of these trials, in the order of their numbers."""
    trials = sorted(states)
    epochs = [len(histories[trial]) for trial in trials]
    return Snapshot(
        stacked([states[trial] for trial in trials]),
        joined([histories[trial] for trial in trials]),
        {"trials": trials, "epochs": epochs} | dict(facts),
    )


def trials_of(snapshot: Snapshot) -> dict[int, tuple[TrainState, History]]:
    """The state and the history of each trial of a snapshot."""
    ends = np.cumsum(snapshot.facts["epochs"], dtype=int)
    trials = {}
    for index, (trial, epochs) in enumerate(zip(snapshot.facts["trials"], snapshot.facts["epochs"], strict=True)):
        state = jax.tree.map(lambda leaf, index=index: leaf[index].copy(), snapshot.states)
        trials[trial] = (state, snapshot.histories[ends[index] - epochs : ends[index]])
    return trials


def stacked(trees: Sequence[Any]) -> Any:
    """Trees of NumPy arrays as one, along a new first axis; None of none."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees) if trees else None
