"""What one accelerator does in four minutes: a network and grids of it in each precision, beside its large product.

And a thousand trials of MNIST from the command to the table. Where the time runs out, what is left is named.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxmlp.bench import running
from jaxmlp.bench.entries import DEFAULT_LIMIT, LIMIT, ROUNDED_LIMIT, RUN, entry_called, missing
from jaxmlp.bench.machine import where_and_when
from jaxmlp.bench.measuring import Job, Measurement, environment
from jaxmlp.bench.table import NONE, digits
from jaxmlp.bench.task import Task
from jaxmlp.errors import JaxmlpError, shortened

if TYPE_CHECKING:
    from rich.console import Console

PRESET = "accelerator"
ROUNDS = 3
SECONDS = 210.0  # after which nothing more is begun
ONE_NETWORK = (
    *(LIMIT, DEFAULT_LIMIT, ROUNDED_LIMIT),
    *(RUN, "jaxmlp, delta rule", "jaxmlp, default precision", "jaxmlp, bfloat16", "jaxmlp, no command buffers"),
    *("PyTorch, eager", "PyTorch, CUDA graphs"),
)
CUDA_ONLY = ("PyTorch, CUDA graphs",)
GRID, ROUNDED_GRID = "jaxmlp grid, delta rule", "jaxmlp grid, bfloat16"
GRIDS = {  # trials, and the entries of such a grid
    16: (GRID,),
    64: (GRID, ROUNDED_GRID, "PyTorch, torch.func"),
    256: (GRID,),
    1_024: (GRID, ROUNDED_GRID),
    4_096: (GRID,),
}
SWEEPS = {"gpu": ("mnist", 50, 20, 20), "cpu": ("digits", 2, 2, 2)}  # data, learning rates, momenta, epochs
SWEEP = """[data]
name = "{data}"
[network]
hidden = [128]
[training]
gradient = "delta_rule"
max_epochs = {epochs}
[hyper]
patience = 0
[grid]
learning_rate = {{low = 0.01, high = 0.3, scale = "log", count = {rates}}}
momentum = {{low = 0.0, high = 0.9, count = {momenta}}}
"""


class Row(NamedTuple):
    """An entry at a number of trials: what was measured."""

    trials: int
    measurement: Measurement
    flops: int  # of an epoch of one network
    limit: float | None  # operations a second of the large product in this entry's precision

    @property
    def name(self) -> str:
        """The entry, and of a grid its trials."""
        name = self.measurement.entry.name
        return name if self.measurement.entry.part != "grid" else f"{name}, {self.trials:,} trials"

    @property
    def speed(self) -> float:
        """Operations a second."""
        return self.flops / self.measurement.median

    def to_json(self) -> dict[str, Any]:
        """What files have of it."""
        if self.measurement.failure:
            return {"name": self.name, "trials": self.trials, "failure": self.measurement.failure}
        kept = ("seconds", "loss", "first_seconds", "peak_bytes", "device_peak_bytes", "device")
        return {
            "name": self.name,
            "trials": self.trials,
            "median_seconds": self.measurement.median,
            "trial_epochs_per_second": 1 / self.measurement.median,
            "flops_per_second": self.speed,
            "share_of_large_product": None if self.limit is None else self.speed / self.limit,
        } | {name: getattr(self.measurement, name) for name in kept}


class SweepRun(NamedTuple):
    """The sweep as a whole program: its trials and epochs, and its seconds from the command to the table."""

    data: str
    trials: int
    epochs: int
    seconds: float | None
    failure: str = ""


def check_device(device: str) -> None:
    """Raise JaxmlpError where JAX has no such device: found out in a process of its own, which gives its memory back."""
    platform = "cuda" if device == "gpu" else "cpu"
    words = [sys.executable, "-c", f"import jax; jax.devices('{platform}')"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment(), check=False)
        cause = shortened(done.stderr.strip().split("\n")[-1], 200) if done.returncode else ""
    except subprocess.TimeoutExpired:
        cause = "it does not answer"
    if cause:
        raise JaxmlpError(
            f"--preset {PRESET}: JAX has no {device} here ({cause}); install jaxmlp[cuda12] or jaxmlp[cuda13] on a machine"
            " with one, or try it with --device cpu --examples 1000 --trials 16"
        )


def groups(task: Task) -> list[list[Job]]:
    """What is measured together: one network in all ways, then each grid of at most the task's trials."""
    left_out = CUDA_ONLY if task.device == "cpu" else ()
    torch = not missing(["torch"])

    def jobs(names: Sequence[str], trials: int) -> list[Job]:
        entries = [entry_called(name) for name in names if name not in left_out]
        sized = replace(task, trials=trials)
        return [
            Job(entry, sized, f"{entry.name}, {trials:,} trials" if entry.part == "grid" else entry.name)
            for entry in entries
            if torch or entry.peer != "torch"
        ]

    return [jobs(ONE_NETWORK, 1)] + [jobs(names, trials) for trials, names in GRIDS.items() if trials <= task.trials]


def rows(jobs: Sequence[Job], measurements: Sequence[Measurement], limits: dict[str, float]) -> list[Row]:
    """What came of a group; the speeds of large products are added to the `limits`."""
    measured = []
    for job, measurement in zip(jobs, measurements, strict=True):
        if measurement.entry.part == "limits" and not measurement.failure:
            limits[measurement.entry.name] = job.task.flops / measurement.median
        limit = limits.get(limit_of(measurement.entry.name))
        measured.append(Row(job.task.trials, measurement, job.task.flops, limit))
    return measured


def limit_of(name: str) -> str:
    """The large product that computes in the precision of an entry."""
    if "bfloat16" in name:
        return ROUNDED_LIMIT
    return DEFAULT_LIMIT if "default precision" in name else LIMIT


def sweep(device: str) -> SweepRun:
    """Run `jaxmlp sweep` in a folder that goes away, on all its trials at once."""
    data, rates, momenta, epochs = SWEEPS[device]
    trials = rates * momenta
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sweep.toml"
        path.write_text(SWEEP.format(data=data, rates=rates, momenta=momenta, epochs=epochs))
        words = [sys.executable, "-m", "jaxmlp", "sweep", str(path), "--out", str(Path(folder) / "out")]
        outcome = running.run([*words, "--device", device, "--quiet"])
    if isinstance(outcome, str):
        return SweepRun(data, trials, epochs, None, outcome)
    return SweepRun(data, trials, epochs, outcome.seconds)


def show(measured: Sequence[Row], run: SweepRun | None, console: "Console") -> None:
    """Print the table, and the line of the sweep."""
    from rich import box
    from rich.table import Table

    if not console.is_terminal:
        console.width = 10_000
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    table.add_column("")
    for head in ("ms a trial-\nepoch", "trial-\nepochs/s", "\nTFLOP/s", "\nshare", "device\nmemory", "\nloss"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in measured:
        if not row.measurement.failure:
            table.add_row(row.name, *_cells(row))
    console.print(table)
    console.print("share: of the card's large product in the same precision", markup=False)
    if run is not None and run.seconds is not None:
        console.print(
            f"jaxmlp sweep, {run.trials:,} trials x {run.epochs} epochs of {run.data}: {run.seconds:.1f} s from the command"
            " to the table",
            markup=False,
            soft_wrap=True,
        )


def _cells(row: Row) -> tuple[str, ...]:
    memory, loss = row.measurement.device_peak_bytes, row.measurement.loss
    return (
        digits(row.measurement.median),
        f"{1 / row.measurement.median:,.1f}",
        f"{row.speed / 1e12:.2f}",
        NONE if row.limit is None else f"{row.speed / row.limit:.0%}",
        NONE if memory is None else f"{memory / 2**30:.2f} GiB",
        NONE if loss is None else f"{loss:.4f}",
    )


def to_json(
    measured: Sequence[Row], run: SweepRun | None, left: Sequence[str], task: Task, rounds: int
) -> dict[str, Any]:
    """All rows, the sweep, what there was no time for, the machine, the versions and the date."""
    return where_and_when() | {
        "preset": PRESET,
        "task": asdict(task),
        "epoch_flops": task.flops,
        "rounds": rounds,
        "rows": [row.to_json() for row in measured],
        "sweep": None if run is None else run._asdict(),
        "no_time_for": list(left),
    }
