"""`jaxmlp runs [ls|show|compare] [RUN ...]`: a table of runs, one of them, or whether several of them differ."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from jaxmlp.cli import parsing
from jaxmlp.errors import UsageError, nearest, printable
from jaxmlp.run import directory
from jaxmlp.run import page as run_page
from jaxmlp.run.directory import CONFIG
from jaxmlp.run.sealed import finite
from jaxmlp.runs import comparison, records, table, words
from jaxmlp.runs.records import RUN, SWEEP, Record
from jaxmlp.sweep import page as sweep_page
from jaxmlp.sweep.store import PAGE as SWEEP_PAGE
from jaxmlp.text import short_path, typed

ACTIONS = ("ls", "show", "compare")
PAGE = Path("compare.html")
MOST_PAIRS, MOST_COLUMNS = 10, 6  # that are printed


@dataclass(frozen=True)
class Runs:
    """List run directories, show one, or compare several: ls (which is what it does without a word), show or compare."""

    words: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="ls|show|compare RUN...")] = ()
    """What to do, and with which runs: their directories, or folders of several. Without any, ls lists all below runs/."""
    out: Path | None = None
    """Of compare: the page to write [compare.html]."""
    json: bool = False
    """Print JSON instead of tables."""


COMMAND = parsing.Command(
    "runs",
    Runs,
    ("out", "json"),
    (
        "",
        "show runs/relu",
        "compare runs/relu runs/tanh --out relu-tanh.html",
    ),
)


def main(arguments: list[str]) -> int:
    """Parse, read the runs, print a table or JSON; compare writes a page too."""
    command = COMMAND.parse(arguments)
    action, paths = _action(command.words)
    if command.out is not None and action != "compare":
        raise UsageError(f"--out is for compare, which writes a page: leave it out of {action}")
    if action == "compare":
        return _compare(command, paths)
    folders = records.find(paths)
    if action == "ls":
        return _list([records.read(path) for path in folders], as_json=command.json)
    if not paths:
        raise UsageError("show takes one run: say which")
    if len(folders) != 1:
        raise UsageError(f"show takes one run, and {len(folders)} are given; to list several take ls")
    return _show(records.read(folders[0]), as_json=command.json)


def _action(given: Sequence[str]) -> tuple[str, list[Path]]:
    """What to do, and the folders; a folder in the first place is listed."""
    if not given:
        return ACTIONS[0], []
    first, *others = given
    if first in ACTIONS:
        return first, [Path(other) for other in others]
    if not Path(first).exists():
        hint = nearest(first, ACTIONS)
        raise UsageError(f"{first!r} is no action ({', '.join(ACTIONS)}) and no folder; {hint}")
    return ACTIONS[0], [Path(word) for word in given]


def _list(listed: Sequence[Record], *, as_json: bool) -> int:
    if as_json:
        _print_json(table.to_json(listed))
    elif listed:
        _print_table(table.rows(listed))
    else:
        print(f"no run below {records.ROOT}/ yet", file=sys.stderr)
    return 0


def _show(record: Record, *, as_json: bool) -> int:
    """One run: how it ended, its config, its page, and how to go on."""
    row = table.rows([record])[0]
    commands = _commands(record)
    page = record.path / (SWEEP_PAGE if record.kind == SWEEP else directory.PAGE)
    if as_json:
        more = {"config": record.tree, "summary": record.summary, "commands": commands}
        _print_json(table.to_json([record])[0] | more | {"page": short_path(page) if page.is_file() else None})
        return 0
    _print_table([{"": name, "value": text} for name, text in _facts(record, row).items() if text], heads=False)
    if record.tree:
        print(f"\n{CONFIG}:")
        print("\n".join(f"  {name} = {printable(_toml(value))}" for name, value in record.keys.items()))
    if commands:
        print("\nhow to go on:")
        print("\n".join(f"  {what}\n    {line}" for what, line in commands.items()))
    print(f"\npage: {short_path(page)}" if page.is_file() else "\nit has no page")
    return 0


def _toml(value: Any) -> str:
    """A value as config.toml has it: true, "relu", [64, 32]."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _facts(record: Record, row: dict[str, str]) -> dict[str, str]:
    facts = {name: row[name] for name in ("run", "data", "network", "rule", "test (95 %)", "epochs", "seconds", "when")}
    test = record.test or {}
    if record.kind == RUN and {"correct", "count"} <= test.keys():
        facts["test (95 %)"] += f", {test['correct']:,} of {test['count']:,}"
    best = record.summary.get("best_epoch")
    return facts | {"best epoch": "" if best is None else f"{best:,}", "state": f"{record.state}: {record.note}"}


def _commands(record: Record) -> dict[str, str]:
    if record.kind == SWEEP and record.state == records.ENDED:
        return sweep_page.commands(record.path, record.summary["best_trial"] or None, dict(record.tree))
    if record.kind != RUN or not record.tree:
        return {}
    if record.state != records.ENDED:
        return {"Go on with it, or write again what is missing:": typed("train", "--out", record.name, "--resume")}
    return run_page.commands_of(record.path, dict(record.tree), dict(record.summary))


def _compare(command: Runs, paths: Sequence[Path]) -> int:
    """Print what differs and whether results do, and write the page."""
    out = command.out or PAGE
    _check_out(out)
    if not paths:
        raise UsageError("compare takes two or more runs, or a folder of several: say which")
    listed = [records.read(path) for path in records.find(paths)]
    compared = comparison.compare(comparison.chosen(listed, _to_stderr))
    from jaxmlp.runs import page

    page.write(out, compared)
    if command.json:
        _print_json(page.to_json(compared) | {"page": str(out)})
        return 0
    _print_table(table.rows(compared.runs))
    if len(compared.configurations) < len(compared.runs):
        _print_table(page.configuration_rows(compared))
    if compared.keys and len(compared.configurations) <= MOST_COLUMNS:
        _print_table(page.key_columns(compared))
    if pairs := page.pair_rows(compared):
        _print_table(pairs[:MOST_PAIRS])
        if len(pairs) > MOST_PAIRS:
            print(f"and {len(pairs) - MOST_PAIRS:,} pairs more: in {out}")
    for line in words.conclusions(compared):
        print(printable(line))
    print(f"page: {short_path(out)}")
    return 0


def _check_out(out: Path) -> None:
    """Raise UsageError for a page that cannot be written there."""
    if out.suffix != ".html":
        raise UsageError(f"--out {out} is no name of a page; accepted is FILE.html")
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder; give the name of a file, such as {out / PAGE}")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}; make it, or give another name")


def _print_table(rows: Sequence[dict[str, str]], *, heads: bool = True) -> None:
    """Rows with the same heads; columns that are empty in all of them are left out."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000
    shown = [head for head in rows[0] if any(row[head] for row in rows)]
    drawn = Table(show_header=heads)
    for head in shown:
        drawn.add_column(escape(printable(head)), overflow="fold", no_wrap=head == "when")
    for row in rows:
        drawn.add_row(*(escape(printable(row[head])) for head in shown))
    console.print(drawn)


def _print_json(content: Any) -> None:
    print(json.dumps(finite(content), indent=2, allow_nan=False, default=str))


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)
