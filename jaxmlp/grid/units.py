"""Work units: what one worker is handed of a grid, cut by the trials alone, so that no result depends on the workers."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jaxmlp.grid.packing import Packing
from jaxmlp.grid.results import TrialResult
from jaxmlp.grid.trials import Trial
from jaxmlp.spec import Spec, Splits

PIECES = 8  # into which a group is cut, where its units are wide and short enough


class Unit(NamedTuple):
    """Trials of one group that a worker trains up to the epoch `until`: a pure function of the grid and its survivors."""

    group: int
    stage: int
    number: int
    until: int
    trials: tuple[int, ...]
    sources: tuple[str, ...] = ()  # the units of the stage before, from whose states these trials go on
    attempt: int = 1

    @property
    def name(self) -> str:
        """It is the same for all attempts."""
        return f"g{self.group}-s{self.stage}-u{self.number:03d}"


class Record(NamedTuple):
    """What is kept of a trial that has finished."""

    row: dict[str, Any]  # of the table
    curve: dict[str, Any]  # of its epochs
    result: TrialResult | None = None  # in memory only, where all networks are wanted

    @property
    def trial(self) -> int:
        """Its number."""
        return self.row["trial"]

    @property
    def columns(self) -> dict[str, Any]:
        """The curve without the number of the trial, which a line of a file has."""
        return {name: values for name, values in self.curve.items() if name != "trial"}

    def ended(self, status: str) -> "Record":
        """The record of the trial with this status."""
        result = self.result and self.result._replace(status=status)
        return Record(self.row | {"status": status}, self.curve, result)


class Group(NamedTuple):
    """Trials that one compiled program serves: all that a worker needs to train any of them."""

    spec: Spec
    packing: Packing
    numbers: Sequence[int]  # of the trials
    trial: Callable[[int], Trial]  # of a number
    seed: Callable[[int], int]
    splits: Callable[[], Splits]
    record: Callable[[TrialResult], Record]
    alone: bool = False  # each trial by the program of a single network, to the same bits


class Done(NamedTuple):
    """A unit whose trials have finished, or wait for the next stage."""

    unit: str
    finished: list[Record]
    waiting: list[Record]  # of the others, as if they ended here
    scores: dict[int, float]  # the lowest finite validation loss of each trial; infinite without one, or if it diverged
    best: TrialResult | None  # of the finished trials
    epochs: int  # of all trials together
    seconds: float  # in the compiled program
    compiles: int
    compile_seconds: float
    device: str  # its kind


def cut(
    group: Group, number: int, stage: int, until: int, trials: Sequence[int], before: Sequence[Unit] = ()
) -> list[Unit]:
    """The units of a stage: trials of one seed together, for they share batches; several seeds where one is too few.

    Args:
        group: The group, and its `number`.
        stage: The stage, and the epoch at which it ends, `until`.
        trials: Those of the group that take part.
        before: The units of the stage before.
    """
    of_seed: dict[int, list[int]] = defaultdict(list)
    for trial in trials:
        of_seed[group.seed(trial)].append(trial)
    most = size(len(trials), group.packing)
    parts: list[list[int]] = []
    for seed in sorted(of_seed):
        alike = of_seed[seed]
        if parts and len(parts[-1]) + len(alike) <= most:
            parts[-1] = parts[-1] + alike
        else:
            pieces = -(-len(alike) // most)
            parts += [alike[len(alike) * i // pieces : len(alike) * (i + 1) // pieces] for i in range(pieces)]
    source = {trial: unit.name for unit in before for trial in unit.trials}
    return [
        Unit(number, stage, i, until, tuple(part), tuple(sorted({source[trial] for trial in part} if source else ())))
        for i, part in enumerate(parts)
    ]


def size(trials: int, packing: Packing) -> int:
    """Trials of a unit: an even share of PIECES, but not so few that calls are narrow, nor more than `packing.unit`."""
    narrow = min(packing.chunk, max(8, packing.chunk // PIECES))
    return max(1, min(trials, packing.unit, max(narrow, -(-trials // PIECES))))
