"""Completion in bash, as bash asks for it: commands, flags, and the choices of a flag."""

import subprocess
import sys

import pytest

from jaxmlp import __main__ as jaxmlp_main


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("shell") / "completion.bash"
    done = subprocess.run(
        [sys.executable, "-m", "jaxmlp", "completion", "bash"], capture_output=True, text=True, check=True, timeout=60
    )
    path.write_text(done.stdout)
    return path


def completed(script, *words):
    """What bash offers for the last of the words."""
    line = " ".join(f"'{word}'" for word in words)
    state = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}"
    ask = f"source {script}; {state}; _tyro_jaxmlp; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["jaxmlp", ""], sorted(jaxmlp_main.COMMANDS)),
        (["jaxmlp", "tr"], ["train"]),
        (["jaxmlp", "train", "--hyper.lea"], ["--hyper.learning-rate"]),
        (["jaxmlp", "train", "--training.optimizer", "ada"], ["adam", "adamw"]),
        (["jaxmlp", "sweep", "--mode", ""], ["packed", "sequential"]),
        (["jaxmlp", "perceptron", "--device", "c"], ["cpu"]),
    ],
    ids=" ".join,
)
def test_bash_completes(script, words, expected):
    assert set(expected) <= set(completed(script, *words))


def test_zsh_gets_a_file_for_its_function_path(capsys):
    assert jaxmlp_main.main(["completion", "zsh"]) == 0
    assert capsys.readouterr().out.startswith("#compdef jaxmlp\n")
