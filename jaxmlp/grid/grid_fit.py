"""What `fit_grid` returns: a table of all trials, and the models of the best."""

import math
import threading
from collections import Counter
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp import display
from jaxmlp.errors import UsageError
from jaxmlp.grid.results import TrialResult, rank
from jaxmlp.nn.network import Params
from jaxmlp.spec import Hyper, Spec
from jaxmlp.text import count
from jaxmlp.training.epochs import Measured
from jaxmlp.training.model import Model

SHOWN = 5  # trials in a notebook, the best first


class TrainedTrial(NamedTuple):
    """A trial of a grid, and its network at the best epoch."""

    trial: int  # its row of the table
    hyper: Hyper
    seed: int
    model: Model

    @property
    def spec(self) -> Spec:
        """Network and training, with the values that the grid has given it."""
        return self.model.spec

    def __repr__(self) -> str:
        changed = {name: x for name, x in self.hyper._asdict().items() if x != Hyper._field_defaults[name]}
        hyper = ", ".join(f"{name}={x:.4g}" for name, x in changed.items())
        sizes = display.sizes(self.model.params)
        return f"TrainedTrial(trial {self.trial}, seed {self.seed}, {sizes}, Hyper({hyper}))"


class GridFit(NamedTuple):
    """A grid of trained networks: a table of all, and the best by validation loss.

    `pandas.DataFrame(grid.table)` is a data frame of the trials; `jaxmlp.plots` draws `grid.rows`.
    """

    table: dict[str, list]  # columns, one value a trial: trial, the keys of the grid, seed, status, metrics
    curves: list[dict[str, list]]  # for each trial: columns, one value an epoch
    trained: tuple[TrainedTrial, ...]  # the best trials of those that did not diverge, as many as were kept, best first
    test: Measured | None  # of the best, evaluated once. As the best of many, its validation loss is an optimistic pick
    compiles: int  # programs that were compiled: at most one for each group and shape of a batch of trials
    compile_seconds: float

    @property
    def best(self) -> TrainedTrial | None:
        """The best trial by validation loss, at its best epoch; None where all diverged."""
        return self.trained[0] if self.trained else None

    def models(self, top: int = 1) -> list[Model]:
        """The `top` best models by validation loss, the best first; fewer where fewer trials did not diverge.

        Raises UsageError where the states of so many trials were not kept.
        """
        losses = zip(self.table["trial"], self.table["status"], self.table["validation_loss"], strict=True)
        there = sum(math.isfinite(rank(*trial)[0]) for trial in losses)
        if not top >= 1 or len(self.trained) < min(top, there):
            raise UsageError(
                f"top is {top}; accepted is 1 to {len(self.trained)}, the models that were kept: fit_grid(...,"
                f" keep_models={max(top, 1)}) keeps more"
            )
        return [trial.model for trial in self.trained[:top]]

    @property
    def summary(self) -> dict[str, Any]:
        """How it ended, as in the summary.json of a sweep."""
        best = None if self.best is None else self.rows[self.best.trial]
        if best is not None and self.test is not None:
            best["test"] = self.test.to_json()
        return {"trials": len(self.table["trial"]), "statuses": dict(Counter(self.table["status"])), "best": best}

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The table, a dict a trial: as the pictures of `jaxmlp.plots` take it."""
        return [dict(zip(self.table, row, strict=True)) for row in zip(*self.table.values(), strict=True)]

    def __repr__(self) -> str:
        lines = [self._title()]
        if self.best is not None:
            row = self.rows[self.best.trial]
            names = list(row)[1 : list(row).index("status")]
            metrics = {name: row.get(f"validation_{name}") for name in Measured._fields}
            validation = Measured(**metrics)  # pyright: ignore[reportArgumentType]
            lines.append(f"  best: trial {self.best.trial} ({', '.join(f'{name} {row[name]}' for name in names)})")
            lines.append(f"  validation: {validation}")
            if self.test is not None and self.test.count:
                lines.append(f"  test:       {self.test}")
        return f"GridFit({chr(10).join(lines)}\n)"

    def _title(self) -> str:
        statuses = ", ".join(f"{n:,} {status.replace('_', ' ')}" for status, n in Counter(self.table["status"]).items())
        return f"{count(len(self.table['trial']), 'trial')} ({statuses}), {count(self.compiles, 'program')}"

    def _repr_html_(self) -> str:
        metrics = [name for name in ("validation_loss", "validation_accuracy", "validation_r2") if name in self.table]
        columns = [*list(self.table)[: list(self.table).index("status") + 1], *metrics]
        best = sorted(self.rows, key=lambda row: rank(row["trial"], row["status"], row["validation_loss"]))[:SHOWN]
        table = display.table(f"GridFit: {self._title()}", columns, [[row[name] for name in columns] for row in best])
        if self.best is None:
            return table
        trial = self.best.trial
        curve, epoch = self.curves[trial], self.table["best_epoch"][trial]
        losses = {name: [np.nan if x is None else x for x in curve[f"{name}_loss"]] for name in ("train", "validation")}
        return table + display.curves(f"loss of trial {trial}", losses, epoch)


class BestWeights:
    """The weights of the best trials so far, at most so many: workers add each trial as it finishes, or waits at a rung."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._kept: dict[int, tuple[tuple[float, int], Params]] = {}

    def add(self, result: TrialResult) -> None:
        """Keep the weights of a trial in place of its earlier ones, if it is among the best."""
        with self._lock:
            self._kept.pop(result.trial, None)
            worst = max(self._kept, key=lambda trial: self._kept[trial][0], default=None)
            if math.isinf(result.rank[0]):
                return
            if worst is not None and len(self._kept) == self._most:
                if self._kept[worst][0] < result.rank:
                    return
                del self._kept[worst]
            self._kept[result.trial] = result.rank, jax.tree.map(np.array, result.state.best_params)

    def best_first(self) -> list[tuple[int, Params]]:
        """Trials and their weights."""
        kept = sorted(self._kept.values(), key=lambda entry: entry[0])
        return [(trial, params) for (_, trial), params in kept]
