"""Runs whole programs in turn, round by round: the seconds, the memory, and what they printed when."""

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from jaxmlp.bench.measuring import Say, environment, why
from jaxmlp.bench.programs import SETS, Program, goal_of
from jaxmlp.bench.task import Task
from jaxmlp.data.config import Data
from jaxmlp.data.sources import Dataset, load_data

PAUSE = 0.1  # seconds between two looks at the memory
VALIDATION = 0.2  # of the training examples, as our commands take


class Line(NamedTuple):
    """What a program printed, and how many seconds after its start."""

    seconds: float
    reached: dict[str, float]


class Run(NamedTuple):
    """One run of a program."""

    seconds: float  # from the command to the prompt
    peak_bytes: int  # of memory that it and the processes it started held at a time, every PAUSE seconds
    lines: list[Line]

    def when(self, name: str, holds: Callable[[float], bool]) -> float | None:
        """The seconds after which a line first said so; None if none did."""
        return next((line.seconds for line in self.lines if name in line.reached and holds(line.reached[name])), None)

    def said(self, name: str) -> list[float]:
        """All values of this name."""
        return [line.reached[name] for line in self.lines if name in line.reached]


class Outcome(NamedTuple):
    """What came of a program over all rounds, or why nothing did."""

    program: Program
    runs: list[Run]
    failure: str = ""


def measure(programs: Sequence[Program], preset: str, task: Task, rounds: int, say: Say) -> list[Outcome]:
    """Run all programs in turn, for so many rounds. DataError where the data cannot be had."""
    runs: dict[Program, list[Run]] = {program: [] for program in programs}
    failures: dict[Program, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = write_examples(SETS[preset][0], Path(folder) / "data.npz")
        places = {True: {"JAXMLP_CACHE": folder}, False: {"JAX_ENABLE_COMPILATION_CACHE": "false"}}
        for turn in range(rounds):
            for number, program in enumerate(programs):
                if program in failures:
                    continue
                done, steps = turn * len(programs) + number, rounds * len(programs)
                say(f"round {turn + 1} of {rounds}, {program.name} ({program.part})", done, steps)
                goal = json.dumps(asdict(goal_of(program, preset, task, str(data))))
                words = [sys.executable, "-m", f"jaxmlp.bench.scripts.{program.module}", goal]
                if program.compiled and turn == 0:
                    run(words, places[True])
                result = run(words, places[program.compiled])
                if isinstance(result, str):
                    failures[program] = result
                else:
                    runs[program].append(result)
    return [Outcome(program, runs[program], failures.get(program, "")) for program in programs]


def write_examples(name: str, path: Path) -> Path:
    """The set as one file that all programs read: a fifth of its training examples, drawn once, is for validation."""
    dataset = load_data(Data(name))
    assert isinstance(dataset, Dataset)
    order = np.random.default_rng(0).permutation(len(dataset.train_images))
    validation, train = np.split(order, [int(VALIDATION * len(order))])
    np.savez(
        path,
        x_train=dataset.train_images[train],
        y_train=dataset.train_labels[train],
        x_val=dataset.train_images[validation],
        y_val=dataset.train_labels[validation],
        x_test=dataset.test_images,
        y_test=dataset.test_labels,
    )
    return path


def run(words: Sequence[str], more: Mapping[str, str] | None = None) -> Run | str:
    """Run a program to its end; the last line of its standard error, if it fails. What it started is ended with it.

    `more` are variables of its environment.
    """
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True}
    lines: list[Line] = []
    with tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        with subprocess.Popen(words, env=environment() | dict(more or {}), stderr=errors, **pipes) as process:
            memory = _Memory(process.pid)

            def read() -> None:
                for line in process.stdout or ():
                    if line.startswith("{"):
                        lines.append(Line(time.perf_counter() - started, json.loads(line)))

            threads = [threading.Thread(target=target, daemon=True) for target in (read, memory.watch)]
            for thread in threads:
                thread.start()
            try:
                code = process.wait()
            finally:
                seconds = time.perf_counter() - started
                memory.end()
                for thread in threads:
                    thread.join()
        return why(errors) if code else Run(seconds, memory.peak, lines)


class _Memory:
    """The memory that a process and all that it has started hold."""

    def __init__(self, pid: int) -> None:
        self._process, self.peak, self._over = psutil.Process(pid), 0, threading.Event()
        self._family = [self._process]

    def watch(self) -> None:
        """Add up what they hold, again and again."""
        while not self._over.wait(PAUSE):
            with contextlib.suppress(psutil.Error):
                self._family = [self._process, *self._process.children(recursive=True)]
                self.peak = max(self.peak, sum(member.memory_info().rss for member in self._family))

    def end(self) -> None:
        """Stop watching, and kill what is left of them."""
        self._over.set()
        for member in self._family:
            with contextlib.suppress(psutil.Error):
                member.kill()
