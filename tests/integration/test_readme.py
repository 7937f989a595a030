"""README.md and docs/: the example prints what it says, files that are shown are accepted, and links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
from helpers import users_environment

from jaxmlp.cli import parsing
from jaxmlp.perceptron import command as perceptron
from jaxmlp.perceptron.runner import PerceptronExperiment
from jaxmlp.spec import Hyper
from jaxmlp.sweep import command as sweep
from jaxmlp.train import command as train
from jaxmlp.training.validation import NAMES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> list[str]:
    """The names that links to the headings of a page have."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_example_prints_what_its_comments_say(tmp_path):
    (example,) = blocks(ROOT / "README.md", "python")
    printed = re.findall(r"^print\(.*\)  # ([^:\n]+)(?:: .+)?$", example, re.MULTILINE)
    assert len(printed) == example.count("print(") > 0
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=users_environment(PYTHONPATH=ROOT, XLA_FLAGS=os.environ["XLA_FLAGS"]),  # compiles in half the time
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
        if not (page.parent / path).exists()
        or (anchor and anchors(page.parent / path if path else page).count(anchor) != 1)
    ]
    assert broken == []


@pytest.mark.parametrize(
    ("page", "number", "read"),
    [
        ("config.md", 0, partial(parsing.read, train.COMMAND)),
        ("config.md", 1, partial(parsing.read, train.COMMAND)),
        ("config.md", 2, partial(parsing.read, perceptron.COMMAND, kind=PerceptronExperiment)),
        ("sweeps.md", 0, sweep.read),
        ("sweeps.md", 1, sweep.read),
    ],
    ids=["run", "table", "perceptron", "grid", "sample"],
)
def test_files_that_pages_show_are_accepted(page, number, read, tmp_path):
    file = tmp_path / "shown.toml"
    file.write_text(blocks(ROOT / "docs" / page, "toml")[number])
    read(arguments=[str(file)])


@pytest.mark.parametrize("key", [key for key in NAMES if key != "network.output_activation"])
def test_the_page_of_the_config_names_all_that_a_key_accepts(key):
    (line,) = re.findall(rf"^{key.split('.')[1]} = .*$", (ROOT / "docs" / "config.md").read_text(), re.MULTILINE)
    missing = [name for name in NAMES[key] if not re.search(rf"\b{name}\b", line)]
    assert not missing, f"docs/config.md: name {', '.join(missing)} in the comment of {key}"


def test_the_page_of_the_config_names_every_hyperparameter():
    text = (ROOT / "docs" / "config.md").read_text()
    missing = [field for field in Hyper._fields if f"`{field}`" not in text and f"\n{field} = " not in text]
    assert not missing, f"docs/config.md: list {', '.join(missing)} among the hyperparameters"


def commands(page: Path) -> list[list[str]]:
    """The commands of jaxmlp in the shell blocks of a page, as lists of words."""
    lines = "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    found = [line[line.index("jaxmlp") + 1 :] for line in words if "jaxmlp" in line]
    return [line for line in found if line[0] != "completion"]  # it has no flags


@every_page
def test_commands_have_the_flags_and_files_they_name(page):
    for name, *words in commands(page):
        command = import_module(f"jaxmlp.{name}.command").COMMAND
        if "--help-all" not in words:
            command.parse(words)
        assert [word for word in words if word.startswith("configs/") and not (ROOT / word).is_file()] == []
