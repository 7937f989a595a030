"""`jaxmlp`, the command of commands."""

from importlib import import_module
from pathlib import Path

import pytest

import jaxmlp
from jaxmlp import __main__ as main
from jaxmlp.errors import UsageError


def test_all_commands_are_listed():
    folders = {path.parent.name for path in Path(jaxmlp.__file__).parent.glob("*/command.py")}
    assert set(main.COMMANDS) == folders
    assert all(import_module(f"jaxmlp.{name}.command").COMMAND.name == name for name in folders)
    assert all((Path(jaxmlp.__file__).parent / name / "__main__.py").is_file() for name in folders)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_without_a_command_it_lists_them_with_a_line_each(capsys, arguments):
    assert main.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, purpose in main.COMMANDS.items():
        assert f"  {name:12}{purpose}" in lines
    assert max(map(len, lines)) <= 100


def test_it_says_its_version(capsys):
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"jaxmlp {jaxmlp.__version__}\n"


def test_it_hands_the_arguments_on(capsys):
    with pytest.raises(SystemExit):
        main.main(["predict", "--help"])
    assert "Predict with a trained network" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["trian"], "command 'trian' is unknown; did you mean train?"),
        (["--resume"], "command '--resume' is unknown; known: train, predict,"),
        (["completion"], "completion is for one shell: python -m jaxmlp completion bash|zsh"),
        (["completion", "fish"], "completion is for one shell"),
    ],
)
def test_what_it_does_not_know_costs_one_line(arguments, line):
    with pytest.raises(UsageError) as refused:
        main.main(arguments)
    assert str(refused.value).startswith(line)
