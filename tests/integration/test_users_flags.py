"""The loop, the gradients and the grid as XLA compiles them for users, not as conftest.py has it for speed."""

import os
import re
import sys
from pathlib import Path

from helpers import end_of, start

ROOT = Path(__file__).parents[2]
MARKED = ["training/test_loop.py", "nn/test_gradients.py", "grid/test_fit_grid.py"]
MARK = r"\bmark\.users_flags|\bfor_users\("


def test_what_is_marked_passes_at_the_flags_of_users(tmp_path):
    flags = ["-n", 0, "-q", "-m", "users_flags", "-p", "no:cacheprovider", "--basetemp", tmp_path / "nested"]
    # without the cache of programs: no other process has one of these
    environment = os.environ | {"XLA_FLAGS": "", "JAX_NUM_CPU_DEVICES": "2"}
    process = start(
        [sys.executable, "-m", "pytest"], *flags, *(f"tests/{file}" for file in MARKED), cwd=ROOT, env=environment
    )
    code, out, error = end_of(process, timeout=900)
    assert code == 0, out + error


def test_every_marked_test_is_in_a_file_that_is_run():
    marked = [path for path in ROOT.glob("tests/**/test_*.py") if re.search(MARK, path.read_text())]
    assert sorted(path.relative_to(ROOT / "tests").as_posix() for path in marked) == sorted(MARKED)
