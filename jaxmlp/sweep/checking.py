"""Whether the flags of `jaxmlp sweep` go together, before a file is read."""

from typing import Annotated, Any

from annotated_types import Ge

from jaxmlp.cli import parsing
from jaxmlp.errors import UsageError
from jaxmlp.fields import value_of
from jaxmlp.training.validation import check_chunk

RAY_FLAGS = ("address", "workers", "cpus_per_worker", "mixed_devices", "carry_states")


def check(command: Any) -> None:
    """Raise UsageError where the flags contradict each other."""
    parsing.check_saving(command, "sweep")
    if command.resume and command.dry_run:
        raise UsageError(
            "--dry-run says what a sweep would take before it is begun, --resume goes on with one: take one of them"
        )
    check_chunk("--chunk", command.chunk)
    if command.chunk is not None and command.mode == "sequential":
        raise UsageError("--chunk puts trials side by side, --mode sequential does not: take one of them")
    if command.resident is not None:
        value_of("--resident", command.resident, Annotated[int, Ge(1)])
    for name in RAY_FLAGS:
        value, flag = getattr(command, name), f"--{name.replace('_', '-')}"
        if value not in (None, False) and command.engine != "ray":
            raise UsageError(f"{flag} is for workers on Ray: add --engine ray, or leave {flag} out")
        if type(value) is int:
            value_of(flag, value, Annotated[int, Ge(1)])
    if command.engine == "ray" and command.dry_run:
        raise UsageError("--dry-run measures on this machine: leave --engine ray out")
