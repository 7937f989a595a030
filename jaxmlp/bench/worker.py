"""The process of one entry: `python -m jaxmlp.bench.worker NAME TASK`. It runs each time it is asked to, and says how long.

It answers in lines of JSON: first what the first run took, compiling included; at "run" the seconds of a run; at "end" the
loss that was reached and the memory that was taken. It ends with the process that started it.
"""

import contextlib
import json
import os
import sys
import threading
import time
from queue import SimpleQueue
from typing import Any

from jaxmlp import xla_flags
from jaxmlp.bench.entries import entry_called
from jaxmlp.bench.task import Task
from jaxmlp.machine import peak_bytes


def main(name: str, task_json: str) -> None:
    """Serve one entry until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    requests: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()

    def answer(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=answers, flush=True)

    sizes = json.loads(task_json)
    task, entry = Task(**sizes | {"hidden": tuple(sizes["hidden"])}), entry_called(name)
    if entry.peer:
        xla_flags.restore()  # other libraries on JAX run as they do without us
    started = time.perf_counter()
    contestant = entry.make(task)
    weights = contestant.run()
    first_seconds = time.perf_counter() - started
    answer({"first_seconds": first_seconds, "epochs": contestant.epochs, "device": _device()})
    while requests.get() == "run":
        started = time.perf_counter()
        weights = contestant.run()
        answer({"seconds": time.perf_counter() - started})
    peaks = {
        "peak_bytes": peak_bytes(),
        "device_peak_bytes": _device_peak_bytes(),
    }  # before the loss, which takes its own
    answer({"loss": None if weights is None else task.loss(weights)} | peaks)


def _device() -> str:
    """The kind of device that JAX computes on, where it is used: cpu, or NVIDIA H100."""
    return sys.modules["jax"].devices()[0].device_kind if "jax" in sys.modules else ""


def _device_peak_bytes() -> int | None:
    """The most memory that was taken on the device; None where it has none of its own."""
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
        return sys.modules["torch"].cuda.max_memory_allocated()
    stats = sys.modules["jax"].devices()[0].memory_stats() if "jax" in sys.modules else None
    return stats.get("peak_bytes_in_use") if stats else None


def _read(requests: "SimpleQueue[str]") -> None:
    """Hand the lines of standard input on; where it ends, so does this process, whatever it is doing."""
    with contextlib.suppress(OSError):
        for line in sys.stdin:
            requests.put(line.strip())
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
