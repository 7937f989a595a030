"""What a sweep will take, before it is begun: memory by reckoning, time by a short probe."""

import resource
import sys
from collections.abc import Sequence
from typing import NamedTuple

from jaxmlp.runs import sweep_groups
from jaxmlp.runs.sweep_groups import Asked, SweepGroup
from jaxmlp.training import sizing
from jaxmlp.training.cohort import Packing
from jaxmlp.training.members import Devices

FOUR = 4  # bytes of a number
SEATED = 2.0  # times the states of members that are resident, as NumPy stacks them and the devices hold them
SAVED = 4.5  # times the states of all that have begun more, while a checkpoint is written: taken off, sorted, encoded


class GroupEstimate(NamedTuple):
    """What one group will take."""

    sizes: tuple[int, ...]
    members: int
    chunk: int
    seconds_an_epoch: float  # of all its members
    most_seconds: float  # if none of them stops early
    memory: int  # bytes at the peak: of a process on CPU devices, else of a device


def estimate(
    groups: Sequence[SweepGroup],
    devices: Devices,
    asked: Asked,
    processes: int,
    checkpoint_seconds: float,
    *,
    pruned: bool,
) -> list[GroupEstimate]:
    """The time of each group, by a probe of the chunk that it would run with, and its memory.

    Where members are `pruned`, all begin before the first of them leaves.
    """
    found = []
    for group in groups:
        chunk = 1 if asked.sequential else asked.chunk
        measured = sweep_groups.probed(group, devices, chunk=chunk)
        epoch = measured.seconds * len(group.members) / processes
        most = epoch * group.spec.training.max_epochs
        packing = sweep_groups.settings_of(group, devices, asked, measured)
        mine = -(-len(group.members) // processes)
        begun = mine if pruned else min(mine, packing.resident)
        bytes_ = _memory(group, packing, devices, begun, saved=most > checkpoint_seconds)
        found.append(GroupEstimate(group.spec.sizes, len(group.members), measured.chunk, epoch, most, bytes_))
    return found


def _memory(group: SweepGroup, packing: Packing, devices: Devices, begun: int, *, saved: bool) -> int:
    """On CPU devices: what this process has held already (its data, its compiler), and what its members will add.

    `begun` is the most of its members that have begun and not ended.
    """
    state, resident = sizing.state_bytes(group.spec), min(begun, packing.resident)
    data = sum(group.rows) * (group.spec.inputs + 1) * FOUR
    if devices[0].platform != "cpu":
        return data + (-(-resident // len(devices)) + packing.chunk) * state
    states = resident * SEATED + (begun - resident) + begun * SAVED * saved + packing.chunk * len(devices)
    return peak_bytes() + data * len(devices) + round(states * state)


def peak_bytes() -> int:
    """The most memory that this process has held at a time."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
