"""The units of a sweep on the disk: what has come of each, the states of those that are not done, the best trial.

units/NAME.json             what has come of a unit: the truth, of which results.jsonl and curves.jsonl are copies
units/NAME/try-S.A/         its state, as attempt A of session S saved it; gone when no trial goes on from it
units/best/                 the best of the trials that have finished
"""

import contextlib
import json
import math
import re
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxmlp import files
from jaxmlp.errors import RunError
from jaxmlp.grid.journal import Best
from jaxmlp.grid.results import COLUMNS, TrialResult
from jaxmlp.grid.snapshots import Snapshot
from jaxmlp.grid.units import Done, Record, Unit
from jaxmlp.grid.worker import Saved
from jaxmlp.run import checkpoints
from jaxmlp.run.identity import Identity
from jaxmlp.run.sealed import json_text, read_json
from jaxmlp.spec import Spec
from jaxmlp.sweep import store
from jaxmlp.sweep.store import UNITS
from jaxmlp.training import loop
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.loop import TrainState

BEST = "best"
SYNCS = 16  # files that are synced side by side
_TRY = re.compile(r"try-(\d+)\.\d+")


class UnitStates:
    """The states of units, in the folder of a sweep: what workers need of it.

    Args:
        path: The folder of the sweep.
        specs: Of each group.
        run: The identity of the sweep, which its files carry.
        session: Tells the attempts of this session from those of others, which may still write.
    """

    def __init__(self, path: Path, specs: Sequence[Spec], run: Identity, session: int) -> None:
        self.path, self.specs, self.run, self.session = path / UNITS, specs, run, session

    def save(self, unit: Unit, saved: Saved) -> None:
        """Write the state of an attempt at a unit. RunError if the disk refuses; what was there before still is."""
        records = json.dumps([record[:2] for record in saved.finished]).encode()
        facts = {"facts": saved.snapshot.facts, "epochs": saved.epochs, "seconds": saved.seconds}
        facts |= {"group": unit.group, "records": len(records), "best": _facts_of(saved.best), "whole": saved.whole}
        tree = {
            "states": saved.snapshot.states,
            "histories": saved.snapshot.histories,
            "records": np.frombuffer(records, np.uint8),
            "best": saved.best and (saved.best.state, saved.best.history),
        }
        folder = self.path / unit.name / f"try-{self.session}.{unit.attempt}"
        checkpoints.save(folder, saved.calls, tree, {"unit": json.dumps(facts), "identity": self.run.to_json()})

    def load(self, name: str) -> Saved | None:
        """The state of a unit that is furthest, of all sessions and attempts."""
        furthest = None
        for folder in _tries(self.path / name):
            with contextlib.suppress(RunError):  # damaged: the unit begins anew, or from another attempt
                checkpoint = checkpoints.restore(folder, self._shapes, refuse=self._refuse)
                if checkpoint is not None and (furthest is None or checkpoint.epoch > furthest.epoch):
                    furthest = checkpoint
        if furthest is None:
            return None
        facts, tree = json.loads(furthest.metadata["unit"]), furthest.tree
        snapshot = Snapshot(tree["states"], tree["histories"], facts["facts"])
        records = [Record(*pair) for pair in json.loads(tree["records"].tobytes())]
        best = _result_of(facts["best"], tree["best"])
        return Saved(furthest.epoch, snapshot, records, best, facts["epochs"], facts["seconds"], facts["whole"])

    def _refuse(self, metadata: dict[str, str]) -> str | None:
        return None if metadata.get("identity") == self.run.to_json() else "belongs to another sweep"

    def _shapes(self, metadata: dict[str, str]) -> dict[str, Any]:
        """Of the tree of a checkpoint."""
        unit = json.loads(metadata["unit"])
        facts, best, state = unit["facts"], unit["best"], loop.state_shapes(self.specs[unit["group"]])
        trials = len(facts["trials"])
        many = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((trials, *leaf.shape), leaf.dtype), state)
        return {
            "states": many if trials else None,
            "histories": _history_shape(sum(facts["epochs"])),
            "records": jax.ShapeDtypeStruct((unit["records"],), np.uint8),
            "best": best and (state, _history_shape(best["epochs"])),
        }


class SweepJournal(UnitStates):
    """What the driver keeps of a sweep, beside the states of its units; it alone writes it."""

    def __init__(self, path: Path, specs: Sequence[Spec], run: Identity, callbacks: Callbacks) -> None:
        sessions = [int(match[1]) for folder in path.glob(f"{UNITS}/*/try-*") if (match := _TRY.fullmatch(folder.name))]
        super().__init__(path, specs, run, 1 + max(sessions, default=0))
        self.callbacks, self.logs = callbacks, store.Logs(path, run)
        self._threads = ThreadPoolExecutor(SYNCS)
        self.bests = 0  # how often the best trial has changed
        files.make_directory(self.path)

    def done(self, unit: Unit) -> Done | None:
        """What has come of a unit, if it was kept and is sound."""
        try:
            content = read_json(self._file(unit), self.run)
        except RunError:
            self.callbacks.on_message(f"{self._file(unit)} is damaged: its trials are trained again")
            return None
        if content is None or content.get("trials") != list(unit.trials):
            return None
        finished, waiting = ([Record(*pair) for pair in content[name]] for name in ("finished", "waiting"))
        scores = {int(trial): math.inf if score is None else score for trial, score in content["scores"].items()}
        work = {name: content[name] for name in ("epochs", "seconds", "compiles", "compile_seconds", "device")}
        return Done(unit.name, finished, waiting, scores, None, **work)

    def keep(self, results: Sequence[tuple[Unit, Done]]) -> None:
        """Write what has come of units; the state of one is gone then, unless trials go on from it."""
        texts = {self._file(unit).name: self._text(unit, done) for unit, done in results}
        files.write_together(self.path, texts, self._threads)
        for unit, done in results:
            if not done.waiting:
                self.forget(unit)

    def _text(self, unit: Unit, done: Done) -> str:
        content = done._asdict() | {"unit": unit.name, "trials": unit.trials}
        del content["best"]
        content |= {name: [record[:2] for record in content[name]] for name in ("finished", "waiting")}
        return json_text(content, self.run, indent=None)

    def forget_all(self) -> None:
        """Delete the states of all units, where trials are packed otherwise than before."""
        for folder in self.path.glob("*/"):
            if folder.name != BEST:
                shutil.rmtree(folder, ignore_errors=True)

    def _file(self, unit: Unit) -> Path:
        return self.path / f"{unit.name}.json"

    def add(self, records: Sequence[Record]) -> None:
        """Append trials to results.jsonl and curves.jsonl."""
        self.logs.add([record.row for record in records], [record.curve for record in records])

    def best(self) -> Best | None:
        """The best trial that was kept, if it is sound."""
        try:
            checkpoint = checkpoints.restore(self.path / BEST, self._best_shapes, refuse=self._refuse)
        except RunError:
            return None
        if checkpoint is None:
            return None
        self.bests, facts = checkpoint.epoch, json.loads(checkpoint.metadata["best"])
        result = _result_of(facts, checkpoint.tree)
        return None if result is None else Best(facts["group"], result)

    def keep_best(self, best: Best) -> None:
        """Write the best trial of all so far."""
        facts = (_facts_of(best.result) or {}) | {"group": best.group}
        metadata = {"best": json.dumps(facts), "identity": self.run.to_json()}
        self.bests += 1
        checkpoints.save(self.path / BEST, self.bests, (best.result.state, best.result.history), metadata)

    def forget(self, unit: Unit) -> None:
        """Delete the states of a unit."""
        for folder in _tries(self.path / unit.name):
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
        with contextlib.suppress(OSError):  # there may be none, or a state that another worker writes
            (self.path / unit.name).rmdir()

    def _best_shapes(self, metadata: dict[str, str]) -> tuple[TrainState, jax.ShapeDtypeStruct]:
        facts = json.loads(metadata["best"])
        return loop.state_shapes(self.specs[facts["group"]]), _history_shape(facts["epochs"])


def _tries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("try-*") if _TRY.fullmatch(path.name))


def _facts_of(result: TrialResult | None) -> dict[str, Any] | None:
    """What JSON holds of a result, beside its arrays."""
    return result and {"trial": result.trial, "status": result.status, "epochs": len(result.history)}


def _result_of(facts: dict[str, Any] | None, arrays: Any) -> TrialResult | None:
    if facts is None:
        return None
    state, history = arrays
    return TrialResult(facts["trial"], facts["status"], history, state)


def _history_shape(epochs: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((epochs, len(COLUMNS)), np.float64)
