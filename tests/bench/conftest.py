"""A training that takes no time, and measurements of it that were never made."""

import pytest

from jaxmlp.bench.entries import FLOOR, GRID, LIMIT, RUN, entry_called
from jaxmlp.bench.measuring import Measurement
from jaxmlp.bench.results import Results
from jaxmlp.bench.task import PRESETS, Task

SECONDS = {LIMIT: 0.1, FLOOR: 0.13, RUN: 0.16, GRID: 0.12, "NumPy by hand": 0.2, "scikit-learn": 0.32, "skorch": 0.5}


@pytest.fixture(scope="session")
def small():
    return Task(6, (5, 4), 3, examples=70, batch=16, epochs=2, trials=3)


def made_up(name, loss=0.3, seconds=None):
    """A measurement of three rounds whose median is known."""
    entry = entry_called(name)
    middle = SECONDS[name] if seconds is None else seconds
    loss = None if entry.part == "limits" else loss
    return Measurement(entry, [1.2 * middle, middle, 0.9 * middle], loss, first_seconds=2.0, peak_bytes=10**9)


@pytest.fixture
def results():
    """Everything measured; skorch has another loss than the others."""
    measurements = [made_up(name, 0.5 if name == "skorch" else 0.3) for name in SECONDS]
    return Results("report", PRESETS["report"], 3, measurements)
