"""What a sweep will take, before it is begun: memory from its compiled programs, time by a short probe."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import psutil
from jax.sharding import SingleDeviceSharding

from jaxmlp.errors import JaxmlpError
from jaxmlp.grid import program, pruning, sizing, units
from jaxmlp.grid.packing import Packing, SlotRequest, plan
from jaxmlp.grid.program import Device
from jaxmlp.grid.pruning import Prune
from jaxmlp.grid.sizing import Devices
from jaxmlp.sweep import groups as sweep_groups
from jaxmlp.sweep.groups import SweepGroup
from jaxmlp.sweep.options import Options

# of the states, while a checkpoint is written: taken off the devices, stacked, as bytes, and these with a sorted header,
# which is put together of two
CHECKPOINT_COPIES = 5
RESIDENT_ADVICE = "take a smaller --resident, --chunk, network or data set"


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
    prune: Prune | None,
) -> Estimate:
    """The time of each group on so many workers, by a probe of the chunk that it would run with; and the memory of all.

    Compiles the program of every group, as the sweep would.
    """
    estimates, programs = [], []
    for group, differs in zip(groups, differences(groups), strict=True):
        measured = sweep_groups.probed(group, devices, chunk=1 if options.sequential else options.chunk)
        packing = sweep_groups.packing_of(group, devices[0], options, measured)
        programs.append(_program(group, packing, devices[0], alone=options.sequential))
        epoch = measured.seconds * len(group.trials) / len(devices)
        estimates.append(
            GroupEstimate(
                differs,
                group.spec.sizes,
                len(group.trials),
                measured.chunk,
                epoch_seconds=epoch,
                most_seconds=epoch * group.spec.training.max_epochs,
                compile_seconds=measured.compile_seconds,
            )
        )
    most_epochs = sum(len(group.trials) * group.spec.training.max_epochs for group in groups)
    epochs = most_epochs
    if prune is not None:
        longest = max(group.spec.training.max_epochs for group in groups)
        seeds = max(group.seeds for group in groups)
        configurations = sum(len(group.trials) for group in groups) // seeds
        epochs = min(epochs, seeds * pruning.most_epochs(configurations, prune.rung_epochs, prune.keep, longest))
    seconds = sum(group.most_seconds for group in estimates) * epochs / most_epochs
    saves = seconds > options.checkpoint_seconds
    memory = _memory(programs, devices, saves=saves, together=prune is not None)
    return Estimate(estimates, memory, epochs, seconds, sum(group.compile_seconds for group in estimates))


def differences(groups: Sequence[SweepGroup]) -> list[str]:
    """For each group the values of those keys in which groups, but not the trials of one, differ."""
    values = [group.common() for group in groups]
    keys = [key for key in values[0] if all(key in common for common in values)]
    keys = [key for key in keys if len({str(common[key]) for common in values}) > 1]
    return [", ".join(_shown(common[key]) for key in keys) for common in values]


def _shown(value: Any) -> str:
    return "-".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)


class _Program(NamedTuple):
    """The bytes of one group."""

    compiled: jax.stages.Compiled  # kept, as the sweep keeps it
    data: int  # for each worker
    call: int  # that a call takes, beside its arguments
    resident: int  # the states of the trials that have slots of a worker at a time
    unit: int  # the states of the trials of a unit


def _program(group: SweepGroup, packing: Packing, device: Device, *, alone: bool) -> _Program:
    """The program of the largest batch of trials of a group, compiled."""
    grid, state = group.trials.grid, sizing.state_bytes(group.spec)
    numbers, splits = grid.numbers(group.number), group.data().splits
    unit = numbers[: units.size(len(numbers), packing)]
    first = unit[: packing.resident]
    layout = plan([SlotRequest(number, grid.seed(number), 0) for number in first], packing)
    place = SingleDeviceSharding(device)
    compiled = program.compile_call(
        group.spec,
        packing.epochs,
        program.batch_shapes(device, group.spec, max(layout, key=lambda batch: batch.size).shape),
        jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), splits),
        alone=alone,
    )
    analysis = compiled.memory_analysis()
    call = 0 if analysis is None else analysis.temp_size_in_bytes + analysis.output_size_in_bytes
    data = sum(x.nbytes for x in jax.tree.leaves(splits))
    return _Program(compiled, data, call, state * len(first), state * len(unit))


def _memory(programs: Sequence[_Program], devices: Devices, *, saves: bool, together: bool) -> int:
    """Bytes at the peak: of a device, or where the devices are a CPU, of the process.

    A process holds its programs and the data already. States lie on the devices, and once more in the memory of the
    host while trials are repacked, or as often as a checkpoint copies them; with rungs (`together`) those of all trials
    of a unit, which wait for the next stage.
    """
    if devices[0].platform != "cpu":
        return max(group.data + group.call + group.resident for group in programs)
    held = psutil.Process().memory_info().rss
    begun = max(group.unit if together else group.resident for group in programs)
    work = max(group.data + group.call + group.resident for group in programs)
    return held + len(devices) * (work + begun * (CHECKPOINT_COPIES if saves or together else 1))


def check_memory(groups: Sequence[SweepGroup], devices: Devices, options: Options) -> None:
    """Raise JaxmlpError where a sweep surely needs more memory than there is. Compiles nothing, writes nothing.

    Counted are the data and the states alone, those of the trials that have slots at a time. Checkpoints and what a call
    takes come on top.
    """
    most = 0
    for group in groups:
        packing = sweep_groups.packing_of(group, devices[0], options)
        trials = min(packing.resident, units.size(len(group.trials), packing))
        data = sum(group.examples) * 4 * (group.spec.inputs + 1)  # float32, and the label
        most = max(most, data + trials * sizing.state_bytes(group.spec))
    if devices[0].platform != "cpu":
        free = sizing.free_on_device(devices)
        if free is not None and most > free:
            raise JaxmlpError(_too_little(most, free, "on a device", RESIDENT_ADVICE))
    elif most * len(devices) > (free := sizing.free_on_host()):
        raise JaxmlpError(_too_little(most * len(devices), free, "here", RESIDENT_ADVICE))


def shortage(cost: Estimate, devices: Devices) -> str | None:
    """A line for a dry run whose estimate is more than there is; None where it fits."""
    on_cpu = devices[0].platform == "cpu"
    free = sizing.free_on_host() + psutil.Process().memory_info().rss if on_cpu else sizing.free_on_device(devices)
    if free is None or cost.memory <= free:
        return None
    return f"warning: {_too_little(cost.memory, free, 'here' if on_cpu else 'on a device', RESIDENT_ADVICE)}"


def _too_little(needed: int, free: int, where: str, advice: str) -> str:
    return (
        f"too little memory: this sweep takes {needed / 2**20:,.0f} MiB or more, {free / 2**20:,.0f} MiB are free"
        f" {where}; {advice}"
    )
