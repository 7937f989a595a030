"""Which trial sits where: a pure function of the trials that are left, so that a resumed grid packs itself alike.

A layout is a list of slabs, each an array [devices, S, P] of trial numbers: S rows of P trials on each device, -1 for
an empty place. Trials of a row have one seed and are at one epoch. S and P are powers of two, so that few programs are
compiled however many trials are left.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np

EMPTY = -1
HORIZON = 8  # epochs for which a layout is thought to last
FILLED = 0.75  # of a last slab at least; below that a smaller one takes what it can
SAVING = 0.75  # packing anew, which copies, must cost no more than this share of staying


class Terms(NamedTuple):
    """What a layout is made for."""

    devices: int
    chunk: int  # trials on a device at a time, at most: a power of two
    price: float  # of a shape that is not compiled yet, in epochs of a trial


class Place(NamedTuple):
    """A trial that is left, and what decides with whom it can share a row."""

    trial: int
    seed: int
    epoch: int


Layout = list[np.ndarray]
Rows = list[list[int]]
Shape = tuple[int, ...]  # devices, S, P


def plan(places: Iterable[Place], terms: Terms, known: Collection[Shape] = ()) -> Layout:
    """The cheapest layout for the trials that are left, when the shapes in `known` are compiled already."""
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place in sorted(places, key=lambda place: (place.epoch, place.seed, place.trial)):
        groups[place.epoch, place.seed].append(place.trial)
    if not groups:
        return []
    width = min(terms.chunk, _power_above(max(map(len, groups.values()))))
    rows = len([0 for trials in groups.values() for _ in range(0, len(trials), width)])
    S = min(terms.chunk // width, _power_above(-(-rows // terms.devices)))
    shapes = sorted({(terms.devices, S, width), *(shape for shape in known if shape[0] == terms.devices)}, reverse=True)
    candidates = [_even(groups.values(), shape) for shape in shapes] + [_tight(_rows(groups.values(), width), terms)]
    return min(candidates, key=lambda layout: cost(layout, terms, known))


def packed_anew(layout: Layout, left: Collection[Place], terms: Terms, known: Collection[Shape]) -> Layout:
    """The layout to go on with: the old one without the slabs in which nobody is left, or a new one if that saves enough."""
    numbers = [place.trial for place in left]
    kept = [slab for slab in layout if np.isin(slab, numbers).any()]
    fresh = plan(left, terms, known)
    seated = np.isin(numbers, [trial for slab in kept for trial in slab.flat]).all()
    return kept if seated and cost(fresh, terms, known) > SAVING * cost(kept, terms, known) else fresh


def cost(layout: Layout, terms: Terms, known: Collection[Shape]) -> float:
    """In epochs of a trial: the places, taken or not, and what is to be compiled."""
    new = {slab.shape for slab in layout} - set(known)
    return float(HORIZON * places_of(layout) + terms.price * len(new))


def places_of(layout: Layout) -> int:
    """How many places the slabs have, taken or not: what an epoch costs."""
    return sum(slab.size for slab in layout)


def _even(groups: Iterable[Sequence[int]], shape: Shape) -> Layout:
    """Slabs of one shape only."""
    devices, S, width = shape
    rows = _rows(groups, width)
    return [_slab(rows[i : i + devices * S], shape) for i in range(0, len(rows), devices * S)]


def _tight(rows: Rows, terms: Terms) -> Layout:
    """Each row as wide as the power of two that holds it; slabs no larger than needed."""
    of_width: dict[int, Rows] = defaultdict(list)
    for row in rows:
        of_width[_power_above(len(row))].append(row)
    layout = []
    width = max(of_width)
    while width:
        left = of_width[width]
        while left:
            share = len(left) / terms.devices
            if share < 1 and width > 1:  # not a row for each device: halves
                for row in left:
                    half = -(-len(row) // 2)
                    of_width[width // 2] += [part for part in (row[:half], row[half:]) if part]
                break
            S = min(terms.chunk // width, _power_above(-(-len(left) // terms.devices)))
            if S > 1 and share < FILLED * S:
                S //= 2
            layout.append(_slab(left[: terms.devices * S], (terms.devices, S, width)))
            left = left[terms.devices * S :]
        width //= 2
    return layout


def _rows(groups: Iterable[Sequence[int]], width: int) -> Rows:
    return [list(trials[i : i + width]) for trials in groups for i in range(0, len(trials), width)]


def _slab(rows: Rows, shape: Shape) -> np.ndarray:
    devices, S, width = shape
    slab = np.full((devices * S, width), EMPTY)
    for index, row in enumerate(rows):  # dealt out, so that no device is left with the empty ones
        slab[(index % devices) * S + index // devices, : len(row)] = row
    return slab.reshape(shape)


def _power_above(number: int) -> int:
    """The least power of two that is not below."""
    return 1 << (number - 1).bit_length()
