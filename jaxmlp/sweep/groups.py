"""The trials of a sweep by what is compiled for them: their data, their static description, how they are packed."""

import json
import os
import platform
from dataclasses import asdict
from functools import lru_cache
from typing import Any, NamedTuple

import jax

from jaxmlp.data.npz import cache_folder
from jaxmlp.data.sources import Data
from jaxmlp.errors import RunError
from jaxmlp.grid import sizing
from jaxmlp.grid.groups import Group
from jaxmlp.grid.packing import Packing
from jaxmlp.grid.program import Devices
from jaxmlp.grid.sizing import Probe
from jaxmlp.runs import files
from jaxmlp.runs.config import Experiment
from jaxmlp.runs.runner import Loaded, read_data, spec_of
from jaxmlp.spec import Spec
from jaxmlp.sweep.options import Options
from jaxmlp.sweep.trials import SweepTrials

PROBE_FROM = 60.0  # seconds of work as guessed: below that a probe costs more than it can save
CHUNKS = "chunks.json"


class SweepGroup(NamedTuple):
    """Trials that share data, shapes and code."""

    number: int
    experiment: Experiment  # of its first trial
    spec: Spec
    crc32: str  # of the data
    rows: tuple[int, int, int]  # training, validation, test
    trials: SweepTrials

    @property
    def seeds(self) -> int:
        """Different seeds of its trials."""
        return len(self.trials.grid.seeds)

    def common(self) -> dict[str, Any]:
        """The values that all its trials have."""
        return self.trials.grid.common(self.number)

    def described(self) -> dict[str, Any]:
        """For people, and for resuming: what is checked then."""
        sizes, data = list(self.spec.sizes), self.data()
        return {"trials": len(self.trials), "sizes": sizes, "data": data.origin, "crc32": data.crc32}

    def data(self) -> Loaded:
        """Its data; those used last stay in memory."""
        return loaded(self.experiment.data)

    def for_process(self, index: int, count: int) -> Group:
        """What process `index` of `count` trains of it."""
        mine = self.trials.grid.scheduled(self.number, index, count)
        return Group(self.spec, mine, lambda: self.data().splits)


@lru_cache(maxsize=2)
def loaded(data: Data) -> Loaded:
    """The data of an experiment, read."""
    return read_data(Experiment(data=data))


def groups_of(trials: SweepTrials) -> list[SweepGroup]:
    """The groups in the order of their first trials. Raises UsageError and DataError as `read_data` does."""
    groups = []
    for number, base in enumerate(trials.grid.bases):
        mine = SweepTrials(trials.grid, number)
        data = loaded(base.described.data)
        spec = spec_of(base.described, data.splits, data.preparation)
        train, validation, test = (len(part.x) for part in data.splits)
        groups.append(SweepGroup(number, mine[0].experiment, spec, data.crc32, (train, validation, test), mine))
    return groups


def settings_of(group: SweepGroup, devices: Devices, options: Options, measured: Probe | None = None) -> Packing:
    """How the trials of a group are put together; a chunk that is given beats one that was measured, or guessed."""
    chunk, seconds = (None, None) if measured is None else (measured.chunk, measured.seconds)
    return sizing.settings(
        group.spec,
        group.rows[0],
        devices,
        alone=options.sequential,
        chunk=options.chunk or chunk,
        resident=options.resident,
        seconds=seconds,
    )


def is_worth_probing(group: SweepGroup, devices: Devices) -> bool:
    """Whether its trials, if none stops early, are guessed to take longer than a probe can save."""
    epochs = len(group.trials) * group.spec.training.max_epochs
    return epochs * sizing.guessed_seconds(group.spec, group.rows[0], devices) > PROBE_FROM


def probed(group: SweepGroup, devices: Devices, *, chunk: int | None = None) -> Probe:
    """The probe of a group: from the cache, where the same was measured before, or made now; `chunk`: of that one only."""
    path, key = cache_folder() / CHUNKS, _key(group, devices, chunk)
    known = _read(path)
    if key in known:
        found = Probe(*known[key])
        return found._replace(tried={int(size): took for size, took in found.tried.items()})
    found = sizing.probe(group.spec, group.data().splits, devices, len(group.trials), group.seeds, chunk=chunk)
    try:
        files.make_directory(path.parent)
        files.write_atomically(path, json.dumps(_read(path) | {key: found}, indent=1))
    except RunError:
        pass  # a cache that cannot be written costs time, nothing else
    return found


def _key(group: SweepGroup, devices: Devices, chunk: int | None) -> str:
    """All that the best chunk depends on; a cache may be shared by machines, which are known by their names."""
    per_seed = 1 << (-(-len(group.trials) // group.seeds) - 1).bit_length()
    most = 1 << (-(-len(group.trials) // len(devices)) - 1).bit_length()
    network, training = asdict(group.spec.network), asdict(group.spec.training)
    for name in ("max_epochs", "stop_rule", "monitor", "schedule"):
        training.pop(name)
    network.pop("init")
    about = [
        Probe._fields,
        jax.__version__,
        platform.node(),
        os.cpu_count(),
        devices[0].device_kind,
        len(devices),
        group.spec.sizes,
        group.rows[0],
        per_seed,
        most,
        chunk,
    ]
    return json.dumps([*about, network, training])


def _read(path: Any) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
