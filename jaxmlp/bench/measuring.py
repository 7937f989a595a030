"""Measures entries in turn, round by round, each in a process of its own that stays alive: a drift hits all alike."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from statistics import median
from typing import Any, NamedTuple

from jaxmlp.bench.entries import Entry
from jaxmlp.bench.task import Task
from jaxmlp.errors import JaxmlpError, printable, shortened
from jaxmlp.machine import cores

SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # they slow NumPy down where they are set
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Say = Callable[[str, int, int], None]  # what is done, how many steps of it are behind, and of how many


class Job(NamedTuple):
    """An entry, and the task it is measured at."""

    entry: Entry
    task: Task
    label: str  # how it is called while it runs


class Measurement(NamedTuple):
    """What came of an entry: the seconds of an epoch of one network in each round, or why there are none."""

    entry: Entry
    seconds: list[float]
    loss: float | None = None  # None: nothing is learnt
    first_seconds: float | None = None  # of the first run, with reading the data, building and compiling
    peak_bytes: int | None = None  # of all its processes
    device_peak_bytes: int | None = None  # of the device's memory, where it has its own
    device: str = ""  # its kind, where JAX is used
    failure: str = ""

    @property
    def median(self) -> float:
        """Seconds an epoch; of one that failed there are none."""
        return median(self.seconds)


class EntryError(JaxmlpError):
    """A process of an entry has ended by an error."""


def measure(jobs: Sequence[Job], rounds: int, say: Say) -> list[Measurement]:
    """Start all jobs one after the other, let them take turns for so many rounds, and end them."""
    seconds: dict[Job, list[float]] = {job: [] for job in jobs}
    failures: dict[Job, str] = {}
    ends: dict[Job, dict[str, Any]] = {}
    steps = len(jobs) * (rounds + 1)
    with ExitStack() as stack:
        running: dict[Job, _Processes] = {}
        for number, job in enumerate(jobs):
            say(f"starting {job.label}", number, steps)
            with _failing(job, running, failures):
                running[job] = stack.enter_context(_started(job))
        for turn in range(rounds):
            for number, job in enumerate(jobs):
                if job in running:
                    say(f"round {turn + 1} of {rounds}, {job.label}", len(jobs) * (turn + 1) + number, steps)
                    with _failing(job, running, failures):
                        seconds[job].append(running[job].run())
        for job, processes in list(running.items()):
            with _failing(job, running, failures):
                ends[job] = processes.end()
    return [
        Measurement(job.entry, seconds[job], **ends[job])
        if job in ends
        else Measurement(job.entry, [], failure=failures[job])
        for job in jobs
    ]


@contextmanager
def _failing(job: Job, running: dict[Job, Any], failures: dict[Job, str]) -> Iterator[None]:
    """Leave out a job whose process ends by an error, and go on with the others."""
    try:
        yield
    except EntryError as error:
        failures[job] = str(error)
        running.pop(job, None)


@contextmanager
def _started(job: Job) -> Iterator["_Processes"]:
    """The processes of a job, once they have run for the first time; killed at the end."""
    entry = job.entry
    with tempfile.TemporaryFile("w+") as errors:
        words = [sys.executable, "-m", "jaxmlp.bench.worker", entry.name, json.dumps(asdict(job.task))]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors, "text": True}
        processes = [
            subprocess.Popen(words, env=_environment(job), **pipes)
            for _ in range(cores() if entry.a_process_a_core else 1)
        ]
        try:
            yield _Processes(processes, errors)
        finally:
            for process in processes:
                process.kill()
                process.communicate()


def environment() -> dict[str, str]:
    """That of the user, without what slows NumPy down."""
    return {name: value for name, value in os.environ.items() if name not in SLOWING}


def _environment(job: Job) -> dict[str, str]:
    """Where there is a process a core, each has one thread.

    JAX computes on the device of the task, and processes that share a gpu take its memory as they need it.
    """
    one_thread = dict.fromkeys(THREADS, "1") if job.entry.a_process_a_core else {}
    platform = {
        "JAX_PLATFORMS": "cuda" if job.task.device == "gpu" else "cpu",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    flags = " ".join(filter(None, [os.environ.get("XLA_FLAGS", ""), job.entry.xla_flags]))
    return environment() | one_thread | platform | {"KERAS_BACKEND": "jax", "XLA_FLAGS": flags}


class _Processes:
    """The processes of an entry, which do the same at a time."""

    def __init__(self, processes: Sequence[subprocess.Popen], errors: Any) -> None:
        self._processes, self._errors = processes, errors
        begun = self._answers()
        self._epochs = sum(answer["epochs"] for answer in begun)
        self._device = begun[0]["device"]
        self._first_seconds = max(answer["first_seconds"] for answer in begun)

    def run(self) -> float:
        """The seconds of an epoch of one network, all processes at work."""
        return max(answer["seconds"] for answer in self._answers("run")) / self._epochs

    def end(self) -> dict[str, Any]:
        """What is known after the last round: fields of a `Measurement`."""
        answers = self._answers("end")
        return {
            "loss": answers[0]["loss"],
            "first_seconds": self._first_seconds,
            "device": self._device,
            "peak_bytes": sum(answer["peak_bytes"] for answer in answers),
            "device_peak_bytes": answers[0]["device_peak_bytes"],
        }

    def _answers(self, request: str = "") -> list[dict[str, Any]]:
        for process in self._processes:
            if request and process.stdin:
                try:
                    process.stdin.write(f"{request}\n")
                    process.stdin.flush()
                except OSError:
                    raise EntryError(why(self._errors)) from None
        lines = [process.stdout.readline() if process.stdout else "" for process in self._processes]
        if not all(lines):
            raise EntryError(why(self._errors))
        return [json.loads(line) for line in lines]


def why(errors: Any) -> str:
    """The last line in the file that was the standard error of a process."""
    errors.seek(0)
    lines = [line.strip() for line in errors if line.strip()]
    return shortened(printable(lines[-1]), 300) if lines else "its process was ended"
