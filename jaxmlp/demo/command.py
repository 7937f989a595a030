"""`jaxmlp demo RUN [--out demo.html]`: one page, with the network inside, to draw for or to move the inputs of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from annotated_types import Ge

from jaxmlp.cli import parsing
from jaxmlp.demo import page
from jaxmlp.demo.source import Source
from jaxmlp.errors import UsageError
from jaxmlp.files import write_atomically
from jaxmlp.run import model

MOST_EXAMPLES = 100
ENDS = (".html", ".htm")


@dataclass(frozen=True)
class Demo:
    """Make one HTML page of a trained network, which runs in it: draw for it, or move the columns of a table."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """A run directory, its model.safetensors, or a file that Model.save wrote."""
    out: Path = Path("demo.html")
    """Write the page to this file."""
    examples: Annotated[int, Ge(0)] = 12
    """Test images to put into the page, with their labels. With 0 no data are read."""
    framing: str = page.AUTO
    """How what is drawn is placed in the picture: mnist, digits, fashion or none; auto goes by the data of the run."""


COMMAND = parsing.Command(
    "demo",
    Demo,
    ("out", "examples", "framing"),
    (
        "runs/relu",
        "runs/wine --out wine.html",
        "mine.safetensors --framing mnist",
    ),
)


def main(arguments: list[str]) -> int:
    """Parse, make the page, write it."""
    command = COMMAND.parse(arguments)
    if command.out.suffix.lower() not in ENDS:
        raise UsageError(f"--out {command.out} does not end in .html; name the page so, as in --out demo.html")
    if command.examples > MOST_EXAMPLES:
        raise UsageError(f"--examples is {command.examples}; accepted is a whole number of at most {MOST_EXAMPLES}")
    trained = model.load(command.run)
    page.check(trained, command.framing)
    source = Source.of_run(
        model.run_of(command.run), read=command.examples > 0 or trained.preparation.columns is not None
    )
    text = page.html(trained, source, command.examples, command.framing)
    write_atomically(command.out, text)
    print(f"{command.out}: {len(text.encode()) / 1e6:.2f} MB; open it in a browser")
    return 0
