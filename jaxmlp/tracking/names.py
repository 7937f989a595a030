"""The trackers by name: their classes, what they need, where they write in a run directory, and what opens that."""

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jaxmlp.errors import UsageError, unknown
from jaxmlp.tracking.ledger import Ledger

if TYPE_CHECKING:
    from jaxmlp.tracking.tracker import Tracker


class Entry(NamedTuple):
    """One tracker, in the module and, in a run directory, the folder of its name."""

    kind: str  # its class
    packages: tuple[str, ...]  # that it imports
    opens: str  # the command that shows, or sends, what is in its folder
    server: str = ""  # the variable of the environment by which it is sent elsewhere


TENSORBOARD = Entry("TensorBoard", ("tensorboardX",), "tensorboard --logdir {}")
WANDB = Entry("WeightsAndBiases", ("wandb",), "wandb sync {}/offline-run-*", "WANDB_API_KEY")
MLFLOW = Entry(
    "MLflow",
    ("mlflow", "sqlalchemy", "alembic"),
    "mlflow ui --backend-store-uri sqlite:///{}/mlflow.db",
    "MLFLOW_TRACKING_URI",
)
TRACKERS = {"tensorboard": TENSORBOARD, "wandb": WANDB, "mlflow": MLFLOW}
PATTERNS = tuple(pattern for name in TRACKERS for pattern in (name, f"{name}/*"))  # of paths in a run directory


def check_installed(name: str) -> None:
    """Raise UsageError where what a tracker imports is not installed."""
    for package in TRACKERS[name].packages:
        spec = find_spec(package)
        if spec is None or spec.origin is None:  # a folder of that name, beside which a command runs, is no package
            raise UsageError(
                f'{name} needs {package}, which is not installed; it comes with pip install "jaxmlp[{name}]"'
            )


def check_names(names: Sequence[str]) -> None:
    """Raise UsageError for a tracker that is unknown, named twice, or not installed."""
    for name in names:
        if name not in TRACKERS:
            raise unknown("--track", name, TRACKERS)
        if names.count(name) > 1:
            raise UsageError(f"--track names {name} {names.count(name)} times; once is enough")
        check_installed(name)


def trackers(names: Sequence[str], path: Path, say: Callable[[str], None]) -> "list[Tracker]":
    """Trackers of the run or sweep in `path`, each in a folder of its own there."""
    modules = {name: import_module(f"jaxmlp.tracking.{name}") for name in names}
    return [getattr(module, TRACKERS[name].kind)(path / name, say) for name, module in modules.items()]


def behind(names: Sequence[str], path: Path) -> list[str]:
    """Those of the trackers that have not written the end of the run or sweep in `path`, which has ended."""
    return [name for name in names if not _has_ended(path / name)]


def _has_ended(folder: Path) -> bool:
    try:
        return Ledger(folder, goes_on=True).has_ended
    except (OSError, ValueError):  # which the tracker meets too, and says so in its line
        return False


def say_where(tracked: "Sequence[Tracker]", say: Callable[[str], None]) -> None:
    """Say how to look at what was written."""
    for tracker in tracked:
        if tracker.opens is not None:
            say(f"tracked: {tracker.opens}")
