"""How a sweep is run."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from annotated_types import Ge

CHECKPOINT_SECONDS = 30.0
MODES = ("packed", "sequential")


class OptionKeys(NamedTuple):
    """The keys of the table [options] of a sweep."""

    mode: str
    chunk: Annotated[int, Ge(1)]
    resident: Annotated[int, Ge(1)]
    test_all: bool


@dataclass(frozen=True)
class Options:
    """How a sweep is run; it changes no result of a trial, but for the last bits (by packing)."""

    mode: str | None = None  # packed, sequential; None: packed, or as the sweep was begun that is resumed
    chunk: int | None = None  # trials side by side on a device
    resident: int | None = None  # trials on the devices of a process at a time
    test_all: bool = False
    checkpoint_seconds: float = CHECKPOINT_SECONDS

    @property
    def sequential(self) -> bool:
        """Whether one trial is on a device at a time, by the program of a single network."""
        return self.mode == "sequential"
