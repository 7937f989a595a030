"""The trials of a work unit on one device: waiting, active in batches of trials, finished.

A waiting trial has no slot: it has not begun, or its state is in the memory of the host. An active trial has a slot in a
batch on the device, and an epoch left in this stage. A finished trial is returned, and forgotten.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from jaxmlp.grid import program, results, snapshots
from jaxmlp.grid.first_states import FirstStates
from jaxmlp.grid.packing import EMPTY, Layout, Packing, Shape, SlotRequest, repacked
from jaxmlp.grid.program import Programs, TrialBatch
from jaxmlp.grid.results import History, TrialResult, column
from jaxmlp.grid.snapshots import Snapshot, stacked
from jaxmlp.grid.trials import Trial
from jaxmlp.training import fitting
from jaxmlp.training.loop import EpochLog, TrainState


class Call(NamedTuple):
    """What happened in one call of a program."""

    finished: list[TrialResult]
    epochs: int = 0  # of all trials together
    seconds: float = 0.0


class Scheduler:
    """Trains trials up to epoch `until` by the `programs` of their spec, whose data are loaded."""

    def __init__(self, programs: Programs, trials: Mapping[int, Trial], packing: Packing, until: int) -> None:
        self.programs, self.trials, self.packing, self.until = programs, dict(trials), packing, until
        self.spec = programs.spec
        self.shapes: set[Shape] = set()  # of batches of trials so far, before an interruption too
        self.unbegun = sorted(trials)  # waiting trials that have no state yet
        self.states: dict[int, TrainState] = {}  # of the other waiting trials, in NumPy
        self.active: set[int] = set()
        self.layout: Layout = []  # which trial has which slot of the batches
        self.batches: list[TrialBatch] = []
        self.next = 0  # the batch of the next call
        self.histories: dict[int, list[History]] = {}  # of the trials that have begun and not finished
        self.lowest_losses: dict[int, float] = {}  # finite validation losses of all trials but the diverged
        self.first_states = FirstStates(self.spec, self.trials, self.unbegun)

    def begin(self, before: Sequence[Snapshot] = ()) -> None:
        """Prepare the calls, from the states of those trials that are in snapshots of the stage before."""
        for snapshot in before:
            lowest = snapshot.facts["lowest_losses"]
            for trial, (state, history) in snapshots.trials_of(snapshot).items():
                if trial in self.trials:
                    self.states[trial], self.histories[trial] = state, [history]
                    if str(trial) in lowest:
                        self.lowest_losses[trial] = lowest[str(trial)]
        self.unbegun = [trial for trial in self.unbegun if trial not in self.states]
        self.first_states = FirstStates(self.spec, self.trials, self.unbegun)
        self._repack()

    @property
    def has_call(self) -> bool:
        """Whether there is a next call in this stage."""
        return bool(self.batches)

    def call(self) -> Call:
        """Advance the next batch of trials by `packing.epochs` epochs, or as many as its trials have left."""
        slots, batch = self.layout[self.next], self.batches[self.next]
        self.shapes.add(slots.shape)
        advanced, seconds = self.programs.call(batch, self.until)
        self.batches[self.next] = batch._replace(state=advanced.state, clocks=advanced.clocks)
        epochs = self._record(slots, advanced.log, seconds)
        finished = self._release(slots, self.batches[self.next], np.asarray(advanced.unfinished))
        self.next += 1
        if self.next == len(self.batches):
            self._repack()
        return Call(finished, epochs, seconds)

    def finish(self, status: str) -> list[TrialResult]:
        """End all unfinished trials where they are."""
        self._withdraw()
        self._begin(self.unbegun)
        ended = self.results(status)
        self.states, self.histories = {}, {}
        return ended

    def results(self, status: str) -> list[TrialResult]:
        """The waiting trials, as if they ended here."""
        return [
            TrialResult(trial, status, results.joined(self.histories[trial]), self.states[trial])
            for trial in sorted(self.states)
        ]

    def snapshot(self) -> Snapshot:
        """The states of all trials that have begun and not finished, and the slots they have."""
        facts = {
            "unbegun": self.unbegun,
            "lowest_losses": {str(trial): loss for trial, loss in self.lowest_losses.items()},
            "layout": [slots.tolist() for slots in self.layout],
            "active": sorted(self.active),
            "next": self.next,
            "shapes": sorted(self.shapes),
        }
        states = self._states_of_all()
        return snapshots.snapshot_of(states, {i: results.joined(self.histories[i]) for i in states}, facts)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of these trials in this stage, with the same slots."""
        facts = snapshot.facts
        self.unbegun = list(facts["unbegun"])
        self.first_states = FirstStates(self.spec, self.trials, self.unbegun)
        self.lowest_losses = {int(trial): loss for trial, loss in facts["lowest_losses"].items()}
        for trial, (state, history) in snapshots.trials_of(snapshot).items():
            self.states[trial], self.histories[trial] = state, [history]
        self.shapes = set(map(tuple, facts["shapes"]))
        layout = [np.asarray(slots) for slots in facts["layout"]]
        is_active = [bool(np.isin(slots, facts["active"]).any()) for slots in layout]  # others: no epoch left
        self._fill([slots for slots, active in zip(layout, is_active, strict=True) if active], set(facts["active"]))
        self.next = sum(is_active[: facts["next"]])
        if self.next == len(self.batches):
            self._repack()

    def _repack(self) -> None:
        """Between two rounds of calls: give the slots of finished trials to waiting ones, or drop them."""
        self.next = 0
        requests = [self._request(trial) for trial in sorted([*self.active, *self._entering()])]
        layout = repacked(self.layout, requests, self.packing, self.shapes)
        kept = {slots.tobytes(): batch for slots, batch in zip(self.layout, self.batches, strict=True)}
        if all(slots.tobytes() in kept for slots in layout):
            self.layout, self.batches = layout, [kept[slots.tobytes()] for slots in layout]
            return
        self._withdraw()
        self._fill(layout, {request.trial for request in requests})

    def _entering(self) -> list[int]:
        """The waiting trials that get slots now: once there is room for a whole batch, for all, or nothing is active."""
        queue = [trial for trial in sorted(self.states) if self._request(trial).epoch < self.until] + self.unbegun
        room = self.packing.resident - len(self.active)
        if self.active and room < min(len(queue), self.packing.chunk):
            return []
        entering = queue[: max(room, 0)]
        self._begin([trial for trial in entering if trial not in self.states])
        return entering

    def _request(self, trial: int) -> SlotRequest:
        return SlotRequest(trial, self.trials[trial].seed, sum(map(len, self.histories[trial])))

    def _begin(self, trials: list[int]) -> None:
        """Give the first of the unbegun trials their first states."""
        for trial in trials:
            self.states[trial], self.histories[trial] = self.first_states.take(trial), []
        self.unbegun = self.unbegun[len(trials) :]

    def _fill(self, layout: Layout, active: set[int]) -> None:
        """Make the batches of a layout from the states of waiting trials, which are `active` then."""
        epochs = {trial: self._request(trial).epoch for trial in active}
        states = {trial: self.states.pop(trial) for trial in active}
        self.layout, self.batches, self.active = layout, [], active
        for slots in layout:
            clocks = np.vectorize(lambda trial: epochs.get(int(trial), 0), otypes=[np.int32])(slots).max(axis=-1)
            self.batches.append(self._batch(slots, states, clocks))

    def _batch(self, slots: np.ndarray, states: Mapping[int, TrainState], clocks: np.ndarray) -> TrialBatch:
        """A batch on the device. A slot of no active trial holds a copy of one, with no epoch left."""
        stand_in = next(int(trial) for trial in slots.flat if trial in states)
        finished = states[stand_in]._replace(epoch=np.asarray(self.spec.training.max_epochs, np.int32))
        state = stacked([states.get(int(trial), finished) for trial in slots.flat])
        trials = [self.trials[int(trial)] for trial in np.where(slots == EMPTY, stand_in, slots).flat]
        hyper = stacked([fitting.typed(self.spec, trial.hyper) for trial in trials])
        state, hyper = jax.tree.map(lambda leaf: leaf.reshape(slots.shape + leaf.shape[1:]), (state, hyper))
        seeds = [trial.seed for trial in trials[:: slots.shape[-1]]]  # of each seed group: that of its first slot
        return program.trial_batch(self.programs.device, hyper, seeds, state, clocks)

    def _states_of_all(self) -> dict[int, TrainState]:
        """The states of all trials that have begun and not finished, in NumPy."""
        states = dict(self.states)
        for slots, batch in zip(self.layout, self.batches, strict=True):
            on_host = jax.device_get(batch.state)
            for slot in np.ndindex(*slots.shape):
                if (trial := int(slots[slot])) in self.active:
                    states[trial] = _in_slot(on_host, slot)
        return states

    def _withdraw(self) -> None:
        """Take all trials from the device; they wait."""
        self.states = self._states_of_all()
        self.layout, self.batches, self.active, self.next = [], [], set(), 0

    def _record(self, slots: np.ndarray, log: EpochLog, seconds: float) -> int:
        """Add the epochs of a call to the histories; returns how many epochs all trials ran together."""
        log = jax.device_get(log)
        counts = np.asarray(log.ran).sum(axis=-1)  # [S, P]
        total = int(counts[np.isin(slots, list(self.active))].sum())
        histories = results.histories_of(log, seconds / max(total, 1))
        for slot in np.ndindex(*slots.shape):
            trial = int(slots[slot])
            if trial not in self.active or not counts[slot]:
                continue
            history = histories[slot][: counts[slot]]  # epochs that ran come first
            self.histories[trial].append(history)
            losses = column(history, "validation_loss")
            lowest = float(np.min(losses, initial=np.inf, where=np.isfinite(losses)))
            if np.isfinite(lowest):
                self.lowest_losses[trial] = min(self.lowest_losses.get(trial, np.inf), lowest)
        return total

    def _release(self, slots: np.ndarray, batch: TrialBatch, unfinished: np.ndarray) -> list[TrialResult]:
        """The trials of a batch that have finished; those at the end of the stage wait."""
        active = unfinished & (np.asarray(batch.clocks) < self.until)[..., None]
        released = [slot for slot in np.ndindex(*slots.shape) if int(slots[slot]) in self.active and not active[slot]]
        if not released:
            return []
        on_host, finished = jax.device_get(batch.state), []
        for slot in released:
            trial, state = int(slots[slot]), _in_slot(on_host, slot)
            self.active.remove(trial)
            if unfinished[slot]:
                self.states[trial] = state
                continue
            status = fitting.stop_reason(self.spec, state)
            if status == "diverged":
                self.lowest_losses.pop(trial, None)
            finished.append(TrialResult(trial, status, self._history(trial), state))
        return finished

    def _history(self, trial: int) -> History:
        return results.joined(self.histories.pop(trial))


def _in_slot(states: TrainState, slot: tuple[int, ...]) -> TrainState:
    return jax.tree.map(lambda leaf: leaf[slot].copy(), states)  # a view would keep all of them
