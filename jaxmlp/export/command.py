"""`jaxmlp export RUN --format FORMAT [--out FILE]`: a trained network as a file for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from jaxmlp.cli import parsing
from jaxmlp.run import model
from jaxmlp.run.answers import answer_names
from jaxmlp.text import short_path
from jaxmlp.training.model import Model

if TYPE_CHECKING:
    from jaxmlp.export.formats import Format


@dataclass(frozen=True)
class Export:
    """Write a trained network for other programs, and check that it predicts the same there."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """A run directory, such as a sweep's best/, or its model.safetensors."""
    format: Literal["onnx", "stablehlo", "numpy", "torch"] = "onnx"
    """onnx and stablehlo are one file; numpy and torch a Python program, and its weights beside it."""
    out: Path | None = None
    """The file; without it, RUN/export/model.onnx and the like."""
    overwrite: bool = False
    """Replace files that exist."""


COMMAND = parsing.Command(
    "export",
    Export,
    ("format", "out", "overwrite"),
    (
        "runs/relu",
        "runs/relu --format numpy --out digits.py",
        "runs/sweep/best --format stablehlo --overwrite",
    ),
)


def main(arguments: list[str]) -> int:
    """Parse, write and check the file, say what it takes and how well it agrees."""
    command = COMMAND.parse(arguments)
    trained = model.load(command.run)

    from jaxmlp.export import exporting
    from jaxmlp.export.formats import FORMATS

    chosen = FORMATS[command.format]
    path = command.out or exporting.default_path(command.run, command.format)
    written = exporting.write(trained, model.run_of(command.run), command.format, path, overwrite=command.overwrite)
    for file, size in written.files.items():
        print(f"{short_path(file)}: {size / 1000:,.0f} kB")
    print(f"takes {_takes(trained, chosen)}; gives {', '.join(answer_names(trained))}")
    if written.agreement is None:
        print(f"not checked: {chosen.runtime} is not installed here")
    else:
        print(f"checked with {chosen.runtime}: {written.agreement}, on {written.checked_on}")
    return 0


def _takes(trained: Model, chosen: "Format") -> str:
    """What a file of the format takes, and its type where it is one array."""
    from jaxmlp.export import facts

    if trained.preparation.columns is None:
        return f"{facts.takes(trained)}, {facts.input_dtype(trained)}, as they came"
    if chosen.takes_columns:
        return f"{facts.takes(trained)}, as they came"
    inputs = trained.spec.inputs
    return f"the {inputs} inputs [N, {inputs}] that the columns of a table become, {facts.input_dtype(trained)}"
