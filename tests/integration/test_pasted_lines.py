"""Lines to paste: whatever a folder is called, a shell reads it as one word and runs nothing else."""

import shlex
from pathlib import Path

import pytest

from jaxmlp.sweep import page

OUT = Path("my run; touch x")
TREE = {"training": {"schedule": "constant"}}


@pytest.mark.parametrize("status", ["max_epochs", "pruned", "early_stopping"])
def test_the_commands_of_a_sweeps_page_are_quoted(status):
    lines = page.commands(OUT, {"status": status, "epochs_run": 3}, TREE)
    shell = [line for purpose, line in lines.items() if "pandas" not in purpose]
    assert len(shell) == (2 if status == "early_stopping" else 3)
    for line in shell:
        words = list(shlex.shlex(line, posix=True, punctuation_chars=True))
        assert ";" not in words
        assert "touch" not in words
        assert any(str(OUT) in word for word in words)
