"""Completion of `jaxmlp` in a shell, written by the parser from the same classes as the help."""

import contextlib
import io
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any

from jaxmlp.cli.parsing import Command, registry


def script(shell: str, commands: Sequence[Command[Any]]) -> str:
    """What a shell evaluates, bash or zsh, to complete the commands, their flags and the choices of these."""
    import tyro

    kinds: Any = reduce(or_, (Annotated[command.kind, tyro.conf.subcommand(command.name)] for command in commands))
    written = io.StringIO()
    with contextlib.redirect_stdout(written), contextlib.suppress(SystemExit):
        tyro.cli(
            kinds,
            prog="jaxmlp",
            args=["--tyro-write-completion", shell, "-"],
            registry=registry(),
        )
    return written.getvalue()
