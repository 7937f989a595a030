"""Damage to every state file of a stopped and of a finished run or sweep; then it is resumed, or its model predicts.

What comes of it is the undisturbed result, or one line that names the file and a way out, which is then followed.
"""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from battery import processes
from battery.layer import Counts, Ending, Layer
from battery.outcomes import LOST, REFUSED, RIGHT, SAID, WRONG, Outcome, broken, compared, is_one_line
from battery.processes import Ended
from battery.subjects import Subject
from battery.world import Reference, World

SUBJECTS = ("train", "sweep")
OWN = 0.05  # of the commands are processes of their own; the others run in a server
WITHOUT_STATE = re.compile(r".*(\.png|\.html|\.csv|\.svg|\.lock|\.tmp)|best/(?!model).*")  # no command reads them
SOURCES = re.compile(r"config\.toml|.*/epoch-.*")  # what cannot be made again from the rest


Call = Callable[..., Ended]


@dataclass(frozen=True)
class Folders:
    """A subject's folder, stopped half way and finished, and those of another run that is like it."""

    stopped: Path
    finished: Path
    other: dict[str, Path]


_made: dict[tuple[int, str], Folders] = {}


def attack(random: Random, folder: Path, world: World) -> Outcome:
    """Damage one file of a copy, then resume or predict."""
    name = random.choice(SUBJECTS)
    reference, folders = world[name], _folders(folder.parent, world[name])
    state = random.choice(["stopped", "finished"])
    out = folder / "run"
    shutil.copytree(getattr(folders, state), out)
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    file = random.choice([name for name in names if not WITHOUT_STATE.fullmatch(name)])
    damage = random.choice(list(DAMAGES))
    if not DAMAGES[damage](random, out / file, folders.other[state] / file):
        damage = "flip"
        _flip(random, out / file, out)
    what = f"{state} {name}, {file}: {damage}"
    call = processes.call if random.random() < OWN else processes.served
    if "model.safetensors" in file and random.random() < 0.5:
        return _predict(out, file, reference, what, call)
    return _resume(out, file, reference, what, call)


def _resume(out: Path, file: str, reference: Reference, what: str, call: Call) -> Outcome:
    """Resume; where that is refused, do as the line says, and see that it helps."""
    subject = reference.subject
    ended, steps = call(*subject.go_on(out)), []
    while (failure := broken(ended, what)) is None and ended.code != 0:
        line = ended.error.strip().splitlines()[-1:]
        what += f"; {line}"
        if not is_one_line(ended) or not (steps or _names(ended.error, file)):
            return Outcome(LOST, what, "no line that names the file")
        step = _way_out(ended.error, out / file)
        if step is None or step in steps:
            return Outcome(LOST, what, "no way out")
        if step == "other":
            return Outcome(REFUSED, what)
        steps.append(step)
        if step == "remove":
            _remove(out / file)
        ended = call(
            *{"begin": subject.begin(out), "overwrite": [*subject.begin(out), "--overwrite"]}.get(
                step, subject.go_on(out)
            )
        )
    if failure is not None:
        return failure
    if "overwrite" in steps and not SOURCES.fullmatch(file):
        return Outcome(LOST, what, "sound weights are given up")
    results = subject.results(out)
    outcome = compared(ended, results, reference.results, what)
    if outcome.name == RIGHT and steps:
        return Outcome(REFUSED, what)
    if outcome.name == WRONG and file == "config.toml" and _only_longer(results[file], reference.results[file]):
        return Outcome(SAID, what, "more epochs are allowed")
    return outcome


def _predict(out: Path, file: str, reference: Reference, what: str, call: Call) -> Outcome:
    """Predict with the damaged model."""
    run = "best" if reference.subject.command == "sweep" else "."
    wanted, ended = (call("predict", at / run, _image(out), "--json") for at in (reference.out, out))
    what += ", predict"
    failure = broken(ended, what)
    if failure is not None:
        return failure
    if ended.code == 0:
        return Outcome(RIGHT if ended.out == wanted.out else WRONG, what, ended.out[:200])
    clear = is_one_line(ended) and _names(ended.error, file) and _way_out(ended.error, out / file)
    return Outcome(REFUSED if clear else LOST, what, ended.error[-300:])


def _names(line: str, file: str) -> bool:
    return any(part in line for part in (file, Path(file).name)) or ("checkpoints/" in file and ("checkpoint" in line))


def _way_out(line: str, file: Path) -> str | None:
    """What a refusal says that helps."""
    for words, step in (
        (r"leave out --resume", "begin"),
        (r"(remove|delete|move) (it|that|the file|.*away)", "remove"),
        (r"--overwrite", "overwrite"),
        (r"--resume", "resume"),
        (r"bring a copy|put .* back|train it again|another (--out|run)|did you mean|set it back", "other"),
    ):
        if re.search(words, line):
            return step
    return None


def _only_longer(config: Any, before: Any) -> bool:
    """Whether a config asks for more epochs than before, and nothing else."""
    try:
        longer = config["training"]["max_epochs"] > before["training"]["max_epochs"]
        return longer and config | {"training": {**config["training"], **_epochs(before)}} == before
    except (KeyError, TypeError):
        return False


def _epochs(config: Any) -> dict[str, Any]:
    return {"max_epochs": config["training"]["max_epochs"]}


def _image(out: Path) -> Path:
    from PIL import Image

    path = out.parent / "image.png"
    Image.frombytes("L", (3, 2), bytes([0, 50, 100, 150, 200, 250])).save(path)
    return path


def _folders(folder: Path, reference: Reference) -> Folders:
    """The folders of a subject, made once in a process."""
    name = reference.subject.command
    if (os.getpid(), name) not in _made:
        place = folder / f"damaged-{name}-{os.getpid()}"
        other = replace(reference.subject, flags=[*reference.subject.flags, "--seed", 7])
        _made[os.getpid(), name] = Folders(
            _stop(reference.subject, reference, place / "stopped"),
            reference.out,
            {"stopped": _stop(other, reference, place / "other-stopped"), "finished": _finish(other, place / "other")},
        )
    return _made[os.getpid(), name]


def _stop(subject: Subject, reference: Reference, out: Path) -> Path:
    """End it somewhere after its first checkpoints; how many operations it takes depends on its pace."""
    for part in (0.6, 0.45, 0.3, 0.2):
        ending = Ending(round(part * reference.operations.total), before=False)
        if processes.call(*subject.begin(out), layer=Layer(out, Counts(), ending=ending)).code == -9:
            return out
        shutil.rmtree(out)
    raise RuntimeError(f"{subject.command} was not stopped")


def _finish(subject: Subject, out: Path) -> Path:
    ended = processes.call(*subject.begin(out))
    if ended.code != 0:
        raise RuntimeError(f"it fails undisturbed: {ended}")
    return out


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _flip(random: Random, path: Path, _: Path) -> bool:
    content = bytearray(path.read_bytes())
    if content:
        content[random.randrange(len(content))] ^= random.randint(1, 255)
        path.write_bytes(content)
    return bool(content)


def _flips(random: Random, path: Path, other: Path) -> bool:
    return min(_flip(random, path, other) for _ in range(random.randint(2, 20)))


def _truncate(random: Random, path: Path, _: Path) -> bool:
    content = path.read_bytes()
    path.write_bytes(content[: random.randrange(max(1, len(content)))])
    return bool(content)


def _delete(_: Random, path: Path, __: Path) -> bool:
    path.unlink()
    return True


def _digit(random: Random, path: Path, _: Path) -> bool:
    content = path.read_bytes()
    places = [match.start() for match in re.finditer(rb"\d", content)]
    if not places:
        return False
    at = random.choice(places)
    digit = random.choice([digit for digit in b"0123456789" if digit != content[at]])
    path.write_bytes(content[:at] + bytes([digit]) + content[at + 1 :])
    return True


def _lines(random: Random, path: Path, _: Path, change: Callable[[Random, list[bytes]], Any]) -> bool:
    lines = path.read_bytes().splitlines(keepends=True)
    if path.suffix != ".jsonl" or len(lines) < 2:
        return False
    before = list(lines)
    change(random, lines)
    path.write_bytes(b"".join(lines))
    return lines != before


def _copy_in(_: Random, path: Path, other: Path) -> bool:
    """Another run's file of this name; where its name tells its content, its newest of the kind, and ours go."""
    if path.name.startswith("epoch-"):
        sources = sorted(other.parent.glob("epoch-*"))
        if not sources:  # of a work unit that the other sweep has not begun, or has ended
            return False
        for mine in path.parent.glob("epoch-*"):
            mine.unlink()
        shutil.copy(sources[-1], path.parent)
        return True
    if not other.is_file():
        return False
    shutil.copy(other, path)
    return True


def _fifo(_: Random, path: Path, __: Path) -> bool:
    path.unlink()
    os.mkfifo(path)
    return True


def _folder(_: Random, path: Path, __: Path) -> bool:
    path.unlink()
    path.mkdir()
    return True


DAMAGES: dict[str, Callable[[Random, Path, Path], bool]] = {
    "flip": _flip,
    "flips": _flips,
    "truncated": _truncate,
    "deleted": _delete,
    "digit": _digit,
    "of another run": _copy_in,
    "a FIFO": _fifo,
    "a folder": _folder,
    "line twice": partial(_lines, change=lambda random, lines: lines.insert(0, random.choice(lines))),
    "line gone": partial(_lines, change=lambda random, lines: lines.pop(random.randrange(len(lines)))),
    "lines swapped": partial(_lines, change=lambda random, lines: random.shuffle(lines)),
}
