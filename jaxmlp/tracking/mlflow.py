"""MLflow: a run with its metrics and files; of a grid, a parent run with a run for each trial below it.

Written to the server that MLFLOW_TRACKING_URI names; else to SQLite in the folder: files without a database are no longer
maintained by MLflow, which reads and writes them only where MLFLOW_ALLOW_FILE_STORE is set.
"""

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

from jaxmlp.tracking import values
from jaxmlp.tracking.tracker import Tracker
from jaxmlp.training.epochs import Epoch
from jaxmlp.training.events import RunBegin, RunEnd, TrialEnd

MOST_METRICS, MOST_PARAMS = 1000, 100  # of a call
STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
FAILED = ("diverged",)  # trials


class MLflow(Tracker):
    """A run of MLflow, in the experiment of MLFLOW_EXPERIMENT_NAME or `jaxmlp`.

    Example:
        jaxmlp.fit_grid(spec, hyper, splits, grid, callbacks=[jaxmlp.tracking.MLflow("logs/grid")])
    """

    name = "mlflow"

    def begin(self, run: RunBegin) -> None:
        """Begin a run of MLflow, or go on with it."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # which reaches for the network
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # else making the tables is told on standard error
        from mlflow import MlflowClient

        server = os.environ.get("MLFLOW_TRACKING_URI")
        self.client = MlflowClient(server or f"sqlite:///{self.folder / 'mlflow.db'}")
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "jaxmlp")
        known = self.client.get_experiment_by_name(name)
        artifacts = None if server else (self.folder / "artifacts").as_uri()
        self.experiment = known.experiment_id if known else self.client.create_experiment(name, artifacts)
        self.axes = run.axes or {}
        if self.ledger.id:
            self.run = self.client.get_run(self.ledger.id)
            self.client.update_run(self.ledger.id, "RUNNING")
        else:
            title = run.path.name if run.path else self.folder.name
            self.run = self.client.create_run(self.experiment, run_name=title, tags={"data": run.data})
            self.ledger.name(self.run.info.run_id)
        params = {key: value for key, value in run.config.items() if key not in self.run.data.params}
        self._log(self.ledger.id, params, [])

    def epoch(self, epoch: Epoch) -> None:
        """Log its metrics."""
        self._log(self.ledger.id, {}, [(epoch.epoch, values.of_epoch(epoch))])

    def trial(self, trial: TrialEnd) -> None:
        """Log a run below that of the grid."""
        row = trial.row
        tags = {"mlflow.parentRunId": self.ledger.id, "trial": str(row["trial"]), "status": row["status"]}
        run = self.client.create_run(self.experiment, run_name=f"trial {row['trial']}", tags=tags).info.run_id
        curve = [*values.of_curve(trial.curve), (row["best_epoch"], values.of_trial(row))]
        self._log(run, {name: row[name] for name in self.axes if name in row}, curve)
        self.client.set_terminated(run, "FAILED" if row["status"] in FAILED else "FINISHED")

    def end(self, run: RunEnd) -> None:
        """Log the final metrics, the pictures and the model."""
        if run.summary is not None:
            numbers = values.of_summary(run.summary)
            self._log(self.ledger.id, {}, [(int(numbers.get("best_epoch", 0)), numbers)])
        if run.status == "finished":
            for file in values.pictures(run):
                self.client.log_artifact(self.ledger.id, str(file), str(file.parent.relative_to(run.path or ".")))
            with values.model_file(run) as model:
                if model is not None:
                    self.client.log_artifact(self.ledger.id, str(model))
        self.client.set_terminated(self.ledger.id, STATUS[run.status])

    def _log(self, run: str, params: Mapping[str, Any], epochs: Iterable[tuple[int, values.Numbers]]) -> None:
        """Log hyperparameters, and the numbers of epochs, in as few calls as may be."""
        from mlflow.entities import Metric, Param

        now = int(1000 * time.time())
        metrics = [Metric(name, number, now, epoch) for epoch, numbers in epochs for name, number in numbers.items()]
        plain = [Param(name, str(value)) for name, value in values.hyperparameters(params).items()]
        for first in range(0, len(plain), MOST_PARAMS):
            self.client.log_batch(run, params=plain[first : first + MOST_PARAMS])
        for first in range(0, len(metrics), MOST_METRICS):
            self.client.log_batch(run, metrics=metrics[first : first + MOST_METRICS])
