"""What the offline files of Weights & Biases hold of a run and of a sweep, by its own messages."""

import json
import time

import pytest

from jaxmlp.tracking import WeightsAndBiases, values

pytest.importorskip("wandb", reason="wandb is not installed")


BLOCK = 32768  # bytes, of the log in which the library keeps records


def contents(file):
    """The records of a file as bytes: a log of LevelDB behind a header of 7 bytes, for which Python has no reader."""
    data, at, parts = file.read_bytes(), 7, []
    while at + 7 <= len(data):
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        if kind == 0 or BLOCK - at % BLOCK < 7:  # the rest of a block
            at += BLOCK - at % BLOCK
            continue
        parts.append(data[at + 7 : at + 7 + size])
        at += 7 + size
        if kind in (1, 4):  # whole, last
            yield b"".join(parts)
            parts = []


def read(file):
    """The run, the config, the history and the summary, and the files of its artifacts."""
    from wandb.proto.wandb_internal_pb2 import Record

    until = time.monotonic() + 10  # its service writes the last records a moment after `finish`
    records = []
    while not any(record.HasField("exit") for record in records) and time.monotonic() < until:
        records = [Record.FromString(content) for content in contents(file)]
    config, history, summary, runs, artifacts = {}, [], {}, [], []
    for record in records:
        kind = record.WhichOneof("record_type")
        if kind == "run":
            runs.append(record.run)
            config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        elif kind == "history":
            row = {(item.key or "/".join(item.nested_key)): json.loads(item.value_json) for item in record.history.item}
            history.append({name: value for name, value in row.items() if not name.startswith("_")})
        elif kind == "summary":
            items = record.summary.update
            summary |= {(item.key or "/".join(item.nested_key)): json.loads(item.value_json) for item in items}
        elif kind == "artifact":
            artifacts += [entry.path for entry in record.artifact.manifest.contents]
    return runs[0], config, history, summary, artifacts


@pytest.mark.filterwarnings("ignore")
def test_runs_and_sweeps_are_written_offline_and_go_on(run, monkeypatch):
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    folder = run.path / "wandb"
    run.go(WeightsAndBiases(folder), 1, 2, status="stopped")
    time.sleep(1 - time.time() % 1)  # the library calls the folder of a session by the second
    run.go(WeightsAndBiases(folder), 2, 3, done=(1,))
    first, second = (read(file) for file in sorted(folder.glob("offline-run-*/*.wandb")))
    assert first[0].run_id == second[0].run_id
    assert (second[0].project, second[0].display_name) == ("jaxmlp", "run")
    assert second[1]["network.hidden"] == "[16, 8]"
    rows = first[2] + second[2]
    epochs = [{name: number for name, number in row.items() if not name.startswith("plots/")} for row in rows]
    assert epochs == [values.of_epoch(run.epoch(number)) for number in (1, 2, 3)]
    assert second[2][-1]["plots/curves/_type"] == "image-file"
    assert (second[3]["best_validation_loss"], second[3]["test_accuracy"]) == (0.75, 0.75)
    assert second[4] == ["model.safetensors"]

    trials = [run.trial(0, 0.1), run.trial(1, 0.3, status="diverged")]
    grid = run.path / "grid"
    run.sweep(WeightsAndBiases(grid), *trials)
    by_name = {of[0].display_name: of for of in map(read, grid.glob("wandb/offline-run-*/*.wandb"))}
    assert set(by_name) == {"run", "trial 0", "trial 1"}
    assert len({of[0].run_group for of in by_name.values()}) == 1
    for trial in trials:
        _, config, history, summary, _ = by_name[f"trial {trial.row['trial']}"]
        assert config["hyper.learning_rate"] == trial.row["hyper.learning_rate"]
        assert history == [numbers for _, numbers in values.of_curve(trial.curve)]
        assert summary["best_validation_loss"] == trial.row["validation_loss"]
        assert summary["status"] == trial.row["status"]
