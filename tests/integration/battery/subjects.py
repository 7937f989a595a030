"""The commands that are attacked, as small as they can be, and what two equal ends of them have in common."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxmlp.errors import JaxmlpError
from jaxmlp.run import config as run_config
from jaxmlp.sweep import config as sweep_config

# keys of what differs from run to run: times, digests of lines that hold times, and the work, of which some is done twice
VARIES = re.compile("second|sha256|digest|seal|peak|compile|crc32|provenance|trial_epochs")
EVERY = ("--checkpoint-seconds", "0.000001")


@dataclass(frozen=True)
class Subject:
    """A command, how it begins and goes on in a folder, and its results there."""

    command: str
    flags: Sequence[object]
    resume: Sequence[object]
    results: Callable[[Path], dict[str, Any]]
    resumed: bool = True  # else begun anew

    def begin(self, out: Path) -> list[object]:
        """The words that begin it in a folder."""
        return [self.command, *self.flags, "--out", out]

    def go_on(self, out: Path) -> list[object]:
        """The words that go on with it."""
        return [self.command, *self.resume, "--out", out]


def subjects(folder: Path) -> dict[str, Subject]:
    """The commands by name, on data that are written to the folder."""
    data = folder / "clouds3.npz"  # damage finds its digit in a config
    if not data.exists():
        generator = np.random.default_rng(0)
        labels = generator.integers(0, 3, 80).astype(np.int32)
        x = 60 * np.eye(3, 6)[labels] + generator.normal(100, 40, size=(80, 6))
        images = np.clip(x, 0, 255).astype(np.uint8).reshape(-1, 2, 3)
        np.savez(data, x_train=images[:60], y_train=labels[:60], x_test=images[60:], y_test=labels[60:])
    network = ["--data.name", data, "--network.hidden", 4, "--hyper.patience", 0, "--training.batch-size", 16]
    sweep = ["--grid", "learning_rate = [0.03, 0.1, 0.3]", "--seeds", 2, "--mode", "sequential", "--test-all"]
    online = ["--data.name", data, "--online.max-steps", 300]
    report = ["--data.name", "digits", "--seeds", 1, "--only", "softmax"]
    return {
        "train": Subject("train", [*network, "--training.max-epochs", 25, *EVERY], ["--resume", *EVERY], run_results),
        "sweep": Subject(
            "sweep", [*network, "--training.max-epochs", 12, *sweep, *EVERY], ["--resume", *EVERY], sweep_results
        ),
        "perceptron": Subject("perceptron", online, [*online, "--overwrite"], run_results, resumed=False),
        "report": Subject("report", report, report, report_results),
    }


def run_results(out: Path) -> dict[str, Any]:
    """The model, the epochs and the summary of a run, without what varies."""
    return {
        "model.safetensors": content(out / "model.safetensors"),
        "metrics.jsonl": rows(out / "metrics.jsonl"),
        "summary.json": without_varying(parsed(out / "summary.json")),
        "config.toml": config(out / "config.toml"),
    }


def sweep_results(out: Path) -> dict[str, Any]:
    """The tables, the curves and the best run of a sweep, without what varies."""
    best = {f"best/{name}": value for name, value in run_results(out / "best").items()}
    return best | {
        "results.jsonl": rows(out / "results.jsonl"),
        "results.csv": content(out / "results.csv"),
        "curves.jsonl": sorted(rows(out / "curves.jsonl"), key=str),
        "summary.json": without_varying(parsed(out / "summary.json")),
        "config.toml": config(out / "config.toml"),
    }


def report_results(out: Path) -> dict[str, Any]:
    """The results of a report, without what varies."""
    return {"results.json": without_varying(parsed(out / "results.json"))}


def content(path: Path) -> bytes | None:
    """The bytes of a file; None where there is none."""
    return path.read_bytes() if path.is_file() else None


def parsed(path: Path) -> Any:
    """A JSON file; None where there is none, and its text where it is not JSON."""
    text = content(path)
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def config(path: Path) -> Any:
    """What a config says, defaults and all; where it says nothing, its bytes, or None where there is none."""
    try:
        experiment, keys, tables = sweep_config.read(path)
        if not tables:
            return run_config.tree(experiment)
        sweep = sweep_config.sweep_of(experiment, keys, tables)
        return sweep_config.tree(sweep) | {"options": sweep_config.options_of(tables)}
    except JaxmlpError:
        return content(path)


def rows(path: Path) -> list[Any]:
    """The lines of a file of JSON lines without what varies; a line that is not JSON stays text."""
    lines = []
    for line in (content(path) or b"").splitlines():
        try:
            lines.append(without_varying(json.loads(line)))
        except ValueError:
            lines.append(line)
    return lines


def without_varying(value: Any) -> Any:
    """The same without what differs from run to run, however deep."""
    if isinstance(value, dict):
        return {key: without_varying(item) for key, item in value.items() if not VARIES.search(key)}
    return [without_varying(item) for item in value] if isinstance(value, list) else value
