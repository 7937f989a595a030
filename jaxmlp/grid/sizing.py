"""How many trials go together: guessed from the sizes, or measured; and what a grid takes in memory."""

import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import psutil

from jaxmlp.grid.packing import Packing
from jaxmlp.grid.program import Device, Programs
from jaxmlp.grid.scheduler import Scheduler
from jaxmlp.grid.trials import Trial
from jaxmlp.grid.units import PIECES
from jaxmlp.machine import cores
from jaxmlp.spec import Hyper, Spec, Splits
from jaxmlp.training import loop
from jaxmlp.training.precision import precision

CALL_SECONDS = 0.2  # a call of the program takes about so long: what the host does between two is little against it
MOST_EPOCHS = 10  # of a call: trials that have finished keep their slots until its end
COMPILE_SECONDS = 2.0
TOGETHER = {"cpu": 2**18}  # weights of a chunk: on a CPU they stay in its cache; elsewhere they fill the device
TOGETHER_ELSEWHERE = 2**26
FLOPS = {"cpu": 5e10}  # a device's speed as guessed: for the lengths of calls, not for promises
FLOPS_ELSEWHERE = 5e12
Devices = Sequence[Device]
UNIT_SECONDS = 60.0  # of work of a unit, where a chunk is less
MOST_TRIALS = 4096  # of a unit
PROBED_STEPS = 24  # of each size that is tried
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))  # of cgroups 2, 1
BETTER = 0.97  # a larger or smaller chunk must take less than this share of the time to be preferred


class Probe(NamedTuple):
    """The measured seconds of an epoch of one trial on a device, all at work, for each chunk; and of compiling the best."""

    chunk: int
    seconds: float
    tried: dict[int, float]
    compile_seconds: float


def packing_for(
    spec: Spec,
    examples: int,
    device: Device,
    trials: int,
    *,
    alone: bool = False,
    chunk: int | None = None,
    resident: int | None = None,
    seconds: float | None = None,
) -> Packing:
    """How so many trials of a spec are packed, for so many training examples: as given, or guessed.

    `seconds` of an epoch of one trial on a device are as a probe measured them.
    """
    chunk = 1 if alone else chunk or guessed_chunk(spec, device.platform)
    seconds = seconds or guessed_seconds(spec, examples, device)
    epochs = int(np.clip(CALL_SECONDS / (seconds * chunk), 1, MOST_EPOCHS))
    if resident is None:
        resident = 1 if alone else max(chunk, memory_for_trials(device) // state_bytes(spec))
    unit = max(chunk, min(MOST_TRIALS, int(UNIT_SECONDS / (seconds * spec.training.max_epochs))))
    units = max(1, min(PIECES, trials // chunk))  # that share the programs they compile
    return Packing(chunk, epochs, resident, COMPILE_SECONDS / seconds / units, unit)


def guessed_chunk(spec: Spec, platform: str) -> int:
    """The power of two whose weights come nearest to what a device works on best."""
    together = TOGETHER.get(platform, TOGETHER_ELSEWHERE)
    together *= 2 if spec.training.compute_dtype == "bfloat16" else 1  # their products read half the bytes
    return 1 << max(0, round(np.log2(together / weights(spec))))


def guessed_seconds(spec: Spec, examples: int, device: Device) -> float:
    """Of an epoch of one trial: 6 operations for each weight and example (Kaplan et al. 2020, section 2.1)."""
    return 6 * weights(spec) * examples / FLOPS.get(device.platform, FLOPS_ELSEWHERE)


def weights(spec: Spec) -> int:
    """Weights and biases of the network."""
    return sum((inputs + 1) * outputs for inputs, outputs in zip(spec.sizes, spec.sizes[1:], strict=False))


def state_bytes(spec: Spec) -> int:
    """Of the training state of one trial."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(loop.state_shapes(spec)))


def memory_for_trials(device: Device) -> int:
    """Bytes that the states of trials may take: half of what a device has free, a share on a CPU (checkpoints copy)."""
    stats = device.memory_stats()
    if stats:
        return (stats["bytes_limit"] - stats["bytes_in_use"]) // 2
    return free_on_host() // 8 // cores()


def free_on_host() -> int:
    """Bytes that processes can take: what is available, or the limit of the container where that is lower."""
    limits = [psutil.virtual_memory().available]
    for path in LIMITS:
        with contextlib.suppress(OSError, ValueError):  # no such file; "max"
            limits.append(int(path.read_text()))
    return min(limits)


def free_on_device(devices: Devices) -> int | None:
    """Bytes that are free on the device with the least; None where devices do not say, as CPUs do not."""
    stats = [device.memory_stats() for device in devices]
    return min(memory["bytes_limit"] - memory["bytes_in_use"] for memory in stats if memory) if all(stats) else None


def probe(spec: Spec, splits: Splits, devices: Devices, trials: int, seeds: int, *, chunk: int | None = None) -> Probe:
    """Try chunks, from the guessed one up or down as long as that pays, on the first examples of the data.

    `trials` of a spec have `seeds` different seeds: that says how many of them can share a batch. With a `chunk`, only
    that one is tried. A few compiles, and PROBED_STEPS steps of each.
    """
    examples = min(len(splits.train.x), PROBED_STEPS * spec.training.batch_size)
    train = jax.tree.map(lambda leaf: leaf[:examples], splits.train)
    probed_splits = Splits(train, *(jax.tree.map(lambda leaf: leaf[:1], split) for split in splits[1:]))
    per_seed = -(-trials // seeds)
    most = 1 << (max(1, -(-trials // len(devices))) - 1).bit_length()
    scale = len(splits.train.x) / examples
    tried: dict[int, float] = {}
    compiled: dict[int, float] = {}

    def seconds(size: int) -> float:
        if size not in tried:
            took, compiled[size] = _timed(spec, probed_splits, devices, size, per_seed)
            tried[size] = scale * took
        return tried[size]

    best = chunk or min(guessed_chunk(spec, devices[0].platform), most)
    seconds(best)
    for factor in () if chunk else (2, 0.5):
        while 1 <= best * factor <= most and seconds(int(best * factor)) < BETTER * seconds(best):
            best = int(best * factor)
    return Probe(best, tried[best], tried, compiled[best])


def _timed(spec: Spec, splits: Splits, devices: Devices, chunk: int, per_seed: int) -> tuple[float, float]:
    """Seconds of an epoch of one trial with `chunk` trials on each device, all at work; and of compiling their program."""
    trials = {i: Trial(Hyper(learning_rate=1e-3, patience=0), i // per_seed) for i in range(chunk)}
    programs = [Programs(spec, device, 1, alone=False) for device in devices]

    def on_device(programs: Programs) -> float:
        with precision(spec.training):
            return measured(programs)

    def measured(programs: Programs) -> float:
        scheduler = Scheduler(programs, trials, Packing(chunk, 1, chunk, 0.0), spec.training.max_epochs)
        programs.load(splits)
        scheduler.begin()
        calls = []
        started = time.perf_counter()
        while scheduler.has_call and len(calls) < 4 and (len(calls) < 2 or time.perf_counter() - started < 1):
            call = scheduler.call()
            calls.append(call.seconds / call.epochs)
        return min(calls)

    with ThreadPoolExecutor(len(devices)) as threads:
        seconds = max(threads.map(on_device, programs))
    return seconds, sum(programs[0].seconds_of.values())
