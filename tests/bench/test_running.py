"""A program is run to its end, its lines kept with their times, and nothing of it is left."""

import sys

import numpy as np
import psutil

from jaxmlp.bench import running
from jaxmlp.bench.programs import PROGRAMS
from jaxmlp.bench.task import PRESETS

SLEEP = "import time; time.sleep(61.5)"
CHILD = (
    f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]);"  # it keeps the output open
)


def run(code):
    return running.run([sys.executable, "-c", code])


def test_lines_are_kept_with_their_times():
    found = run("import time; print('{\"a\": 1}', flush=True); print('words'); time.sleep(0.5); print('{\"a\": 2.5}')")
    assert [line.reached for line in found.lines] == [{"a": 1}, {"a": 2.5}]
    first, second = (line.seconds for line in found.lines)
    assert 0 < first < second
    assert second - first > 0.4
    assert found.when("a", lambda value: value > 2) == second
    assert found.when("a", lambda value: value > 3) is found.when("b", lambda _: True) is None
    assert found.said("a") == [1, 2.5]


def test_the_memory_of_all_its_processes_counts():
    alone = run("import time; time.sleep(0.6)")
    both = run(CHILD + "import time; time.sleep(0.6); child.kill()")
    assert both.peak_bytes > 1.5 * alone.peak_bytes > 0


def test_one_that_fails_says_why():
    assert run("raise SystemExit('no such data')") == "no such data"
    assert run("raise SystemExit(3)") == "its process was ended"


def test_what_it_started_is_ended_with_it():
    run(CHILD + "import time; time.sleep(0.6)")
    running = [word for process in psutil.process_iter(["cmdline"]) for word in process.info["cmdline"] or []]
    assert SLEEP not in running


def test_a_fifth_of_the_training_examples_is_for_validation(tmp_path):
    with np.load(running.write_examples("digits", tmp_path / "data.npz")) as arrays:
        sizes = {name: len(array) for name, array in arrays.items()}
        together = np.concatenate([arrays["x_train"], arrays["x_val"]]).reshape(-1, 64)
    assert sizes == {"x_train": 1151, "y_train": 1151, "x_val": 287, "y_val": 287, "x_test": 359, "y_test": 359}
    assert len(np.unique(together, axis=0)) == len(together)


def test_one_that_fails_is_left_out_and_the_others_go_on(monkeypatch):
    taken = iter(["boom", running.Run(1.0, 10, []), running.Run(2.0, 10, [])])
    monkeypatch.setattr(running, "run", lambda *_: next(taken))
    steps = []
    outcomes = running.measure(
        [PROGRAMS[0], PROGRAMS[2]], "digits", PRESETS["digits"], 2, lambda *step: steps.append(step)
    )
    assert outcomes[0] == (PROGRAMS[0], [], "boom")
    assert [run.seconds for run in outcomes[1].runs] == [1.0, 2.0]
    assert [step[0] for step in steps] == [
        *("round 1 of 2, jaxmlp train (process)", "round 1 of 2, scikit-learn (process)"),
        "round 2 of 2, scikit-learn (process)",
    ]
    assert [step[1:] for step in steps] == [(0, 4), (1, 4), (3, 4)]


def test_a_first_run_compiles_and_another_finds_what_was_compiled(monkeypatch):
    environments = []
    monkeypatch.setattr(running, "run", lambda _, more: environments.append(more) or running.Run(1.0, 10, []))
    running.measure(PROGRAMS[:2], "digits", PRESETS["digits"], 1, lambda *_: None)
    first, untimed, again = environments
    assert first == {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    assert untimed == again
    assert list(again) == ["JAXMLP_CACHE"]
