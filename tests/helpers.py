"""What several test files share: small data, commands as processes, what is compared of their results, and refusals."""

import glob
import itertools
import json
import os
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from jaxmlp.errors import UsageError
from jaxmlp.nn.losses import CLASSES, LABELS, LOSSES
from jaxmlp.spec import Examples, Hyper, Network, Spec, Training

# five trials of a grid: three share a seed, two another; one stops early
SPEC = Spec(Network((5,)), Training(max_epochs=9, batch_size=8), inputs=4, outputs=3)
HYPERS = [Hyper(0.3, patience=1), Hyper(0.1, momentum=0.5), Hyper(0.3, l2=0.01), Hyper(0.2), Hyper(0.05, patience=0)]
SEEDS = (3, 3, 8, 3, 8)

# every loss with every kind of targets that it learns, and with how many outputs: (loss, kind, outputs)
LEARNT = {f"{name} {kind}": (name, kind, 4) for name, loss in LOSSES.items() for kind in loss.learns}
LEARNT["sigmoid_cross_entropy of two classes"] = ("sigmoid_cross_entropy", CLASSES, 1)


def clouds(count, *, inputs=4, classes=3, noise=0.7, seed=0, weights=None):
    """Examples of overlapping classes, in NumPy; the labels are in no order."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count).astype(np.int32)
    x = (np.eye(classes, inputs)[labels] + noise * rng.normal(size=(count, inputs))).astype(np.float32)
    return Examples(x, labels, None if weights is None else np.asarray(weights, np.float32))


def of_kind(loss, kind, examples, outputs=4, seed=4):
    """The examples with targets of a `kind` that a loss learns: their class numbers, or a target for every output."""
    if kind == CLASSES:
        return examples._replace(targets=np.arange(len(examples.x), dtype=np.int32) % max(outputs, 2))
    rng, shape = np.random.default_rng(seed), (len(examples.x), outputs)
    if kind == LABELS:
        return examples._replace(targets=rng.integers(0, 2, shape).astype(examples.x.dtype))
    numbers = rng.poisson(1.5, shape) if LOSSES[loss].least_target == 0 else 2 * rng.normal(size=shape)
    return examples._replace(targets=numbers.astype(examples.x.dtype))


def save_clouds(path):
    """Write 60 training and 20 test examples as an NPZ file; returns its path."""
    x, labels, _ = clouds(80, inputs=5, noise=0.5)
    np.savez(path, x_train=x[:60], y_train=labels[:60], x_test=x[60:], y_test=labels[60:])
    return path


def assert_same(one, other):
    """Two trees are equal to the bit; NaN equals NaN."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(np.testing.assert_array_equal, one, other)


def assert_close(one, other, rtol=1e-4, atol=1e-5):
    """Two trees have one structure and are equal to rounding."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), one, other)


def differs(one, other):
    """Whether any leaf of two trees differs."""
    return not all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def refused(words, call, *arguments, error=UsageError, **more):
    """The call is refused in one line that has all of the words; returns the line."""
    with pytest.raises(error) as refusal:
        call(*arguments, **more)
    line = str(refusal.value)
    assert "\n" not in line
    assert [word for word in words if word not in line] == [], line
    return line


def cases(table):
    """The rows of a table for `parametrize`, each called by its key."""
    return [pytest.param(*row, id=name) for name, row in table.items()]


def for_users(values, marked):
    """The values for `parametrize`; with some of them the test runs a second time, compiled as for users."""
    return [pytest.param(value, marks=[pytest.mark.users_flags] if value in marked else []) for value in values]


def counting(function):
    """The function, and a list that grows by one with every call: under jit, with every trace."""
    calls = []

    def counted(*arguments, **more):
        calls.append(1)
        return function(*arguments, **more)

    return counted, calls


def failing(error):
    """A function of any arguments that fails as a disk does."""

    def fail(*_, **__):
        raise OSError(error, os.strerror(error))

    return fail


def flipped(content, position, change=0xFF):
    """The bytes with bits of one of them flipped."""
    return content[:position] + bytes([content[position] ^ change]) + content[position + 1 :]


def files(folder):
    """The names of all files and folders below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def contents(folder):
    """Every file below a folder by name, with its bytes and the time of its last change."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def names_in(folder, pattern):
    """The paths below a folder that match a pattern; folders may go meanwhile, at which `Path.glob` fails."""
    return glob.glob(pattern, root_dir=folder)  # noqa: PTH207


def strict_json(text):
    """JSON without NaN and Infinity, which are no JSON."""
    return json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))


def json_lines(path):
    """The lines of a JSONL file."""
    return [strict_json(line) for line in path.read_text().splitlines()]


def summary_of(out):
    """The summary of a run or a sweep."""
    summary = strict_json((out / "summary.json").read_text())
    return {key: value for key, value in summary.items() if key not in ("format", "run", "sha256", "metrics_sha256")}


def run_of(out):
    """What two equal runs have in common: the bytes of the model, the metrics and the summary, without times."""
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in json_lines(out / "metrics.jsonl")]
    summary = {key: value for key, value in summary_of(out).items() if "second" not in key}
    return (out / "model.safetensors").read_bytes(), rows, summary


def sweep_of(out):
    """What two equal sweeps have in common: the rows, the curves and the bytes of the best model, without times."""
    from jaxmlp.sweep import store

    curves = {number: {k: v for k, v in c.items() if k != "seconds"} for number, c in store.curves(out).items()}
    return json_lines(out / "results.jsonl"), curves, (out / "best/model.safetensors").read_bytes()


def command(name):
    """The words that start a command of jaxmlp with the Python of the tests."""
    return [sys.executable, "-m", f"jaxmlp.{name}"]


def limited(words, kilobytes=4):
    """The same command where no file may grow beyond a size."""
    return ["bash", "-c", f'ulimit -f {kilobytes}; exec "$@"', "-", *words]


def users_environment(**more):
    """The environment of a process with XLA's own flags; what is compiled in one is loaded in the next (see conftest.py)."""
    kept = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    programs = f"{os.environ['JAXMLP_CACHE']}/programs"
    cache = {"JAX_COMPILATION_CACHE_DIR": programs, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return kept | cache | {name: str(value) for name, value in more.items()}


def start(words, *arguments, **options):
    """A process of a command as users run it, its output captured as text."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": users_environment()}
    return subprocess.Popen([*words, *map(str, arguments)], **(pipes | options))


def finish(words, *arguments, **options):
    """Run a command that has to succeed."""
    code, out, error = end_of(start(words, *arguments, **options))
    assert code == 0, (out, error)


def end_of(process, timeout=120):
    """The exit code of a process, its standard output and its standard error; it is killed where it takes too long."""
    try:
        out, error = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, out, error


def wait_until(process, condition, seconds=60):
    """Wait until a condition holds; fails where the process ends before, or it takes too long, and then leaves none."""
    until = time.monotonic() + seconds
    try:
        while True:
            ended = process.poll() is not None  # before the condition, which may hold of its end
            if condition():
                break
            assert not ended, end_of(process)
            assert time.monotonic() < until, "it does not train"
            time.sleep(0.01)
    except BaseException:
        process.kill()
        process.communicate()
        raise


DRAWING = "PIL.PngImagePlugin"  # a module that is imported when pictures are drawn


def interrupted_at(module, number, name, *arguments):
    """The end of a command that is sent a signal when it has imported a module; Python says on stderr what it imports."""
    words = command(name)
    process = start([words[0], "-X", "importtime", *words[1:]], *arguments)
    said = []
    for line in process.stderr:
        said.append(line)
        if line.rpartition("|")[2].strip() == module:
            break
    process.send_signal(number)
    code, _, error = end_of(process)
    lines = [line for line in [*said, *error.splitlines(keepends=True)] if not line.startswith("import time:")]
    return code, "".join(lines)


def processes_of(folder):
    """The processes that name a folder in their command or their environment, but for this one."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.environ().get("RAY_TMPDIR", "")]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(folder in word for word in words):
            found.append(process)
    return found


def signalling(number, at=1):
    """A function of any arguments that sends this process a signal at one of its calls."""
    calls = []

    def send(*_, **__):
        calls.append(1)
        if len(calls) == at:
            os.kill(os.getpid(), number)

    return send


def loaded_after(code):
    """The modules that are loaded at the end of a program."""
    report = "import sys; print('\\n' + ' '.join(sys.modules), file=sys.stderr)"
    program = f"import atexit\natexit.register(lambda: exec({report!r}))\n{code}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stderr.splitlines()[-1].split())


def write_run(out, experiment, epochs=3, scale=1.0):
    """A run directory as training leaves it, of random weights of a `scale` in place of trained ones; without pictures.

    Returns the model, the epochs, the summary and the splits.
    """
    from jaxmlp.nn.network import Layer
    from jaxmlp.run import directory, environment, metrics, model, runner, sealed
    from jaxmlp.training.epochs import Epoch
    from jaxmlp.training.fitting import measure
    from jaxmlp.training.model import Model

    data, rng = runner.read_data(experiment), np.random.default_rng(experiment.seed)
    spec = runner.spec_of(experiment, data.splits, data.preparation)
    sizes = (spec.inputs, *spec.network.hidden, spec.outputs)
    params = tuple(
        Layer(scale * rng.normal(size=pair).astype(np.float32), np.zeros(pair[1], np.float32))
        for pair in itertools.pairwise(sizes)
    )
    trained = Model(spec, params, data.preparation)
    directory.create(out, experiment, overwrite=False)
    identity = directory.experiment_identity(experiment, data.crc32)
    environment.write(out, environment.of_run(experiment, identity, data.origin))
    model.save(out, trained, identity)
    validation, test = (measure(spec, experiment.hyper, params, split) for split in data.splits[1:])
    lines = [Epoch(e + 1, 0.1 / (e + 1), test, validation, 0.5, None) for e in range(epochs)]
    metrics.append(out, *lines)
    summary = {
        "test": test.to_json(),
        "validation": validation.to_json(),
        "best_epoch": 2,
        "epochs_run": epochs,
        "stop_reason": "max_epochs",
        "parameters": 12,
        "seconds": {"compile": 0.5, "train": 1.5, "total": 2.5},
        "examples_per_second": 1234.5,
        "metrics_sha256": metrics.digest(out),
    }
    sealed.write_json(out / directory.SUMMARY, summary, identity)
    return trained, lines, summary, data.splits


def assert_picture(path, sides=(100, 1500)):
    """A PNG file of a reasonable size, in pixels and in bytes."""
    from PIL import Image

    with Image.open(path) as image:
        image.verify()
        assert image.format == "PNG"
        assert all(sides[0] <= side <= sides[1] for side in image.size)
    assert 1000 < path.stat().st_size < 3_000_000


def texts(figure):
    """All texts of a figure that are not empty."""
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]
