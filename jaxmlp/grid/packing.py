"""Which trial gets which slot: a pure function of the unfinished trials, so that a resumed grid packs itself alike.

A layout is a list of batches of trials, each an array [devices, S, P] of trial numbers: S seed groups of P trials on each
device, -1 for an empty slot. Trials of a seed group have one seed and are at one epoch. S and P are powers of two, so
that few programs are compiled however many trials are left.
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

    chunk: int  # most trials of one call on a device: a power of two
    epochs: int  # of one call
    resident: int  # most trials on the devices at a time; the others wait
    price: float  # of compiling a new shape, in epochs of a trial


class Terms(NamedTuple):
    """What a layout is made for."""

    devices: int
    chunk: int  # most trials on a device at a time: a power of two
    price: float  # of a shape that is not compiled yet, in epochs of a trial


class SlotRequest(NamedTuple):
    """A trial that needs a slot, and what decides with which trials it can share a seed group."""

    trial: int
    seed: int
    epoch: int


Layout = list[np.ndarray]
SeedGroups = list[list[int]]
Shape = tuple[int, ...]  # devices, S, P


def plan(requests: Iterable[SlotRequest], terms: Terms, known: Collection[Shape] = ()) -> Layout:
    """The cheapest layout for the trials that need a slot, when the shapes in `known` are compiled already."""
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for request in sorted(requests, key=lambda request: (request.epoch, request.seed, request.trial)):
        alike[request.epoch, request.seed].append(request.trial)
    if not alike:
        return []
    width = min(terms.chunk, _power_above(max(map(len, alike.values()))))
    groups = _seed_groups(alike.values(), width)
    S = min(terms.chunk // width, _power_above(-(-len(groups) // terms.devices)))
    shapes = sorted({(terms.devices, S, width), *(shape for shape in known if shape[0] == terms.devices)}, reverse=True)
    candidates = [_even(alike.values(), shape) for shape in shapes] + [_tight(groups, terms)]
    return min(candidates, key=lambda layout: cost(layout, terms, known))


def repacked(layout: Layout, requests: Collection[SlotRequest], terms: Terms, known: Collection[Shape]) -> Layout:
    """The layout to go on with: the old one without its batches of finished trials, or a new one if that saves enough."""
    trials = [request.trial for request in requests]
    kept = [batch for batch in layout if np.isin(batch, trials).any()]
    new = plan(requests, terms, known)
    all_have_slots = np.isin(trials, [trial for batch in kept for trial in batch.flat]).all()
    return kept if all_have_slots and cost(new, terms, known) > SAVING * cost(kept, terms, known) else new


def cost(layout: Layout, terms: Terms, known: Collection[Shape]) -> float:
    """In epochs of a trial: the slots, taken or empty, and the shapes that are to be compiled."""
    new = {batch.shape for batch in layout} - set(known)
    return float(HORIZON * slots_of(layout) + terms.price * len(new))


def slots_of(layout: Layout) -> int:
    """How many slots the batches have, taken or empty: what an epoch costs."""
    return sum(batch.size for batch in layout)


def _even(alike: Iterable[Sequence[int]], shape: Shape) -> Layout:
    """Batches of one shape only."""
    devices, S, width = shape
    groups = _seed_groups(alike, width)
    return [_batch(groups[i : i + devices * S], shape) for i in range(0, len(groups), devices * S)]


def _tight(groups: SeedGroups, terms: Terms) -> Layout:
    """Each seed group as wide as the power of two that holds it; batches no larger than needed."""
    of_width: dict[int, SeedGroups] = defaultdict(list)
    for group in groups:
        of_width[_power_above(len(group))].append(group)
    layout = []
    width = max(of_width)
    while width:
        left = of_width[width]
        while left:
            share = len(left) / terms.devices
            if share < 1 and width > 1:  # fewer seed groups than devices: halve them
                for group in left:
                    middle = -(-len(group) // 2)
                    of_width[width // 2] += [half for half in (group[:middle], group[middle:]) if half]
                break
            S = min(terms.chunk // width, _power_above(-(-len(left) // terms.devices)))
            if S > 1 and share < FILLED * S:
                S //= 2
            layout.append(_batch(left[: terms.devices * S], (terms.devices, S, width)))
            left = left[terms.devices * S :]
        width //= 2
    return layout


def _seed_groups(alike: Iterable[Sequence[int]], width: int) -> SeedGroups:
    return [list(trials[i : i + width]) for trials in alike for i in range(0, len(trials), width)]


def _batch(groups: SeedGroups, shape: Shape) -> np.ndarray:
    devices, S, width = shape
    batch = np.full((devices * S, width), EMPTY)
    for index, group in enumerate(groups):  # dealt out, so that no device has all the empty slots
        batch[(index % devices) * S + index // devices, : len(group)] = group
    return batch.reshape(shape)


def _power_above(number: int) -> int:
    """The least power of two that is not below."""
    return 1 << (number - 1).bit_length()
