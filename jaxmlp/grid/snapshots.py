"""All it takes to go on with trials that have begun: as arrays and facts, from one process or from several."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.grid.histories import History, joined
from jaxmlp.training.loop import TrainState


class Snapshot(NamedTuple):
    """The trials of a scheduler that have begun and not ended, and what JSON can hold of the rest."""

    states: TrainState | None  # NumPy, [left, ...], in the order of `left`; None where there are none
    histories: History  # one after the other
    facts: dict[str, Any]  # `left`: their numbers; `epochs`: of each; the others are the scheduler's own


def taken(states: Mapping[int, TrainState], histories: Mapping[int, History], facts: Mapping[str, Any]) -> Snapshot:
    """The snapshot of these trials, in the order of their numbers."""
    left = sorted(states)
    epochs = [len(histories[trial]) for trial in left]
    return Snapshot(
        stacked([states[trial] for trial in left]),
        joined([histories[trial] for trial in left]),
        {"left": left, "epochs": epochs} | dict(facts),
    )


def trials_of(snapshot: Snapshot) -> dict[int, tuple[TrainState, History]]:
    """What a snapshot holds of each trial."""
    ends = np.cumsum(snapshot.facts["epochs"], dtype=int)
    found = {}
    for index, (trial, epochs) in enumerate(zip(snapshot.facts["left"], snapshot.facts["epochs"], strict=True)):
        state = jax.tree.map(lambda leaf, index=index: leaf[index], snapshot.states)
        found[trial] = (state, snapshot.histories[ends[index] - epochs : ends[index]])
    return found


def merged(snapshots: Sequence[Snapshot], numbers: Iterable[int]) -> Snapshot:
    """What the snapshots of several processes hold of some trials: to go on with another number of processes."""
    wanted = set(numbers)
    found = {trial: held for snapshot in snapshots for trial, held in trials_of(snapshot).items() if trial in wanted}
    waiting = {trial for snapshot in snapshots for trial in snapshot.facts["waiting"]}
    best = {number: loss for snapshot in snapshots for number, loss in snapshot.facts["best"].items()}
    facts = {
        "waiting": sorted(wanted & waiting),
        "best": {number: loss for number, loss in best.items() if int(number) in wanted},
        "layout": [],
        "going": [],
        "clocks": [],
        "next": 0,
        "until": max(snapshot.facts["until"] for snapshot in snapshots),
        "devices": 0,  # so that nobody takes the layout for theirs
        "shapes": [],
    }
    states = {trial: state for trial, (state, _) in found.items()}
    return taken(states, {trial: history for trial, (_, history) in found.items()}, facts)


def stacked(trees: Sequence[Any]) -> Any:
    """Trees of NumPy arrays as one, along a new first axis; None of none."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees) if trees else None
