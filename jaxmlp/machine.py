"""The machine that this process runs on: its cores, its processor, and the memory that the process takes."""

import contextlib
import os
import platform
import sys
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")  # of Linux


def cores() -> int:
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_bytes() -> int:
    """The most memory that this process has held at a time."""
    import resource  # which Windows has not

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def processor() -> str:
    """The name of the CPU: AMD EPYC 9B14."""
    return _line("model name") or platform.processor() or platform.machine()


def instructions() -> list[str]:
    """The sets of instructions that the CPU has, where the system says: avx2, amx_bf16."""
    return sorted((_line("flags") or _line("Features")).split())


def _line(name: str) -> str:
    """The first line of this name in what the system says of its processors; "" without one."""
    with contextlib.suppress(OSError):
        for line in CPUINFO.read_text().splitlines():
            if line.startswith(name):
                return line.partition(":")[2].strip()
    return ""
