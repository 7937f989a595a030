"""README.md and docs/: the example prints what it says, files that are shown are accepted, and links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jaxmlp.perceptron import command as perceptron
from jaxmlp.sweep import command as sweep
from jaxmlp.train import command as train

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The names that links to the headings of a page have."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_example_prints_what_its_comments_say():
    (example,) = blocks(ROOT / "README.md", "python")
    printed = re.findall(r"^print\(.*\)  # (.+)$", example, re.MULTILINE)
    assert len(printed) == example.count("print(") > 0
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == printed


@every_page
def test_links_lead_somewhere(page):
    links = LINK.findall(page.read_text())
    broken = [
        (path, anchor)
        for path, anchor in links
        if not (page.parent / path).exists() or (anchor and anchor not in anchors(page.parent / path if path else page))
    ]
    assert broken == []


@pytest.mark.parametrize(
    ("page", "number", "command"),
    [("config.md", 0, train), ("config.md", 1, perceptron), ("sweeps.md", 0, sweep), ("sweeps.md", 1, sweep)],
    ids=["run", "perceptron", "grid", "sample"],
)
def test_files_that_pages_show_are_accepted(page, number, command, tmp_path):
    file = tmp_path / "shown.toml"
    file.write_text(blocks(ROOT / "docs" / page, "toml")[number])
    command.read([str(file)])


@every_page
def test_commands_name_what_exists(page):
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    for command in re.findall(r"(?:^| |\")jaxmlp (\w+)|python -m jaxmlp\.(\w+)", "\n".join(lines)):
        assert (ROOT / "jaxmlp" / "".join(command) / "__main__.py").is_file(), command
    for path in re.findall(r"(?:configs|tests)/[\w/.]+", "\n".join(lines)):
        assert (ROOT / path).is_file(), path
