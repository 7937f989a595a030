"""An operation on a file fails: its k-th open, write, fsync, replace, unlink or mkdir, or the disk is full or has no inodes.

The command says so in one line and exits with 1, or does without; then it is gone on with on a sound disk.
"""

import errno
import subprocess
from pathlib import Path
from random import Random

from battery.layer import KINDS, Counts, Layer, Refusal
from battery.outcomes import LOST, Outcome, broken, is_one_line
from battery.powercut import can_mount
from battery.processes import Ended, Process
from battery.world import World, verdict

SUBJECTS = ("train", "sweep")
ERRORS = ("ENOSPC", "EIO", "EBUSY", "EMFILE", "EROFS")


def attack(random: Random, folder: Path, world: World) -> Outcome:
    """Refuse one operation of a command, or a few in a row, or give it a small disk."""
    reference = world[random.choice(SUBJECTS)]
    if random.random() < 0.05 and can_mount():
        return _small_disk(random, folder, world)
    kind, error = random.choice(KINDS), random.choice(ERRORS)
    at = random.randint(1, max(1, reference.operations[kind]))
    refusal = Refusal(kind, at, getattr(errno, error), lasts=random.random() < 0.5)
    out = folder / "run"
    what = f"{reference.subject.command}, {error} at {kind} {at}{' and later' if refusal.lasts else ''}"
    ended = Process(reference.subject.begin(out), Layer(out, Counts(), refusal)).end()
    return _unclear(ended, what) or verdict(reference, out, what)


def _small_disk(random: Random, folder: Path, world: World) -> Outcome:
    """A command on a file system in memory with little space, or with few inodes; then it gets more."""
    reference = world[random.choice(SUBJECTS)]
    small, enough = random.choice(
        [(f"size={4 * random.randint(1, 30)}k", "size=64m"), (f"nr_inodes={random.randint(2, 16)}", "nr_inodes=1000")]
    )
    what = f"{reference.subject.command} on a tmpfs of {small}"
    mounted = folder / "disk"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", small, "none", mounted], check=True)
    try:
        ended = Process(reference.subject.begin(mounted / "run")).end()
        subprocess.run(["mount", "-o", f"remount,{enough}", mounted], check=True)
        return _unclear(ended, what) or verdict(reference, mounted / "run", what)
    finally:
        subprocess.run(["umount", mounted], check=True)


def _unclear(ended: Ended, what: str) -> Outcome | None:
    """The outcome where a command neither did its work nor said in one line why not."""
    if ended.code == 0 or (ended.code == 1 and is_one_line(ended)):
        return None
    return broken(ended, what) or Outcome(LOST, what, f"exit {ended.code}, no clear line: {ended.error[-300:]}")
