"""A power cut while train and sweep write: what was not synced is lost, and the run is gone on with.

Two ways. Where an ext4 image can be mounted (Linux, as root) the image is copied while a stopped process has written to
it, and the copy is mounted: that is what a machine finds after a power cut, journal and all. Half of the images are mounted
without `auto_da_alloc`, by which ext4 forgives a missing fsync before a rename. Everywhere else, and for every second
attack, the layer of layer.py ends the process and drops what was not synced.
"""

import os
import shutil
import signal
import subprocess
import time
from functools import cache
from pathlib import Path
from random import Random

from battery.layer import Counts, Ending, Layer
from battery.outcomes import LOST, Outcome, broken
from battery.processes import Process
from battery.world import Reference, World, verdict

SUBJECTS = ("train", "sweep")
MEBIBYTES = 24


def attack(random: Random, folder: Path, world: World) -> Outcome:
    """Cut the power of a command, by an image or by the layer."""
    name = random.choice(SUBJECTS)
    image = random.random() < 0.5 and can_mount()
    return _image(random, folder, world[name]) if image else _layer(random, folder, world[name])


def _layer(random: Random, folder: Path, reference: Reference) -> Outcome:
    out = folder / "run"
    ending = Ending(random.randint(1, reference.operations.total), random.random() < 0.5, random.getrandbits(32))
    what = f"{reference.subject.command}, power cut {'before' if ending.before else 'after'} operation {ending.at}"
    out.mkdir()
    ended = Process(reference.subject.begin(out), Layer(out, Counts(), ending=ending)).end()
    if ended.code not in (0, -9):  # 0: it did less than the undisturbed run
        return broken(ended, what) or Outcome(LOST, what, ended.error[-400:])
    return verdict(reference, out, what)


def _image(random: Random, folder: Path, reference: Reference) -> Outcome:
    options = random.choice(["commit=1", "commit=1,noauto_da_alloc"])
    instant = random.uniform(0, reference.seconds)
    what = f"{reference.subject.command} on ext4 ({options}), power cut after {instant:.3f} s"
    image, later, mounted = folder / "disk.img", folder / "later.img", folder / "disk"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(MEBIBYTES << 20)
    _run("mkfs.ext4", "-q", "-F", image)
    _run("mount", "-o", f"loop,{options}", image, mounted)
    try:
        process = Process(reference.subject.begin(mounted / "run"))
        time.sleep(instant)
        process.send(signal.SIGSTOP)
        shutil.copyfile(image, later)
        process.send(signal.SIGKILL)
        ended = process.end()
    finally:
        _run("umount", mounted)
    failure = broken(ended, what)
    if failure is not None:
        return failure
    _run("mount", "-o", f"loop,{options}", later, mounted)
    try:
        return verdict(reference, mounted / "run", what)
    finally:
        _run("umount", mounted)


@cache
def can_mount() -> bool:
    """Whether an image can be mounted here."""
    if os.name != "posix" or os.geteuid() != 0 or not all(map(shutil.which, ("mkfs.ext4", "mount", "losetup"))):
        return False
    return subprocess.run(["losetup", "-f"], capture_output=True, check=False).returncode == 0


def _run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True)
