"""What attacks of all kinds share: undisturbed runs to compare with, and the way a folder is gone on with."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from battery import outcomes, processes
from battery.layer import Counts, Layer
from battery.outcomes import LOST, Outcome
from battery.processes import Ended
from battery.subjects import Subject, subjects

SECONDS = 1.0  # that a run takes where nothing is compiled


@dataclass(frozen=True)
class Reference:
    """A subject that nothing disturbed."""

    subject: Subject
    out: Path
    results: dict[str, Any]
    operations: Counts
    seconds: float

    def copy_to(self, folder: Path) -> Path:
        """A copy of its folder."""
        return Path(shutil.copytree(self.out, folder / "run"))


World = dict[str, Reference]


def prepare(folder: Path, names: tuple[str, ...], *, quick: bool) -> World:
    """Run subjects undisturbed, twice: the second time compiles nothing, as all that follow. Once, where it is `quick`."""
    processes.preload(folder / "programs")
    known, world = subjects(folder), {}
    for name in names:
        subject = known[name]
        outs = [folder / name] if quick else [folder / f"{name}-first", folder / name]
        for out in outs:
            counts, started = Counts(), time.monotonic()
            ended = processes.call(*subject.begin(out), layer=Layer(out, counts))
            if ended.code != 0:
                raise RuntimeError(f"{name} fails undisturbed: {ended.error}")
            seconds = min(time.monotonic() - started, SECONDS) if quick else time.monotonic() - started
            world[name] = Reference(subject, out, subject.results(out), counts, seconds)
        difference = outcomes.difference(subject.results(outs[0]), world[name].results)
        if difference:
            raise RuntimeError(f"two undisturbed runs of {name} differ: {difference}")
    processes.keep_programs()
    return world


def go_on(reference: Reference, out: Path) -> Ended:
    """Go on with a run as its messages say: resume it, or begin it where nothing had been begun."""
    subject = reference.subject
    ended = processes.call(*subject.go_on(out))
    if subject.resumed and ended.code == 2 and "leave out --resume" in ended.error:
        return processes.call(*subject.begin(out))
    return ended


def verdict(reference: Reference, out: Path, what: str) -> Outcome:
    """Go on with a run until it is done, and compare."""
    ended = go_on(reference, out)
    failure = outcomes.broken(ended, what)
    if failure is not None:
        return failure
    if ended.code != 0:
        return Outcome(LOST, what, f"exit {ended.code}: {ended.error[-400:].strip()}")
    return outcomes.compared(ended, reference.subject.results(out), reference.results, what)
