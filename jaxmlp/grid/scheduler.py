"""The trials of one spec on the devices of one process: begun, seated in slabs, advanced call by call, and let go."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import jax
import numpy as np

from jaxmlp.grid import histories, packing, program, snapshots
from jaxmlp.grid.histories import COLUMNS, History
from jaxmlp.grid.packing import EMPTY, Layout, Place
from jaxmlp.grid.program import Devices, Programs, Slab
from jaxmlp.grid.snapshots import Snapshot, stacked
from jaxmlp.spec import Hyper, Spec, Splits
from jaxmlp.training import fitting
from jaxmlp.training.loop import EpochLog, TrainState

Origin = tuple[int, float]  # what a first state follows from: the seed, and init_scale if it is read


class Trial(NamedTuple):
    """What is to be trained: the numbers, and the seed of first weights, orders and dropout."""

    hyper: Hyper
    seed: int


class Packing(NamedTuple):
    """How trials are put together. The last bits of a result depend on it, so it is kept with a run."""

    chunk: int  # trials of one call on a device, at most: a power of two
    epochs: int  # of one call
    resident: int  # trials on the devices at a time; the others wait
    price: float  # of compiling a new shape, in epochs of a trial


class Ended(NamedTuple):
    """A trial that has come to its end."""

    trial: int
    status: str  # early_stopping, max_epochs, diverged, pruned
    history: History
    state: TrainState  # NumPy


class Call(NamedTuple):
    """What one call of the program came to."""

    ended: list[Ended]
    epochs: int  # that trials ran, all together
    seconds: float


class Scheduler:
    """Trials of one spec on some devices. `alone` trains each by the program of a single network, to the same bits."""

    def __init__(
        self,
        spec: Spec,
        numbers: Mapping[int, Trial],
        devices: Devices,
        settings: Packing,
        *,
        alone: bool = False,
    ) -> None:
        self.spec, self.numbers, self.settings = spec, dict(numbers), settings
        self.programs = Programs(spec, devices, settings.epochs, alone=alone)
        self.waiting = sorted(numbers)  # not begun
        self.parked: dict[int, TrainState] = {}  # begun, in no slab; NumPy
        self.histories: dict[int, list[History]] = {}  # of the trials that have begun and not ended
        self.best: dict[int, float] = {}  # the lowest finite validation loss so far, of all but those that diverged
        self.layout: Layout = []
        self.slabs: list[Slab] = []
        self.next = 0  # the slab of the next call
        self.going: set[int] = set()  # trials in slabs that have an epoch left
        self.until = 0
        self._unbegun = Counter(map(self._origin, self.waiting))
        self._first: dict[Origin, TrainState] = {}  # as long as anybody waits who begins so

    def load(self, splits: Splits) -> None:
        """Put the data on every device."""
        self.programs.load(splits)

    def unload(self) -> None:
        """Let the devices' memory go: nobody is seated, and the data are dropped."""
        self._park_all()
        self.programs.unload()

    def enter(self, until: int) -> None:
        """Begin a stage: everybody who has not ended, and has not come to the epoch `until`, is to come there."""
        self.until = until
        self._pack()

    @property
    def seated(self) -> bool:
        """Whether there is a next call in this stage."""
        return bool(self.slabs)

    def call(self) -> Call:
        """Advance the next slab by `settings.epochs` epochs, or as many of them as its trials have left."""
        at = self.next
        slab, ids = self.slabs[at], self.layout[at]
        advanced, seconds = self.programs.call(slab, self.until)
        self.slabs[at] = slab._replace(state=advanced.state, clocks=advanced.clocks)
        ran = self._note(ids, advanced.log, seconds)
        ended = self._let_go(ids, self.slabs[at], np.asarray(advanced.live))
        self.next += 1
        if self.next == len(self.slabs):
            self._pack()
        return Call(ended, ran, seconds)

    def prune(self, unwanted: Iterable[int]) -> list[Ended]:
        """Take these trials out, those of them that have not ended; nobody may be seated."""
        return [
            Ended(trial, "pruned", self._history(trial), self.parked.pop(trial))
            for trial in sorted(unwanted)
            if trial in self.parked
        ]

    def snapshot(self) -> Snapshot:
        """The state of everybody who has begun and not ended, and how they are seated."""
        facts = {
            "waiting": self.waiting,
            "best": {str(trial): loss for trial, loss in self.best.items()},
            "layout": [ids.tolist() for ids in self.layout],
            "going": sorted(self.going),
            "clocks": [np.asarray(slab.clocks).tolist() for slab in self.slabs],
            "next": self.next,
            "until": self.until,
            "devices": self.programs.mesh.size,
            "shapes": sorted(self.programs.shapes),
        }
        states = self._states()
        return snapshots.taken(states, {i: histories.joined(self.histories[i]) for i in states}, facts)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot: seated as it was, if there are as many devices; else packed anew."""
        facts = snapshot.facts
        self.waiting, self.until = list(facts["waiting"]), facts["until"]
        self._unbegun = Counter(map(self._origin, self.waiting))
        self.best = {int(trial): loss for trial, loss in facts["best"].items()}
        for trial, (state, history) in snapshots.trials_of(snapshot).items():
            self.parked[trial], self.histories[trial] = state, [history]
        if facts["devices"] == self.programs.mesh.size:
            self.programs.shapes = set(map(tuple, facts["shapes"]))
            found = zip(facts["layout"], facts["clocks"], strict=True)
            slabs = [(np.asarray(ids), np.asarray(clocks, np.int32)) for ids, clocks in found]
            alive = [bool(np.isin(ids, facts["going"]).any()) for ids, _ in slabs]  # not all, where a round was cut
            kept = [slab for slab, some in zip(slabs, alive, strict=True) if some]
            self._seat([ids for ids, _ in kept], set(facts["going"]), [clocks for _, clocks in kept])
            self.next = sum(alive[: facts["next"]])
            if self.until and self.next == len(self.slabs):
                self._pack()
        elif self.until:
            self._pack()

    def _pack(self) -> None:
        """Between two rounds: those who ended have left their places, those who wait move in, and rows close up."""
        self.next = 0
        left = [self._place(trial) for trial in sorted([*self.going, *self._entering()])]
        shape = packing.Terms(self.programs.mesh.size, self.settings.chunk, self.settings.price)
        layout = packing.packed_anew(self.layout, left, shape, self.programs.shapes)
        kept = {ids.tobytes(): slab for ids, slab in zip(self.layout, self.slabs, strict=True)}
        if all(ids.tobytes() in kept for ids in layout):
            self.layout, self.slabs = layout, [kept[ids.tobytes()] for ids in layout]
            return
        self._park_all()
        self._seat(layout, {place.trial for place in left})

    def _entering(self) -> list[int]:
        """Who is to be seated now: once there is room for a whole slab of them, for all of them, or nobody is seated."""
        queue = [trial for trial in sorted(self.parked) if self._place(trial).epoch < self.until] + self.waiting
        room = self.settings.resident - len(self.going)
        if self.going and room < min(len(queue), self.settings.chunk * self.programs.mesh.size):
            return []
        entering = queue[: max(room, 0)]
        beginning = [trial for trial in entering if trial not in self.parked]
        self.waiting = self.waiting[len(beginning) :]
        for trial in beginning:
            self.parked[trial], self.histories[trial] = self._begin(trial), []
        return entering

    def _place(self, trial: int) -> Place:
        return Place(trial, self.numbers[trial].seed, sum(map(len, self.histories[trial])))

    def _begin(self, trial: int) -> TrainState:
        """The state before the first epoch: as `loop.begin` makes it, once for all trials that share it."""
        origin = self._origin(trial)
        if origin not in self._first:
            key = jax.random.key(origin[0], impl=fitting.PRNG)
            state = fitting.compiled_begin(self.spec, fitting.traced(self.numbers[trial].hyper), key)
            self._first[origin] = jax.device_get(state)
        self._unbegun[origin] -= 1
        return self._first[origin] if self._unbegun[origin] else self._first.pop(origin)

    def _origin(self, trial: int) -> Origin:
        hyper, seed = self.numbers[trial]
        return seed, hyper.init_scale if self.spec.network.init == "uniform" else 0.0

    def _seat(self, layout: Layout, going: set[int], clocks: list[np.ndarray] | None = None) -> None:
        """Make the slabs of a layout from the parked states of those who are `going`.

        The clocks [devices, S] of each slab are the trials' epochs if they are not given.
        """
        epochs = {trial: self._place(trial).epoch for trial in going}
        states = {trial: self.parked.pop(trial) for trial in going}
        self.layout, self.slabs, self.going = layout, [], going
        for index, ids in enumerate(layout):
            at = np.vectorize(lambda trial: epochs.get(int(trial), 0), otypes=[np.int32])(ids).max(axis=-1)
            self.slabs.append(self._slab(ids, states, at if clocks is None else clocks[index]))

    def _slab(self, ids: np.ndarray, going: Mapping[int, TrainState], clocks: np.ndarray) -> Slab:
        """The arrays of a slab. A place of nobody who is going holds a copy of a trial, with no epoch left."""
        stand_in = next(int(trial) for trial in ids.flat if trial in going)
        ended = going[stand_in]._replace(epoch=np.asarray(self.spec.training.max_epochs, np.int32))
        states = stacked([going.get(int(trial), ended) for trial in ids.flat])
        numbers = [self.numbers[int(trial)] for trial in np.where(ids == EMPTY, stand_in, ids).flat]
        hyper = stacked([fitting.typed(number.hyper) for number in numbers])
        state, hyper = jax.tree.map(lambda leaf: leaf.reshape(ids.shape + leaf.shape[1:]), (states, hyper))
        seeds = [number.seed for number in numbers[:: ids.shape[-1]]]  # of each row: that of its first place
        return program.slab(self.programs.mesh, hyper, seeds, state, clocks)

    def _states(self) -> dict[int, TrainState]:
        """Everybody who has begun and not ended; NumPy."""
        found = dict(self.parked)
        for ids, slab in zip(self.layout, self.slabs, strict=True):
            host = jax.device_get(slab.state)
            for place in np.ndindex(*ids.shape):
                if (trial := int(ids[place])) in self.going:
                    found[trial] = jax.tree.map(lambda leaf, place=place: leaf[place], host)
        return found

    def _park_all(self) -> None:
        self.parked = self._states()
        self.layout, self.slabs, self.going, self.next = [], [], set(), 0

    def _note(self, ids: np.ndarray, log: EpochLog, seconds: float) -> int:
        """Add the epochs of a call to the histories, and return how many trials' epochs they are."""
        log = jax.device_get(log)
        ran = np.asarray(log.ran)  # [devices, S, P, E]
        counts = ran.sum(axis=-1)
        total = int(counts[np.isin(ids, list(self.going))].sum())
        rows = histories.rows_of(log, seconds / max(total, 1))
        losses = rows[..., COLUMNS.index("validation_loss")]
        for place in np.ndindex(*ids.shape):
            trial = int(ids[place])
            if trial not in self.going or not counts[place]:
                continue
            self.histories[trial].append(rows[place][: counts[place]])  # epochs that ran come first
            seen = losses[place][: counts[place]]
            best = min(self.best.get(trial, np.inf), float(np.min(seen, initial=np.inf, where=np.isfinite(seen))))
            if np.isfinite(best):
                self.best[trial] = best
        return total

    def _let_go(self, ids: np.ndarray, slab: Slab, live: np.ndarray) -> list[Ended]:
        """The trials of a slab that have ended; those at the end of the stage are parked."""
        going = live & (np.asarray(slab.clocks) < self.until)[..., None]
        places = [place for place in np.ndindex(*ids.shape) if int(ids[place]) in self.going and not going[place]]
        if not places:
            return []
        host, ended = jax.device_get(slab.state), []
        for place in places:
            trial = int(ids[place])
            state = jax.tree.map(lambda leaf, place=place: leaf[place], host)
            self.going.remove(trial)
            if live[place]:
                self.parked[trial] = state
            else:
                status = fitting.stop_reason(self.spec, state)
                if status == "diverged":
                    self.best.pop(trial, None)
                ended.append(Ended(trial, status, self._history(trial), state))
        return ended

    def _history(self, trial: int) -> History:
        return histories.joined(self.histories.pop(trial))
