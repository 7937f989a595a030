"""Attacks side by side: each job is a fork that takes the next one until all are made."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from battery.outcomes import TRACEBACK, Outcome

Attack = Callable[[int], Outcome]
_attacks: list[Attack] = []  # of a job: the one that it makes


def shared_out(cases: Sequence[int], jobs: int, attack: Attack) -> Iterator[tuple[int, Outcome]]:
    """Make the attacks in forks of this process; yields the number and the outcome of each, as they end."""
    pool = ProcessPoolExecutor(jobs, get_context("fork"), _attacks.append, (attack,))
    try:
        futures = [pool.submit(_outcome, number) for number in cases]
        yield from (future.result() for future in as_completed(futures))
    finally:  # also where no more are asked for
        pool.shutdown(cancel_futures=True)


def _outcome(number: int) -> tuple[int, Outcome]:
    try:
        return number, _attacks[-1](number)
    except Exception:
        return number, Outcome(TRACEBACK, "the battery itself", traceback.format_exc())
