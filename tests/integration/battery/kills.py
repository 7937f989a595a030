"""SIGKILL at any instant of train, sweep, perceptron and report; then they are gone on with until they are done."""

import signal
import time
from pathlib import Path
from random import Random

from battery.layer import Counts, Ending, Layer
from battery.outcomes import Outcome, broken
from battery.processes import Process
from battery.world import World, verdict

WEIGHTS = {"train": 8, "sweep": 8, "perceptron": 2, "report": 1}


def attack(random: Random, folder: Path, world: World) -> Outcome:
    """Kill a command up to three times, at a random time or before or after a random operation."""
    name = random.choices(list(world), [WEIGHTS[name] for name in world])[0]
    reference, out, done = world[name], folder / "run", []
    for number in range(random.randint(1, 3)):
        words = reference.subject.go_on(out) if out.exists() and number else reference.subject.begin(out)
        if random.random() < 0.5:
            instant = random.uniform(0, reference.seconds)
            process = Process(words)
            time.sleep(instant)
            process.send(signal.SIGKILL)
            done.append(f"after {instant:.3f} s")
        else:
            ending = Ending(random.randint(1, reference.operations.total), random.random() < 0.5)
            process = Process(words, Layer(out, Counts(), ending=ending))
            done.append(f"{'before' if ending.before else 'after'} operation {ending.at}")
        ended = process.end()
        what = f"{name} killed {', '.join(done)}"
        failure = broken(ended, what)
        if failure is not None:
            return failure
        if ended.code not in (0, -9) and "leave out --resume" not in ended.error:
            return Outcome("lost", what, ended.error[-400:])
    return verdict(reference, out, what)
