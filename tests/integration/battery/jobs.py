"""Attacks side by side: each job is a fork that makes every n-th of them."""

import os
import pickle
import traceback
from collections.abc import Callable, Iterator, Sequence

from battery.outcomes import TRACEBACK, Outcome


def shared_out(cases: Sequence[int], jobs: int, attack: Callable[[int], Outcome]) -> Iterator[tuple[int, Outcome]]:
    """Make the attacks in forks of this process; yields the number and the outcome of each."""
    pipes = []
    for job in range(jobs):
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.close(reading)
            with os.fdopen(writing, "wb") as file:
                for number in cases[job::jobs]:
                    try:
                        outcome = attack(number)
                    except Exception:
                        outcome = Outcome(TRACEBACK, "the battery itself", traceback.format_exc())
                    pickle.dump((number, outcome), file)
                    file.flush()
            os._exit(0)
        os.close(writing)
        pipes.append(reading)
    for reading in pipes:
        with os.fdopen(reading, "rb") as file:
            while True:
                try:
                    yield pickle.load(file)
                except EOFError:
                    break
    for _ in pipes:
        os.wait()
