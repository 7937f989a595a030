"""Two processes on one folder, in every order: one of them has it, the other is refused in a line that names the holder."""

import os
import signal
import time
from pathlib import Path
from random import Random

from battery.outcomes import LOST, WRONG, Outcome, broken, difference, is_one_line
from battery.processes import HANG, Ended, Process
from battery.world import Reference, World, verdict

SUBJECTS = ("train", "sweep")


def attack(random: Random, folder: Path, world: World) -> Outcome:
    """Start two processes in one of the orders."""
    name, order = random.choice(SUBJECTS), random.choice(list(ORDERS))
    return ORDERS[order](random, folder / "run", world[name], f"{name}, {order}")


def _start_start(random: Random, out: Path, reference: Reference, what: str) -> Outcome:
    """Two begin at a time."""
    first = Process(reference.subject.begin(out))
    time.sleep(random.uniform(0, 0.2))
    return _one_of_two(first, Process(reference.subject.begin(out)), out, reference, what)


def _start_resume(random: Random, out: Path, reference: Reference, what: str) -> Outcome:
    """A second one resumes what the first has begun."""
    first = Process(reference.subject.begin(out))
    _wait_for(first, out)
    time.sleep(random.uniform(0, 0.1))
    return _one_of_two(first, Process(reference.subject.go_on(out)), out, reference, what)


def _start_overwrite(random: Random, out: Path, reference: Reference, what: str) -> Outcome:
    """A second one begins anew where the first is running."""
    first = Process(reference.subject.begin(out))
    _wait_for(first, out)
    time.sleep(random.uniform(0, 0.1))
    second = Process([*reference.subject.begin(out), "--overwrite"])
    return _one_of_two(first, second, out, reference, what)


def _resume_resume(random: Random, out: Path, reference: Reference, what: str) -> Outcome:
    """Two resume at a time what was killed."""
    if not _killed(random, out, reference):
        return _start_start(random, out, reference, what)
    first = Process(reference.subject.go_on(out))
    time.sleep(random.uniform(0, 0.2))
    return _one_of_two(first, Process(reference.subject.go_on(out)), out, reference, what)


def _stopped_resume(random: Random, out: Path, reference: Reference, what: str) -> Outcome:
    """One is stopped (SIGSTOP), another resumes, and the first is continued."""
    first = Process(reference.subject.begin(out))
    _wait_for(first, out)
    time.sleep(random.uniform(0, 0.1))
    first.send(signal.SIGSTOP)
    second = Process(reference.subject.go_on(out))
    ended = second.end()
    first.send(signal.SIGCONT)
    return _verdict([(first.pid, first.end()), (second.pid, ended)], out, reference, what)


def _stopped_overwrite(random: Random, out: Path, reference: Reference, what: str) -> Outcome:
    """One is stopped (SIGSTOP), another begins anew, and the first is continued."""
    first = Process(reference.subject.begin(out))
    _wait_for(first, out)
    time.sleep(random.uniform(0, 0.1))
    first.send(signal.SIGSTOP)
    second = Process([*reference.subject.begin(out), "--overwrite"])
    ended = second.end()
    first.send(signal.SIGCONT)
    return _verdict([(first.pid, first.end()), (second.pid, ended)], out, reference, what)


def _dead_holder(random: Random, out: Path, reference: Reference, what: str) -> Outcome:
    """The holder was killed: that is no obstacle, even where another process has its number by now."""
    _killed(random, out, reference)
    return verdict(reference, out, what)


ORDERS = {
    "start and start": _start_start,
    "start and resume": _start_resume,
    "start and overwrite": _start_overwrite,
    "resume and resume": _resume_resume,
    "stopped, resumed, continued": _stopped_resume,
    "stopped, overwritten, continued": _stopped_overwrite,
    "killed, then resumed": _dead_holder,
}


def _killed(random: Random, out: Path, reference: Reference) -> bool:
    """Begin, and kill after a checkpoint; whether it was not done by then."""
    process = Process(reference.subject.begin(out))
    _wait_for(process, out)
    time.sleep(random.uniform(0, 0.1))
    process.send(signal.SIGKILL)
    return process.end().code == -signal.SIGKILL


def _wait_for(process: Process, folder: Path) -> None:
    until = time.monotonic() + HANG
    while process.running() and not (folder.exists() and any(folder.rglob("epoch-*"))):
        if time.monotonic() > until:
            return
        time.sleep(0.002)


def _one_of_two(first: Process, second: Process, out: Path, reference: Reference, what: str) -> Outcome:
    return _verdict([(first.pid, first.end()), (second.pid, second.end())], out, reference, what)


def _verdict(ends: list[tuple[int, Ended]], out: Path, reference: Reference, what: str) -> Outcome:
    """One has done all, and the other was refused; or one came when the other had finished, and changed nothing."""
    for _, ended in ends:
        failure = broken(ended, what)
        if failure is not None:
            return failure
    done = [(pid, ended) for pid, ended in ends if ended.code == 0]
    changed = [ended for _, ended in done if "nothing was changed" not in ended.error + ended.out]
    seen = "; ".join(f"exit {ended.code} {ended.error.strip().splitlines()[-1:]}" for _, ended in ends)
    if len(changed) > 1 and "overwrite" not in what:
        return Outcome(WRONG, what, f"both worked in one folder: {seen}")
    if not done:
        return Outcome(LOST, what, f"neither has done it: {seen}")
    for pid, ended in ends:
        holder = next(other for other, _ in ends if other != pid)
        if ended.code != 0 and not (is_one_line(ended) and _says_why(ended.error, holder)):
            return Outcome(LOST, what, f"the line does not name the holder {holder}: {ended.error[-300:]}")
    unlike = difference(reference.subject.results(out), reference.results)
    if unlike:
        return Outcome(WRONG, what, f"{unlike}; {seen}")
    return verdict(reference, out, what)


def _says_why(line: str, holder: int) -> bool:
    """Whether it names the process that holds the folder, or came before or after that one held it."""
    host = os.uname().nodename
    return (str(holder) in line and host in line) or any(
        words in line for words in ("is not empty", "leave out --resume")
    )
