"""The command `jaxmlp train`, with all that it writes."""

import json
import tempfile
from pathlib import Path

from jaxmlp.bench.scripts.common import say, task
from jaxmlp.train import command


def main() -> None:
    """So many epochs, each with its validation, and the test examples at the end."""
    goal = task()
    with tempfile.TemporaryDirectory() as folder:
        command.main(
            [
                *("--data.name", goal["data"], "--data.normalise", "per_image"),
                *("--network.hidden", *map(str, goal["hidden"])),
                *("--training.batch-size", str(goal["batch"]), "--training.max-epochs", str(goal["epochs"])),
                *("--hyper.learning-rate", str(goal["learning_rate"]), "--hyper.momentum", str(goal["momentum"])),
                *("--hyper.patience", "0", "--out", f"{folder}/run", "--quiet"),
            ]
        )
        summary = json.loads((Path(folder) / "run" / "summary.json").read_text())
        say(test_accuracy=summary["test"]["accuracy"])


if __name__ == "__main__":
    main()
