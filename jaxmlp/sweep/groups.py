"""The trials of a sweep by what is compiled for them: their data, their static description, how they are packed."""

import json
import os
import platform
import threading
from dataclasses import asdict
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax

from jaxmlp import files
from jaxmlp.data.config import Data
from jaxmlp.data.npz import cache_folder
from jaxmlp.errors import RunError
from jaxmlp.grid import sizing
from jaxmlp.grid.packing import Packing
from jaxmlp.grid.program import Device
from jaxmlp.grid.sizing import Devices, Probe
from jaxmlp.grid.units import Group
from jaxmlp.run.config import Experiment
from jaxmlp.run.runner import Loaded, read_data, spec_of
from jaxmlp.spec import Network, Spec
from jaxmlp.sweep.options import Options
from jaxmlp.sweep.recorder import Recorder
from jaxmlp.sweep.trials import SweepTrials

PROBE_FROM = 60.0  # seconds of work of one device as guessed: below that a probe costs more than it can save
CHUNKS = "chunks.json"
_READING = threading.Lock()  # else each worker would read, and hold, a copy of its own


class SweepGroup(NamedTuple):
    """Trials that share data, shapes and code."""

    number: int
    experiment: Experiment  # of its first trial
    spec: Spec
    crc32: str  # of the data
    examples: tuple[int, int, int]  # how many: training, validation, test
    kind: str  # of targets
    trials: SweepTrials

    @property
    def seeds(self) -> int:
        """Different seeds of its trials."""
        return len(self.trials.grid.seeds)

    def common(self) -> dict[str, Any]:
        """The values that all its trials have."""
        return self.trials.grid.common(self.number)

    def described(self) -> dict[str, Any]:
        """What groups.json holds of it, as is checked when the sweep is resumed."""
        sizes, data = list(self.spec.sizes), self.data()
        return {"trials": len(self.trials), "sizes": sizes, "data": data.origin, "crc32": data.crc32}

    def data(self) -> Loaded:
        """Its data, read; the last two data sets stay in memory. Threads that want the same wait for one reading."""
        with _READING:
            return loaded(self.experiment.data, self.experiment.network.loss)

    def for_workers(self, packing: Packing, recorder: Recorder, *, alone: bool) -> Group:
        """What workers need of it."""
        grid = self.trials.grid
        return Group(
            self.spec,
            packing,
            grid.numbers(self.number),
            grid.trial,
            grid.seed,
            lambda: self.data().splits,
            partial(recorder.record, self.number),
            alone,
        )


@lru_cache(maxsize=2)
def loaded(data: Data, loss: str) -> Loaded:
    """The data of an experiment, read, and as its loss learns them."""
    return read_data(Experiment(data, network=Network(loss=loss)))


def groups_of(trials: SweepTrials) -> list[SweepGroup]:
    """The groups in the order of their first trials. Raises UsageError and DataError as `read_data` does."""
    groups = []
    for number, base in enumerate(trials.grid.bases):
        group_trials = SweepTrials(trials.grid, number)
        data = loaded(base.described.data, base.described.network.loss)
        spec = spec_of(base.described, data.splits, data.preparation)
        train, validation, test = (len(split.x) for split in data.splits)
        experiment, examples = group_trials[0].experiment, (train, validation, test)
        groups.append(SweepGroup(number, experiment, spec, data.crc32, examples, data.preparation.kind, group_trials))
    return groups


def packing_of(group: SweepGroup, device: Device, options: Options, measured: Probe | None = None) -> Packing:
    """How the trials of a group are packed; a chunk that is given beats one that was measured, or guessed."""
    chunk, seconds = (None, None) if measured is None else (measured.chunk, measured.seconds)
    return sizing.packing_for(
        group.spec,
        group.examples[0],
        device,
        len(group.trials),
        alone=options.sequential,
        chunk=options.chunk or chunk,
        resident=options.resident,
        seconds=seconds,
    )


def is_worth_probing(group: SweepGroup, device: Device) -> bool:
    """Whether its trials, if none stops early, are guessed to take longer than a probe can save."""
    epochs = len(group.trials) * group.spec.training.max_epochs
    return epochs * sizing.guessed_seconds(group.spec, group.examples[0], device) > PROBE_FROM


def probed(group: SweepGroup, devices: Devices, *, chunk: int | None = None) -> Probe:
    """The probe of a group: from the cache, where the same was measured before, or made now; `chunk`: of that one only."""
    path, key = cache_folder() / CHUNKS, _key(group, devices, chunk)
    cached = _read(path)
    if key in cached:
        probe = Probe(*cached[key])
        return probe._replace(tried={int(size): took for size, took in probe.tried.items()})
    probe = sizing.probe(group.spec, group.data().splits, devices, len(group.trials), group.seeds, chunk=chunk)
    try:
        files.make_directory(path.parent)
        files.write_atomically(path, json.dumps(_read(path) | {key: probe}, indent=1))
    except RunError:
        pass  # a cache that cannot be written costs time, nothing else
    return probe


def _key(group: SweepGroup, devices: Devices, chunk: int | None) -> str:
    """All that the best chunk depends on; a cache may be shared by machines, which are known by their names."""
    per_seed = 1 << (-(-len(group.trials) // group.seeds) - 1).bit_length()
    most = 1 << (-(-len(group.trials) // len(devices)) - 1).bit_length()
    network, training = asdict(group.spec.network), asdict(group.spec.training)
    for name in ("max_epochs", "stop_rule", "monitor", "schedule"):
        training.pop(name)
    network.pop("init")
    conditions = [
        Probe._fields,
        jax.__version__,
        platform.node(),
        os.cpu_count(),
        devices[0].device_kind,
        len(devices),
        group.spec.sizes,
        group.examples[0],
        per_seed,
        most,
        chunk,
    ]
    return json.dumps([*conditions, network, training])


def _read(path: Any) -> dict[str, Any]:
    try:
        cached = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cached if isinstance(cached, dict) else {}
