"""The power cut of the battery's layer: it ends the process, and loses what was not synced, and no more."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import users_environment

HERE = Path(__file__).parent
BEGINNING = """
import os, shutil, sys, threading
from pathlib import Path
from battery.layer import Counts, Ending, Layer

def sync(path):
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)

def write(path, text):
    path.write_text(text)
    sync(path)
    sync(path.parent)

root = Path(sys.argv[1])
layer = Layer(root, Counts(), ending=Ending(int(sys.argv[2]), before=False, power_cut=int(sys.argv[3])))
layer.install()
"""
THREADS = """
def work(number):
    folder = root / str(number)
    while True:
        folder.mkdir()
        write(folder / "passing", "passing")
        shutil.rmtree(folder)

write(root / "kept", "kept")
for number in range(4):
    threading.Thread(target=work, args=(number,)).start()
"""
REMOVED = """
folder = root / "folder"
folder.mkdir()
write(folder / "file", "text")
shutil.rmtree(folder)
layer.end()
"""
FAILING = """
try:
    (root / "absent").unlink()
except OSError:
    pass
"""
NEVER = 10**9
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the layer reads /proc")


def after_power_cut(root: Path, script: str, at: int = NEVER, seed: int = 0) -> list[str]:
    """The files that are there after a script whose power is cut at an operation."""
    root.mkdir()
    words = [sys.executable, "-c", BEGINNING + script, str(root), str(at), str(seed)]
    environment = users_environment(PYTHONPATH=os.fspath(HERE))
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_nothing_that_was_synced_is_lost_while_other_threads_write(tmp_path):
    for seed in range(4):
        files = after_power_cut(tmp_path / str(seed), THREADS, 600 + seed, seed)
        assert "kept" in files


def test_a_removed_folder_comes_back_until_the_one_above_it_is_synced(tmp_path):
    removed = [after_power_cut(tmp_path / f"removed-{seed}", REMOVED, seed=seed) for seed in range(6)]
    assert ["folder/file"] in removed
    assert [] in removed
    synced = REMOVED.replace("layer.end()", "sync(root)\nlayer.end()")
    assert {tuple(after_power_cut(tmp_path / f"synced-{seed}", synced, seed=seed)) for seed in range(6)} == {()}


def test_an_operation_that_fails_ends_the_process_too(tmp_path):
    assert after_power_cut(tmp_path / "run", FAILING, at=1) == []
