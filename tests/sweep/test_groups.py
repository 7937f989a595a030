"""The data of a group are read once, however many workers want them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from jaxmlp.run.config import Experiment
from jaxmlp.sweep import groups as sweep_groups
from jaxmlp.sweep.config import sweep_of


def test_workers_that_want_the_same_data_share_one_reading(monkeypatch):
    sweep = sweep_of(Experiment(), set(), {"grid": {"learning_rate": [0.1, 0.2]}})
    [group] = sweep_groups.groups_of(sweep.trials)
    sweep_groups.loaded.cache_clear()
    readings, read_data, start = [], sweep_groups.read_data, threading.Barrier(4)

    def slow(experiment):
        readings.append(experiment)
        time.sleep(0.1)
        return read_data(experiment)

    def data(_):
        start.wait()
        return group.data()

    monkeypatch.setattr(sweep_groups, "read_data", slow)
    with ThreadPoolExecutor(4) as threads:
        first, *others = threads.map(data, range(4))
    assert len(readings) == 1
    assert all(other is first for other in others)
