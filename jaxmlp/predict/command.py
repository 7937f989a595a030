"""`jaxmlp predict RUN FILE...`: what a network says of the rows of tables, or sees in images."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from annotated_types import Ge

from jaxmlp.cli import parsing
from jaxmlp.errors import DataError, UsageError
from jaxmlp.files import write_atomically
from jaxmlp.nn.losses import CLASSES
from jaxmlp.predict import images, rows
from jaxmlp.run import model
from jaxmlp.run.examples import ENDS, is_table
from jaxmlp.run.sealed import finite
from jaxmlp.text import typed
from jaxmlp.training.model import Model


@dataclass(frozen=True)
class Predict:
    """Predict with a trained network: the rows of a table as CSV, or what it sees in images."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """A run directory, or its model.safetensors."""
    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE...")]
    """CSV, Parquet or NPZ (x) files; or PNG, JPEG, GIF, BMP, WebP or PNM images. These are made grey for a network of grey
    images; what is transparent shows white."""
    out: Path | None = None
    """Of tables: write the CSV to this file."""
    keep: tuple[str, ...] = ()
    """Of tables: columns to copy, such as an id."""
    invert: bool = False
    """Swap dark and light. The digits of MNIST are white on black: needed for dark ink on light paper."""
    resize: bool = False
    """Bring images of another size to that of the network, stretched if their sides have another ratio."""
    top: Annotated[int, Ge(1)] = 2
    """Classes to name for each image, the likeliest first."""
    max_megabytes: Annotated[int, Ge(1)] = images.MEGABYTES
    """Refuse an image that takes more memory than this when it is decoded."""
    json: bool = False
    """Print JSON instead of a table."""


COMMAND = parsing.Command(
    "predict",
    Predict,
    ("out", "keep", "invert", "resize", "top", "max-megabytes", "json"),
    (
        "runs/wine new.csv --keep id --out predictions.csv",
        "runs/relu scans/*.png --resize --invert",
        "runs/relu digit.png --top 3 --json",
    ),
)


def main(arguments: list[str]) -> int:
    """Parse, predict, print or write what is predicted."""
    command = COMMAND.parse(arguments)
    if not command.files:
        raise UsageError(f"no file is given: {typed('predict')} RUN FILE...")
    of_tables = [path for path in command.files if is_table(path)]
    if of_tables and len(of_tables) < len(command.files):
        strange = next(path for path in command.files if not is_table(path))
        raise UsageError(f"{of_tables[0]} is a table, {strange} is not ({', '.join(ENDS)}); give files of one kind")
    _check_flags(command, bool(of_tables))
    trained = model.load(command.run)
    return _of_tables(command, trained) if of_tables else _of_images(command, trained)


def _check_flags(command: Predict, of_tables: bool) -> None:
    """Raise UsageError for a flag that nothing reads here."""
    unread = {"invert": False, "resize": False, "top": 2, "max_megabytes": images.MEGABYTES}
    what = "images, and these are tables"
    if not of_tables:
        unread, what = {"out": None, "keep": ()}, "tables, and these are images"
    for name, default in unread.items():
        if getattr(command, name) != default:
            raise UsageError(f"--{name.replace('_', '-')} is for {what}: leave it out")
    if command.out is not None and any(command.out.absolute() == path.absolute() for path in command.files):
        raise UsageError(f"--out {command.out} would replace what is read; give another file")


def _of_tables(command: Predict, trained: Model) -> int:
    several = len(command.files) > 1

    def answer(path: Path) -> rows.Columns:
        columns = rows.of_file(trained, path, command.keep, lambda line: print(line, file=sys.stderr))
        length = len(next(iter(columns.values())))
        return rows.joined({"file": np.full(length, str(path))}, columns) if several else columns

    answers, refused = _each(command, answer)
    columns = {name: np.concatenate([part[name] for part in answers]) for name in answers[0]} if answers else {}
    _write(command, columns)
    return 1 if refused else 0


def _of_images(command: Predict, trained: Model) -> int:
    shape = trained.preparation.input_shape
    images.mode_of(shape)
    options = {"invert": command.invert, "resize": command.resize, "most_megabytes": command.max_megabytes}
    read: dict[Path, np.ndarray] = {}

    def answer(path: Path) -> None:
        read[path] = images.read_image(path, shape, **options)

    refused = _each(command, answer)[1]
    paths = tuple(path for path in command.files if path in read)
    pixels = np.array([read[path] for path in paths])
    if trained.preparation.kind == CLASSES:
        images.answer(trained, paths, pixels, command.top, as_json=command.json)
    else:
        names = {"file": np.array([str(path) for path in paths])}
        _write(command, rows.joined(names, rows.of_examples(trained, pixels)) if paths else {})
    return 1 if refused else 0


def _each(command: Predict, answer: Callable[[Path], object]) -> tuple[list, int]:
    """The answers to all files that can be read, and how many others there are: each of these is an error line."""
    answers, refused = [], 0
    for path in command.files:
        try:
            answers.append(answer(path))
        except DataError as error:  # the others are answered
            print(f"error: {error}", file=sys.stderr)
            refused += 1
    return answers, refused


def _write(command: Predict, columns: rows.Columns) -> None:
    """The columns as CSV or JSON, to the file or standard output; of no file that could be read an empty list of JSON."""
    if command.json:
        text = json.dumps(finite(rows.records(columns)), indent=2, allow_nan=False) + "\n"
    elif columns:
        text = rows.csv_text(columns)
    else:
        return
    if command.out is None:
        sys.stdout.write(text)
    else:
        write_atomically(command.out, text)
        print(f"{len(next(iter(columns.values()), ())):,} predictions: {command.out}", file=sys.stderr)
