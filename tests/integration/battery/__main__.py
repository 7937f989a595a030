"""Attack, and print a table in Markdown.

PYTHONPATH=.:tests/integration python -m battery                  all of it (`.ci/run battery`)
PYTHONPATH=.:tests/integration python -m battery kills=20 damage  20 kills, and all of damage

A failure is printed with the flags that repeat it, and makes the exit code 1.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from random import Random

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["MPLBACKEND"] = "agg"

from battery.jobs import shared_out
from battery.outcomes import Outcome, Tally, table
from battery.world import World, prepare

COUNTS = {"kills": 200, "powercut": 20, "overlaps": 40, "refusals": 500, "damage": 5000, "inputs": 60_000}
ALWAYS = ("train", "sweep")
SUBJECTS = dict.fromkeys(COUNTS, ALWAYS) | {"kills": (*ALWAYS, "perceptron", "report"), "inputs": ()}


def main(arguments: list[str]) -> int:
    """Make the attacks that are asked for, and print what came of them."""
    parser = argparse.ArgumentParser(prog="battery")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(COUNTS)}; kills=20: so many")
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of attacks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="only the attack of this number")
    parser.add_argument(
        "--quick", action="store_true", help="attack train and sweep only, and compare with one run of each"
    )
    parser.add_argument(
        "--minutes", type=float, help="for each kind at most; the table says how many were tried by then"
    )
    parser.add_argument("--jobs", type=int, default=1, help="attacks at a time")
    parser.add_argument("--folder", type=Path, help="where to work; a folder that is removed, without it")
    options = parser.parse_args(arguments)
    kinds = dict(_kind(word, options.scale) for word in options.kinds or COUNTS)
    letters = Random().choices("abcdefgh", k=8)  # not more digits than the data have: damage finds those in a config
    folder = Path(options.folder or tempfile.gettempdir()) / f"battery-{''.join(letters)}"
    folder.mkdir()
    os.environ["JAXMLP_CACHE"] = str(folder / "cache")
    try:
        names = dict.fromkeys(name for kind in kinds for name in (ALWAYS if options.quick else SUBJECTS[kind]))
        world = prepare(folder, tuple(names), quick=options.quick)
        tallies = []
        for kind, count in kinds.items():
            cases = [options.case] if options.case is not None else range(count)
            tally, started = Tally(kind), time.monotonic()
            for number, outcome in shared_out(cases, options.jobs, partial(run, kind, options.seed, folder, world)):
                failure = tally.add(f"{kind} --seed {options.seed} --case {number}", outcome)
                if failure is not None:
                    print(failure, file=sys.stderr, flush=True)
                if options.minutes is not None and time.monotonic() - started > 60 * options.minutes:
                    break
            print(f"{kind}: {tally.tried:,} in {time.monotonic() - started:.0f} s", file=sys.stderr)
            tallies.append(tally)
        print(table(tallies))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if any(tally.failures for tally in tallies) else 0


def _kind(word: str, scale: float) -> tuple[str, int]:
    """A kind of attack and how many, of `kills=20` or `kills`."""
    kind, _, count = word.partition("=")
    return kind, int(count) if count else max(1, round(scale * COUNTS[kind]))


def run(kind: str, seed: int, folder: Path, world: World, number: int) -> Outcome:
    """One attack in an empty folder, which is removed."""
    work = Path(tempfile.mkdtemp(prefix=f"{kind}-{number}-", dir=folder))
    try:
        return import_module(f"battery.{kind}").attack(Random(f"{kind} {seed} {number}"), work, world)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
