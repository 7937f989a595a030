"""Which trial gets which slot of a device: a pure function of the unfinished trials, so a resumed unit packs itself alike.

A layout is a list of batches of trials, each an array [S, P] of trial numbers: S seed groups of P trials, -1 for an empty
slot. Trials of a seed group have one seed and are at one epoch. S and P are powers of two, so that few programs are
compiled however many trials are left. Which trials a worker has at all, `units.cut` decides; how many go together,
`sizing.packing_for` guesses, or a probe measures.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np

EMPTY = -1
HORIZON = 8  # epochs that a layout is expected to last
FILLED = 0.75  # least share of the seed groups of a last batch; below it a smaller batch takes what it can
SAVING = 0.75  # a new layout, which copies states, must cost no more than this share of the old one


class Packing(NamedTuple):
    """How trials are packed. The last bits of a result depend on it, so it is kept with a sweep."""

    chunk: int  # most trials of one call: a power of two
    epochs: int  # of one call
    resident: int  # most trials on a device at a time; the others wait
    price: float  # of compiling a new shape, in epochs of a trial
    unit: int = 2**30  # most trials of a work unit


class SlotRequest(NamedTuple):
    """A trial that needs a slot, and what decides with which trials it can share a seed group."""

    trial: int
    seed: int
    epoch: int


Layout = list[np.ndarray]
SeedGroups = list[list[int]]
Shape = tuple[int, ...]  # S, P


def plan(requests: Iterable[SlotRequest], packing: Packing, known: Collection[Shape] = ()) -> Layout:
    """The cheapest layout for the trials that need a slot, when the shapes in `known` are compiled already."""
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for request in sorted(requests, key=lambda request: (request.epoch, request.seed, request.trial)):
        alike[request.epoch, request.seed].append(request.trial)
    if not alike:
        return []
    width = min(packing.chunk, power_above(max(map(len, alike.values()))))
    groups = _seed_groups(alike.values(), width)
    S = min(packing.chunk // width, power_above(len(groups)))
    shapes = sorted({(S, width), *known}, reverse=True)
    candidates = [_even(alike.values(), shape) for shape in shapes] + [_tight(groups, packing.chunk)]
    return min(candidates, key=lambda layout: cost(layout, packing, known))


def repacked(layout: Layout, requests: Collection[SlotRequest], packing: Packing, known: Collection[Shape]) -> Layout:
    """The layout to go on with: the old one without its batches of finished trials, or a new one if that saves enough."""
    trials = [request.trial for request in requests]
    kept = [batch for batch in layout if np.isin(batch, trials).any()]
    new = plan(requests, packing, known)
    all_have_slots = np.isin(trials, [trial for batch in kept for trial in batch.flat]).all()
    return kept if all_have_slots and cost(new, packing, known) > SAVING * cost(kept, packing, known) else new


def cost(layout: Layout, packing: Packing, known: Collection[Shape]) -> float:
    """In epochs of a trial: the slots, taken or empty, and the shapes that are to be compiled."""
    new = {batch.shape for batch in layout} - set(known)
    return float(HORIZON * slots_of(layout) + packing.price * len(new))


def slots_of(layout: Layout) -> int:
    """How many slots the batches have, taken or empty: what an epoch costs."""
    return sum(batch.size for batch in layout)


def _even(alike: Iterable[Sequence[int]], shape: Shape) -> Layout:
    """Batches of one shape only."""
    S, width = shape
    groups = _seed_groups(alike, width)
    return [_batch(groups[i : i + S], shape) for i in range(0, len(groups), S)]


def _tight(groups: SeedGroups, chunk: int) -> Layout:
    """Each seed group as wide as the power of two that holds it; batches no larger than needed."""
    of_width: dict[int, SeedGroups] = defaultdict(list)
    for group in groups:
        of_width[power_above(len(group))].append(group)
    layout = []
    for width, left in sorted(of_width.items(), reverse=True):
        while left:
            S = min(chunk // width, power_above(len(left)))
            if S > 1 and len(left) < FILLED * S:
                S //= 2
            layout.append(_batch(left[:S], (S, width)))
            left = left[S:]
    return layout


def _seed_groups(alike: Iterable[Sequence[int]], width: int) -> SeedGroups:
    return [list(trials[i : i + width]) for trials in alike for i in range(0, len(trials), width)]


def _batch(groups: SeedGroups, shape: Shape) -> np.ndarray:
    batch = np.full(shape, EMPTY)
    for slots, group in zip(batch, groups, strict=False):
        slots[: len(group)] = group
    return batch


def power_above(number: int) -> int:
    """The least power of two that is not below."""
    return 1 << (number - 1).bit_length()
