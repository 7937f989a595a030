"""How an attack ended, and how many ended so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from battery.processes import Ended

RIGHT, SAID, REFUSED = "right", "said", "refused"  # as it should be
LOST, WRONG, TRACEBACK, HANG = "lost", "wrong", "traceback", "hang"
FAILURES = (LOST, WRONG, TRACEBACK, HANG)


class Outcome(NamedTuple):
    """How one attack ended.

    right: the result of the undisturbed run. said: the same weights, and a line names the rows that are gone. refused: a
    line names the file and the way out. lost: it cannot be gone on with, or no such line. wrong: another result, in silence.
    """

    name: str
    what: str  # was done, for a person
    seen: str = ""


@dataclass
class Tally:
    """How many attacks of a kind ended in which way."""

    kind: str
    tried: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    failures: int = 0

    def add(self, case: str, outcome: Outcome) -> str | None:
        """Count one more; `case` is what repeats it. Returns a failure in words."""
        self.tried += 1
        self.counts[outcome.name] = self.counts.get(outcome.name, 0) + 1
        if outcome.name not in FAILURES:
            return None
        self.failures += 1
        return f"{outcome.name}: {case}: {outcome.what}: {outcome.seen}"


def table(tallies: Sequence[Tally]) -> str:
    """The tallies as Markdown."""
    names = (RIGHT, SAID, REFUSED, *FAILURES)
    lines = [f"| attack | tried | {' | '.join(names)} |", "|---" * (2 + len(names)) + "|"]
    for tally in tallies:
        counts = " | ".join(f"{tally.counts.get(name, 0):,}" for name in names)
        lines.append(f"| {tally.kind} | {tally.tried:,} | {counts} |")
    return "\n".join(lines)


def broken(ended: Ended, what: str) -> Outcome | None:
    """The outcome of a process that hung, crashed or showed a traceback; None for others."""
    if ended.code is None:
        return Outcome(HANG, what, ended.error[-300:])
    if "Traceback" in ended.error or (ended.code < 0 and ended.code != -9):
        return Outcome(TRACEBACK, what, f"exit {ended.code}: {ended.error[-500:]}")
    return None


def is_one_line(ended: Ended) -> bool:
    """Whether a command was refused as it should be: exit code 1 or 2, and its last words are one line that says why."""
    errors = [line for line in ended.error.splitlines() if line.startswith(("error:", "python -m", "usage"))]
    return ended.code in (1, 2) and len(errors) == 1 and ended.error.rstrip().splitlines()[-1] == errors[0]


def compared(ended: Ended, results: Mapping[str, Any], wanted: Mapping[str, Any], what: str) -> Outcome:
    """The outcome of a command that is done: said, where only other files than models differ, and it names each of them."""
    unlike = [name for name, value in wanted.items() if results[name] != value]
    if not unlike:
        return Outcome(RIGHT, what)
    words = ended.out + ended.error
    said = all(name in words and not name.endswith("model.safetensors") for name in unlike)
    lines = [line for line in words.splitlines() if any(name in line for name in unlike)]
    return Outcome(SAID if said else WRONG, what, f"{difference(results, wanted)[:400]}; {' / '.join(lines)[-300:]}")


def difference(results: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first part in which two results differ; empty where they are equal."""
    for name, value in wanted.items():
        if results[name] != value:
            return f"{name}: {_short(results[name], value)}"
    return ""


def _short(value: Any, wanted: Any) -> str:
    if isinstance(value, list) and isinstance(wanted, list):
        if len(value) != len(wanted):
            return f"{len(value)} rows in place of {len(wanted)}"
        pairs = [pair for pair in zip(value, wanted, strict=True) if pair[0] != pair[1]]
        return f"{len(pairs)} rows differ: {_short(*pairs[0])}"
    if isinstance(value, dict) and isinstance(wanted, dict):
        keys = sorted(key for key in value.keys() | wanted.keys() if value.get(key) != wanted.get(key))
        return ", ".join(f"{key} {value.get(key)!r} in place of {wanted.get(key)!r}" for key in keys)[:300]
    return f"{str(value)[:80]} in place of {str(wanted)[:80]}"
