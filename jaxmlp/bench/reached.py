"""What whole programs reached, and when: the seconds to the goal of their part, a table, and JSON."""

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxmlp.bench.programs import ALL, OURS, SETS, ProgramPart
from jaxmlp.bench.running import Outcome, Run

if TYPE_CHECKING:
    from rich.console import Console

NEAR = 1.05  # times the lowest validation loss of all trials, trained to their end; first weights moved it by 4 % on digits
TITLES: dict[ProgramPart, str] = {
    "process": "from the command to the prompt",
    "target": "to a validation accuracy of {:.1%}",
    "search": "to within 5 % of the best validation loss of 64 trials",
}
NONE = "–"


class Reached(NamedTuple):
    """A program's seconds to the goal, in every round that it came there."""

    outcome: Outcome
    seconds: list[float]
    what: str  # the median of what it reached, as text

    @property
    def median(self) -> float | None:
        """None unless it came there in every round."""
        return median(self.seconds) if self.seconds and len(self.seconds) == len(self.outcome.runs) else None


def reached(part: ProgramPart, preset: str, outcomes: Sequence[Outcome]) -> list[Reached]:
    """All programs of a part that did not fail."""
    of_part = [outcome for outcome in outcomes if outcome.program.part == part and outcome.runs]
    all_trials = [run for outcome in of_part if outcome.program.name == ALL for run in outcome.runs]
    near = NEAR * min((loss for run in all_trials for loss in run.said("validation_loss")), default=0.0)
    target = SETS[preset][1]

    def seconds(run: Run) -> float | None:
        if part == "process":
            return run.seconds
        if part == "target":
            return run.when("validation_accuracy", lambda accuracy: accuracy >= target)
        return run.when("validation_loss", lambda loss: loss <= near)

    def what(runs: Sequence[Run]) -> str:
        if part == "process":
            return f"{median(run.said('test_accuracy')[-1] for run in runs):.2%} of the test examples"
        if part == "target":
            return f"{median(len(run.said('validation_accuracy')) for run in runs):.0f} epochs"
        return f"{median(min(run.said('validation_loss')) for run in runs):.4f} validation loss"

    return [
        Reached(outcome, [took for run in outcome.runs if (took := seconds(run)) is not None], what(outcome.runs))
        for outcome in of_part
    ]


def times(rows: Sequence[Reached], row: Reached) -> float | None:
    """How many times as long as ours it takes."""
    ours = next((other for other in rows if other.outcome.program.name == OURS[row.outcome.program.part]), None)
    return row.median / ours.median if ours and ours.median and row.median else None


def show(preset: str, outcomes: Sequence[Outcome], console: "Console") -> None:
    """Print a table for each part."""
    from rich import box
    from rich.table import Table

    if not console.is_terminal:
        console.width = 10_000
    for part, title in TITLES.items():
        rows = reached(part, preset, outcomes)
        if not rows:
            continue
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
        table.add_column(title.format(SETS[preset][1]), overflow="fold")
        for head in ("s", "least–\nmost", "×\njaxmlp", "s to the\nprompt", "peak\nMB"):
            table.add_column(head, justify="right", no_wrap=True)
        table.add_column("reached", overflow="fold")
        for row in rows:
            table.add_row(*cells(rows, row))
        console.print(table)
        console.print()


def cells(rows: Sequence[Reached], row: Reached) -> tuple[str, ...]:
    """The line of a program."""
    runs, ratio = row.outcome.runs, times(rows, row)
    return (
        row.outcome.program.name,
        NONE if row.median is None else f"{row.median:.1f}",
        f"{min(row.seconds):.1f}–{max(row.seconds):.1f}" if row.seconds else NONE,
        NONE if ratio is None else f"{ratio:.2f}",
        f"{median(run.seconds for run in runs):.1f}",
        f"{median(run.peak_bytes for run in runs) / 1e6:.0f}",
        row.what,
    )


def to_json(preset: str, outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """All runs of all programs."""
    tree: list[dict[str, Any]] = []
    for part in TITLES:
        rows = reached(part, preset, outcomes)
        for row in rows:
            runs = row.outcome.runs
            tree.append(
                {
                    "name": row.outcome.program.name,
                    "part": part,
                    "seconds": row.seconds,
                    "median_seconds": row.median,
                    "times_jaxmlp": times(rows, row),
                    "seconds_to_the_prompt": [run.seconds for run in runs],
                    "peak_bytes": [run.peak_bytes for run in runs],
                    "reached": row.what,
                    "lines": [[line._asdict() for line in run.lines] for run in runs],
                }
            )
    failed = [outcome for outcome in outcomes if outcome.failure]
    return tree + [{"name": o.program.name, "part": o.program.part, "failure": o.failure} for o in failed]
