"""What a sweep will take, before it is begun: memory by reckoning, time by a short probe."""

import resource
import sys
from collections.abc import Sequence
from typing import NamedTuple

import psutil

from jaxmlp.runs import sweep_groups
from jaxmlp.runs.sweep_groups import Asked, SweepGroup
from jaxmlp.training import sizing
from jaxmlp.training.cohort import Packing
from jaxmlp.training.members import Devices

FOUR = 4  # bytes of a number


class GroupEstimate(NamedTuple):
    """What one group will take."""

    sizes: tuple[int, ...]
    members: int
    chunk: int
    seconds_an_epoch: float  # of all its members
    most_seconds: float  # if none of them stops early
    memory: int  # of a process at its peak, in bytes


def estimate(groups: Sequence[SweepGroup], devices: Devices, asked: Asked, processes: int) -> list[GroupEstimate]:
    """The time of each group, by a probe of the chunk that it would run with, and its memory."""
    found = []
    for group in groups:
        chunk = 1 if asked.sequential else asked.chunk
        measured = sweep_groups.probed(group, devices, chunk=chunk)
        settings = sweep_groups.settings_of(group, devices, asked, measured)
        epoch = measured.seconds * len(group.members) / processes
        most = epoch * group.spec.training.max_epochs
        bytes_ = memory([group], [settings], devices, processes)
        found.append(GroupEstimate(group.spec.sizes, len(group.members), measured.chunk, epoch, most, bytes_))
    return found


def memory(groups: Sequence[SweepGroup], settings: Sequence[Packing], devices: Devices, processes: int) -> int:
    """Bytes at the peak, of this process: what it holds now, and what its largest group will add."""
    return psutil.Process().memory_info().rss + max(
        _of_group(group, setting, devices, processes) for group, setting in zip(groups, settings, strict=True)
    )


def _of_group(group: SweepGroup, settings: Packing, devices: Devices, processes: int) -> int:
    members = -(-len(group.members) // processes)
    state = sizing.state_bytes(group.spec)
    data = sum(group.rows) * (group.spec.inputs + 1) * FOUR * len(devices)
    return data + members * state


def peak_bytes() -> int:
    """The most memory that this process has held at a time."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
