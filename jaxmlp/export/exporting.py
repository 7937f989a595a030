"""Writing a network for other programs: made, checked against `Model`, and only then put where it is wanted."""

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from jaxmlp import files, tensors
from jaxmlp.errors import RunError, UsageError, entry
from jaxmlp.export import examples, formats
from jaxmlp.export.examples import Raw
from jaxmlp.export.formats import FORMATS, TOLERANCE, Agreement, agreement
from jaxmlp.run import directory, model
from jaxmlp.training.model import Model

IMPORTED = {"numpy", "torch", "safetensors", *sys.stdlib_module_names}  # by a program that is written, or by these


class Exported(NamedTuple):
    """What was written, and how it was checked."""

    files: dict[Path, int]  # with their sizes in bytes, the file that was asked for first
    checked_on: str  # where the examples are from
    agreement: Agreement | None  # None: the package that runs the format is not installed


def export_model(
    trained: Model | str | Path, format: str, path: str | Path, *, overwrite: bool = False
) -> Agreement | None:
    """Write a trained network as a file for other programs, which is checked before it is kept.

    Args:
        trained: A model, or the path of one as `jaxmlp.load` takes it.
        format: onnx, stablehlo, numpy or torch.
        path: The file; the weights of a Python program go beside it.
        overwrite: Whether files that are there are replaced.

    Returns:
        How near it comes to the model; None where the package that runs the format is not installed.

    Raises:
        UsageError: for a file that exists, an activation of one's own, or a package that is missing; RunError: where the
            file does not agree with the model, or cannot be written.

    Example:
        jaxmlp.export_model(fit.model, "onnx", "rings.onnx")
    """
    if isinstance(trained, Model):
        return write(trained, None, format, Path(path), overwrite=overwrite).agreement
    return write(model.load(trained), model.run_of(Path(trained)), format, Path(path), overwrite=overwrite).agreement


def write(trained: Model, run: Path | None, format: str, path: Path, *, overwrite: bool) -> Exported:
    """As `export_model`; the model may be that of a run, on whose test examples the file is then checked."""
    check_path(format, path, overwrite=overwrite)
    chosen = FORMATS[format]
    if chosen.needs and not formats.installed(chosen.needs):
        raise UsageError(
            f"format {format!r} needs {chosen.needs}, which is not installed: pip install 'jaxmlp[{chosen.needs}]'"
        )
    contents = chosen.files(trained, path.name)
    raw, measured = examples.of_run(run, trained), None
    if chosen.runs_here:
        measured = _measured(trained, format, contents, path.name, raw)
        if not measured.largest <= TOLERANCE:
            raise RunError(
                f"{path} is not written: the answers of {chosen.runtime} differ by {measured.largest:.1e} from those of"
                f" jaxmlp, on {raw.origin}, and accepted is {TOLERANCE:g}; take another format, or inputs of a smaller scale"
            )
    files.make_directory(path.parent)
    files.write_together(path.parent, contents)
    sizes = {path.parent / name: len(content) for name, content in contents.items()}
    return Exported(sizes, raw.origin, measured)


def check_path(format: str, path: Path, *, overwrite: bool) -> None:
    """Raise UsageError for an unknown format, and for a file that cannot be written so, or exists."""
    chosen = entry("format", format, FORMATS)
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the name of a file, such as {path / chosen.name}")
    if path.suffix != chosen.ending:
        raise UsageError(f"{path} is no name of the format {format}; accepted is one that ends with {chosen.ending}")
    if path.suffix == ".py" and path.stem in IMPORTED:
        raise UsageError(
            f"{path} would be imported instead of the package {path.stem}, which it needs: give another --out, such as"
            f" {path.with_name(chosen.name)}"
        )
    for name in (path, *(path.with_suffix(ending) for ending in chosen.beside)):
        if _is_model(name):
            raise UsageError(
                f"{name} is a model of jaxmlp, and {path.name} has its weights under that name; give another --out"
            )
        if name.exists() and not overwrite:
            raise UsageError(f"{name} exists; replace it by --overwrite, or give another --out")


def _is_model(path: Path) -> bool:
    """Whether a file holds a model, as `Model.save` and runs write it."""
    if path.suffix != Path(model.FILE).suffix or not path.is_file():
        return False
    try:
        return "model" in tensors.load(path)[1]
    except RunError:  # of no jaxmlp
        return False


def default_path(path: Path, format: str) -> Path:
    """The file of a model where --out names none: in export/ of its run, or beside a model that is alone."""
    chosen, run = FORMATS[format], model.run_of(path)
    if run is not None or path.is_dir():
        return (run or path) / directory.EXPORT / chosen.name
    return path.with_name(path.stem + chosen.name.removeprefix("model"))


def _measured(trained: Model, format: str, contents: dict[str, bytes], name: str, raw: Raw) -> Agreement:
    """The agreement of a file, from a folder of its own: what disagrees never stands where it is wanted."""
    with tempfile.TemporaryDirectory() as folder:
        files.write_together(Path(folder), contents)
        return agreement(trained, FORMATS[format].open(trained, Path(folder) / name), raw)
