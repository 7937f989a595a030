"""What MLflow's own client reads of a run and of a sweep."""

import pytest

from jaxmlp.tracking import MLflow, values

for package in ("mlflow", "sqlalchemy", "alembic"):
    pytest.importorskip(package, reason=f"{package} is not installed")


@pytest.mark.filterwarnings("ignore")
def test_runs_and_sweeps_are_written_to_sqlite_and_go_on(run, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    folder = run.path / "mlflow"
    run.go(MLflow(folder), 1, 2, status="stopped")
    run.go(MLflow(folder), 2, 3, done=(1,))
    trials = [run.trial(0, 0.1), run.trial(1, 0.3, status="diverged")]
    (folder / "written.txt").unlink()  # a sweep, in the same database
    run.sweep(MLflow(folder), *trials)

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("jaxmlp").experiment_id
    found = {of.info.run_name: of for of in client.search_runs([experiment], order_by=["attributes.start_time DESC"])}
    all_runs = client.search_runs([experiment])
    assert sorted(of.info.run_name for of in all_runs) == ["run", "run", "trial 0", "trial 1"]
    one = next(of for of in all_runs if "learning_rate" in of.data.metrics and of.info.run_name == "run")
    assert one.info.status == "FINISHED"
    assert one.data.params["network.hidden"] == "[16, 8]"
    for name in values.of_epoch(run.epoch(1)):
        history = [(point.step, point.value) for point in client.get_metric_history(one.info.run_id, name)]
        assert sorted(history) == [(n, values.of_epoch(run.epoch(n))[name]) for n in (1, 2, 3)]
    assert (one.data.metrics["best_validation_loss"], one.data.metrics["test_accuracy"]) == (0.75, 0.75)
    assert [file.path for file in client.list_artifacts(one.info.run_id)] == ["model.safetensors", "plots"]
    assert [file.path for file in client.list_artifacts(one.info.run_id, "plots")] == ["plots/curves.png"]

    parent = next(of for of in all_runs if of.info.run_name == "run" and of is not one)
    for trial, status in zip(trials, ("FINISHED", "FAILED"), strict=True):
        of = found[f"trial {trial.row['trial']}"]
        assert of.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert of.info.status == status
        assert of.data.params == {"hyper.learning_rate": str(trial.row["hyper.learning_rate"]), "seed": "0"} | {
            "network.hidden": "[16, 8]"
        }
        history = client.get_metric_history(of.info.run_id, "validation_loss")
        losses = [loss for loss in trial.curve["validation_loss"] if loss is not None]
        assert [point.value for point in sorted(history, key=lambda point: point.step)] == losses
        assert of.data.metrics["best_validation_loss"] == trial.row["validation_loss"]
