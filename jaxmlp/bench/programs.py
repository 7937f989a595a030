"""Whole programs, from the command to the prompt: a training, the time to an accuracy, the time to the best of a search."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from jaxmlp.bench.task import Task
from jaxmlp.errors import UsageError
from jaxmlp.machine import cores

ProgramPart = Literal["process", "target", "search"]
PROGRAM_PARTS: tuple[ProgramPart, ...] = get_args(ProgramPart)
SETS = {"report": ("mnist", 0.975), "digits": ("digits", 0.95)}  # by preset: the data, and the target
EPOCHS = {"process": 15, "target": 100, "search": 20}


@dataclass(frozen=True)
class Goal:
    """What the programs of a part do: their argument, in JSON."""

    data: str  # an NPZ file
    hidden: tuple[int, ...]
    batch: int
    epochs: int  # at most
    learning_rate: float
    momentum: float
    target: float  # the validation accuracy at which training ends; above 1 it never does
    cores: int
    learning_rates: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)  # of the search: all combinations are its trials
    momenta: tuple[float, ...] = (0.0, 0.5, 0.9, 0.95)
    l2s: tuple[float, ...] = (0.0, 1e-5, 1e-4, 1e-3)
    rungs: tuple[int, ...] = (2, 6)  # epochs after which a third of the trials goes on
    halve: bool = True


class Program(NamedTuple):
    """A line of the table."""

    name: str
    part: ProgramPart
    module: str  # below jaxmlp.bench.scripts
    peer: str = ""
    halve: bool = True
    compiled: bool = False  # whether its programs were compiled by an earlier run, as those of ours are kept


ALL = "jaxmlp, all trials to their end"
OURS = {"process": "jaxmlp train", "target": "jaxmlp", "search": "jaxmlp, halving"}
PROGRAMS = (
    Program(OURS["process"], "process", "train_with_jaxmlp"),
    Program("jaxmlp train, again", "process", "train_with_jaxmlp", compiled=True),
    Program("scikit-learn", "process", "train_with_sklearn", "sklearn"),
    Program("PyTorch", "process", "train_with_torch", "torch"),
    Program(OURS["target"], "target", "fit_with_jaxmlp"),
    Program("scikit-learn", "target", "train_with_sklearn", "sklearn"),
    Program("PyTorch", "target", "train_with_torch", "torch"),
    Program(ALL, "search", "search_with_jaxmlp", halve=False),
    Program(OURS["search"], "search", "search_with_jaxmlp"),
    Program("scikit-learn, halving", "search", "search_with_sklearn", "sklearn"),
    Program("Optuna with PyTorch, Hyperband", "search", "search_with_optuna", "optuna"),
)


def chosen(parts: Sequence[str], peers: Sequence[str]) -> list[Program]:
    """The programs of these parts, our own and those of these peers."""
    return [program for program in PROGRAMS if program.part in parts and program.peer in ("", *peers)]


def check_preset(preset: str) -> None:
    """Raise UsageError for a preset that has no data of its own."""
    if preset not in SETS:
        known = ", ".join(SETS)
        raise UsageError(f"--preset {preset} has made-up data; --parts {', '.join(PROGRAM_PARTS)} are for {known}")


def goal_of(program: Program, preset: str, task: Task, data: str) -> Goal:
    """What a program does with the examples in the file `data`."""
    target = SETS[preset][1] if program.part == "target" else 2.0
    return Goal(
        *(data, task.hidden, task.batch, EPOCHS[program.part], task.learning_rate, task.momentum, target, cores()),
        halve=program.halve,
    )
