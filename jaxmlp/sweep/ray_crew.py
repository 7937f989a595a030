"""The workers of a sweep on Ray: their job, how they pack trials, and which of them are refused."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxmlp.errors import DataError, JaxmlpError
from jaxmlp.grid.executors import Executor
from jaxmlp.run import environment
from jaxmlp.run.identity import Identity
from jaxmlp.run.lock import HOLDER
from jaxmlp.sweep import config
from jaxmlp.sweep.config import Sweep
from jaxmlp.sweep.groups import SweepGroup
from jaxmlp.sweep.journal import SweepJournal
from jaxmlp.sweep.options import Options
from jaxmlp.sweep.ray_cluster import Cluster
from jaxmlp.sweep.ray_executor import RayExecutor
from jaxmlp.sweep.ray_pool import Pool
from jaxmlp.sweep.ray_worker import Facts, Job, Plan, RayWorker

TERMS_SECONDS = 600.0  # that a worker may measure how the trials of a group are packed


class RayCrew:
    """The workers of a sweep in the folder `path`, which this process holds; it waits for the first of them.

    Args:
        cluster: Where they are.
        sweep: What they train, in these `groups`, as `options` say.
        path: The folder.
        on_message: Takes a line for the user.
        mixed_devices: Whether their devices may differ: the last bits of a trial depend on where it is trained then.
        carry_states: Whether states are carried to them and back, as they do not see the folder.

    Raises JaxmlpError where a worker has other versions or data than this process, or does not see the folder.
    """

    def __init__(
        self,
        cluster: Cluster,
        sweep: Sweep,
        groups: Sequence[SweepGroup],
        options: Options,
        path: Path,
        on_message: Callable[[str], None],
        *,
        mixed_devices: bool = False,
        carry_states: bool = False,
    ) -> None:
        self.path, self.mixed_devices, self.carry_states = path, mixed_devices, carry_states
        self.data, self.groups = " ".join(group.crc32 for group in groups), len(groups)
        self.first: Facts | None = None
        job = Job(config.tree(sweep), options, path.absolute(), (path / HOLDER).read_bytes(), cluster.device)
        self.pool = Pool(cluster.actor(RayWorker), cluster.workers, job, self._check, on_message)
        self.pool.wait()

    def device(self) -> dict[str, Any]:
        """Of the first worker, as environment.json has it."""
        assert self.first is not None
        return {"platform": self.first.platform, "kind": self.first.kind, "count": 1}

    def terms(self) -> dict[str, Any]:
        """How the groups are packed, as a worker measures or guesses it."""
        return self.pool.ask("terms", "how trials are packed", TERMS_SECONDS * self.groups)

    def executor(self, terms: dict[str, Any], run: Identity, journal: SweepJournal, units: int) -> Executor:
        """The workers, ready for at most so many units at a time."""
        plan = Plan(terms, run, journal.session, self.carry_states)
        return RayExecutor(self.pool, plan, units, journal if self.carry_states else None)

    def _check(self, facts: Facts) -> None:
        """Raise JaxmlpError if the sweep would not come to the same bits on a worker, or not at all."""
        where, here = f"the worker on {facts.host}", environment.versions()
        for name, version in here.items():
            if facts.versions[name] != version:
                raise JaxmlpError(
                    f"{where} has {name} {facts.versions[name]}, this process {version}: install the same on all hosts"
                )
        if facts.data != self.data:
            raise DataError(f"{where} reads other data than this process: give all hosts the same files")
        if not facts.shares and not self.carry_states:
            raise JaxmlpError(
                f"{where} does not see {self.path.absolute()}: give an --out that all hosts share under one path, or add"
                " --carry-states"
            )
        first = self.first = self.first or facts
        device, other = (worker.model or worker.kind for worker in (facts, first))
        if device != other and not self.mixed_devices:
            raise JaxmlpError(
                f"{where} has another device ({device}) than that on {first.host} ({other}), and the last bits of trials"
                " would differ: take devices of one kind, or add --mixed-devices"
            )
