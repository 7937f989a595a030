"""Optuna over PyTorch with its Hyperband pruner, a process a core."""
# pyright: reportMissingImports=false

import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from jaxmlp.bench.scripts.by_torch import epochs, measured, network
from jaxmlp.bench.scripts.common import configurations, read, say, task

NAME = "search"


def work(goal: dict[str, Any], log: str) -> None:
    """Trials, one after the other, until all have been begun by this process or another."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    train, validation, _ = read(goal["data"])
    trials = configurations(goal)

    def objective(trial: optuna.Trial) -> float:
        configuration = trials[trial.suggest_int("configuration", 0, len(trials) - 1)]
        torch.manual_seed(0)
        model, best = network(train.x.shape[1], goal["hidden"], int(train.y.max()) + 1), float("inf")
        for epoch in epochs(model, train, configuration, goal["batch"], goal["epochs"]):
            loss = measured(model, validation)[0]
            if loss < best:
                best = loss
                say(validation_loss=loss)
            trial.report(loss, epoch + 1)
            if trial.should_prune():
                raise optuna.TrialPruned
        return best

    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(log)),
        study_name=NAME,
        load_if_exists=True,
        sampler=optuna.samplers.GridSampler({"configuration": range(len(trials))}, seed=0),
        pruner=optuna.pruners.HyperbandPruner(goal["rungs"][0], goal["epochs"], reduction_factor=3),
    )
    study.optimize(objective)  # GridSampler stops it


def main() -> None:
    """The search by as many processes as cores."""
    goal = task()
    with tempfile.TemporaryDirectory() as folder:
        log = str(Path(folder) / "log")
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=work, args=(goal, log)) for _ in range(goal["cores"])]
        for process in processes:
            process.start()
        for process in processes:
            process.join()


if __name__ == "__main__":
    main()
