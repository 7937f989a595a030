"""Weights & Biases: a run with its history and files; of a grid, a group with a run for each trial.

Offline, unless WANDB_MODE says otherwise or WANDB_API_KEY is set; `wandb sync` sends later what is in the folder.
"""

import contextlib
import os
import secrets
import threading
from collections.abc import Mapping
from typing import Any

from jaxmlp.tracking import values
from jaxmlp.tracking.tracker import Tracker
from jaxmlp.training.epochs import Epoch
from jaxmlp.training.events import RunBegin, RunEnd, TrialEnd

CONNECT_SECONDS = 30.0  # below the patience of a tracker


class WeightsAndBiases(Tracker):
    """A run of Weights & Biases, in the project of WANDB_PROJECT or `jaxmlp`; its files are below `folder`/wandb.

    Example:
        jaxmlp.fit(spec, hyper, splits, callbacks=[jaxmlp.tracking.WeightsAndBiases("logs/first")])
    """

    name = "wandb"

    def begin(self, run: RunBegin) -> None:
        """Begin a run of W&B, or go on with it."""
        self.axes, self.common = run.axes, run.config
        if not self.ledger.id:
            self.ledger.name(secrets.token_hex(4))
        title = run.path.name if run.path else self.folder.name
        self.group = None if run.axes is None else f"{title}-{self.ledger.id}"
        config = {**values.hyperparameters(run.config), "data": run.data}
        self.run = self._init(self.ledger.id, title, config, "run" if run.axes is None else "grid")

    def epoch(self, epoch: Epoch) -> None:
        """Log its metrics."""
        self.run.log(values.of_epoch(epoch), step=epoch.epoch)

    def trial(self, trial: TrialEnd) -> None:
        """Log a run of the group."""
        row = trial.row
        hyper = {name: row[name] for name in self.axes or () if name in row}
        config = values.hyperparameters({**self.common, **hyper})
        run = self._init(f"{self.ledger.id}-{row['trial']}", f"trial {row['trial']}", config, "trial")
        for epoch, numbers in values.of_curve(trial.curve):
            run.log(numbers, step=epoch)
        run.summary.update({**values.of_trial(row), "status": row["status"]})
        run.finish(exit_code=1 if row["status"] == "diverged" else 0)

    def end(self, run: RunEnd) -> None:
        """Log the final metrics, the pictures and the model."""
        import wandb

        if run.summary is not None:
            self.run.summary.update(values.of_summary(run.summary))
        if run.status == "finished":
            pictures = {f"plots/{file.stem}": wandb.Image(str(file)) for file in values.pictures(run)}
            if pictures:
                self.run.log(pictures)
            with values.model_file(run) as model:
                if model is not None:
                    artifact = wandb.Artifact(f"model-{self.ledger.id}", "model")
                    artifact.add_file(str(model))
                    self.run.log_artifact(artifact)
                    self.run.finish()
                    return
        self.run.finish(exit_code=int(run.status == "failed"))

    def abandon(self) -> None:
        """End the service of W&B, which this process would wait for at its end."""
        import psutil

        for process in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if "wandb-core" in process.name():
                    process.kill()
        threading.Thread(target=_forget, daemon=True).start()

    def _init(self, run: str, title: str, config: Mapping[str, Any], kind: str) -> Any:
        """Begin a run beside those that are open, silently, without a look at the machine or the repository."""
        import wandb

        mode: Any = os.environ.get("WANDB_MODE", "online" if "WANDB_API_KEY" in os.environ else "offline")
        self.folder.mkdir(parents=True, exist_ok=True)
        quiet: dict[str, Any] = {"silent": True, "quiet": True, "console": "off", "disable_git": True}
        unseen: dict[str, Any] = {"x_disable_meta": True, "x_disable_stats": True, "x_disable_machine_info": True}
        return wandb.init(
            dir=self.folder.parent if self.folder.name == "wandb" else self.folder,
            id=run,
            name=title,
            group=self.group,
            job_type=kind,
            config=dict(config),
            resume="allow",
            reinit="create_new",
            project=os.environ.get("WANDB_PROJECT", "jaxmlp"),
            settings=wandb.Settings(mode=mode, init_timeout=CONNECT_SECONDS, **quiet, **unseen),
        )


def _forget() -> None:
    """Have W&B not look for its service at the end of the process."""
    import wandb

    with contextlib.suppress(Exception):  # the service is gone, and says so
        wandb.teardown(exit_code=1)
