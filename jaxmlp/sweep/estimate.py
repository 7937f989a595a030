"""What a sweep will take, before it is begun: memory by reckoning, time by a short probe."""

import resource
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import psutil

from jaxmlp.grid import pruning, sizing
from jaxmlp.grid.packing import Packing
from jaxmlp.grid.program import Devices
from jaxmlp.grid.pruning import Prune
from jaxmlp.sweep import groups as sweep_groups
from jaxmlp.sweep.groups import SweepGroup
from jaxmlp.sweep.options import Options

FOUR = 4  # bytes of a number
COMPILER = 290 * 2**20  # bytes that the first compile leaves in a process, as measured (JAX 0.10.2, x86)
PROGRAM = 25 * 2**20  # and that each further program does
SEATED = 2.0  # times the states of trials that are resident, as NumPy stacks them and the devices hold them
SAVING = 60 * 2**20  # bytes that the first checkpoint takes, however small
SAVED = 4.5  # times the states of all that have begun more, while a checkpoint is written: taken off, sorted, encoded


class GroupEstimate(NamedTuple):
    """What one group will take, if none of its trials stops early or is pruned."""

    differs: str  # in which keys, and how, from the other groups
    sizes: tuple[int, ...]
    trials: int
    chunk: int
    epoch_seconds: float  # of all its trials
    most_seconds: float
    compile_seconds: float  # of one program


class Estimate(NamedTuple):
    """What a sweep will take at most; pruning is counted, early stopping is not."""

    groups: list[GroupEstimate]
    memory: int  # bytes at the peak: of a process on CPU devices, else of a device
    epochs: int  # of trials, all together
    seconds: float
    compile_seconds: float


def estimate(
    groups: Sequence[SweepGroup],
    devices: Devices,
    options: Options,
    processes: int,
    checkpoint_seconds: float,
    prune: Prune | None,
) -> Estimate:
    """The time of each group, by a probe of the chunk that it would run with; and the memory of all."""
    held = psutil.Process().memory_info().rss  # the data among it; what compiling adds is added below
    found, packings = [], []
    for group, differs in zip(groups, differences(groups), strict=True):
        measured = sweep_groups.probed(group, devices, chunk=1 if options.sequential else options.chunk)
        packings.append(sweep_groups.settings_of(group, devices, options, measured))
        epoch = measured.seconds * len(group.trials) / processes
        most = epoch * group.spec.training.max_epochs
        about = (group.spec.sizes, len(group.trials), measured.chunk, epoch, most, measured.compile_seconds)
        found.append(GroupEstimate(differs, *about))
    whole = sum(len(group.trials) * group.spec.training.max_epochs for group in groups)
    epochs = whole
    if prune is not None:
        longest = max(group.spec.training.max_epochs for group in groups)
        seeds = max(group.seeds for group in groups)
        configurations = sum(len(group.trials) for group in groups) // seeds
        epochs = min(whole, seeds * pruning.most_epochs(configurations, prune.rung_epochs, prune.keep, longest))
    seconds = sum(group.most_seconds for group in found) * epochs / whole
    saved = seconds > checkpoint_seconds
    memory = _memory(groups, packings, devices, held, processes, saved=saved, together=prune is not None)
    return Estimate(found, memory, epochs, seconds, sum(group.compile_seconds for group in found))


def differences(groups: Sequence[SweepGroup]) -> list[str]:
    """For each group the values of those keys in which groups, but not the trials of one, differ."""
    values = [group.common() for group in groups]
    keys = [key for key in values[0] if all(key in found for found in values)]
    keys = [key for key in keys if len({str(found[key]) for found in values}) > 1]
    return [", ".join(_shown(found[key]) for key in keys) for found in values]


def _shown(value: Any) -> str:
    return "-".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)


def _memory(
    groups: Sequence[SweepGroup],
    packings: Sequence[Packing],
    devices: Devices,
    held: int,
    processes: int,
    *,
    saved: bool,
    together: bool,
) -> int:
    """Groups come one after the other; but with rungs (`together`) the trials of all have begun before any leaves."""
    seated, begun, data = [], [], []
    for group, packing in zip(groups, packings, strict=True):
        state, mine = sizing.state_bytes(group.spec), -(-len(group.trials) // processes)
        resident = min(mine, packing.resident)
        begun.append(state * (mine if together else resident))
        data.append(sum(group.rows) * (group.spec.inputs + 1) * FOUR)
        if devices[0].platform == "cpu":
            seated.append(state * (resident * SEATED + packing.chunk * len(devices)))
        else:
            seated.append(state * (-(-resident // len(devices)) + packing.chunk))
    if devices[0].platform != "cpu":
        return max(data) + round(max(seated))
    states = sum(begun) if together else max(begun)
    compiled = COMPILER + PROGRAM * (len(groups) - 1)
    checkpoint = (SAVING + SAVED * states) * saved
    return held + compiled + max(data) * len(devices) + round(max(seated) + states * together + checkpoint)


def peak_bytes() -> int:
    """The most memory that this process has held at a time."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
