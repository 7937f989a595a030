"""The model of a run directory: its file carries the run that it belongs to."""

from pathlib import Path

from jaxmlp.errors import RunError, UsageError
from jaxmlp.run.directory import CONFIG, ENVIRONMENT, RUN, identity_of
from jaxmlp.run.identity import Identity
from jaxmlp.text import short_path, typed
from jaxmlp.training import model_file
from jaxmlp.training.model import Model

FILE = "model.safetensors"


def save(run: Path, model: Model, identity: Identity | None = None) -> None:
    """Write `model.safetensors` in the directory of a run, with the digest of its `identity`."""
    mark = {} if identity is None else {"run": identity.digest}
    model_file.write(run / FILE, model.spec, model.params, model.preparation, mark)


def load(path: str | Path) -> Model:
    """The model of a file that `Model.save` wrote, of a run directory, or of its model.safetensors.

    Raises RunError if there is none or its file is damaged, and UsageError where it is in a folder below.

    Example:
        model = jaxmlp.load("runs/mine")
        model.predict(images)  # [N, *input_shape], not normalised
    """
    is_run = Path(path).is_dir()
    file = Path(path) / FILE if is_run else Path(path)
    if not file.is_file():
        below = sorted(Path(path).glob(f"*/{FILE}"))
        if below:
            raise UsageError(f"{path} holds no model itself; take {below[0].parent}")
        run = "the directory of a run that has ended (or resume it with --resume)"
        raise RunError(f"{file} does not exist; give {run}" + ("" if is_run else ", or a file that Model.save wrote"))
    parts, metadata = model_file.read(file, f"bring a copy back, or {_again(file.parent)}")
    of_run = identity_of(file.parent) if is_run else None
    if of_run is not None and metadata.get("run") != of_run.digest:
        raise RunError(
            f"{file} belongs to another run than {ENVIRONMENT} beside it; remove it, and {_again(file.parent)}"
        )
    return Model(*parts)


def run_of(path: Path) -> Path | None:
    """The run directory that a path stands for: it, or the folder of its model; None for a model that is alone."""
    if not path.is_dir() and path.name != FILE:
        return None
    folder = path if path.is_dir() else path.parent
    return folder if (folder / CONFIG).is_file() else None


def _again(folder: Path) -> str:
    """How to write the model of a run again: by the command, where that can."""
    try:
        RUN.check(folder)
    except UsageError:
        return "train it again"
    if not (folder / CONFIG).exists():
        return "train it again"
    return f"write it again by {typed('train', '--out', short_path(folder), '--resume')}"
