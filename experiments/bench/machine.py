"""The machine that a benchmark ran on: processor, cores, load."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def describe_machine() -> dict[str, Any]:
    """Processor, cores that this process may use, platform and Python."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": _cpu_model(), "cores": usable, "platform": platform.platform(), "python": platform.python_version()}


def cpu_flags(wanted: Sequence[str]) -> list[str]:
    """Those of the wanted instruction sets that the kernel lists for this processor."""
    found = set(next(iter(_cpuinfo("flags")), "").split())
    return [flag for flag in wanted if flag in found]


def system_load() -> float | None:
    """Mean number of running or waiting processes over the last minute; a benchmark alone gives about 1."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _cpu_model() -> str:
    """The model's name as the kernel gives it, which `platform` does not on Linux."""
    return next(iter(_cpuinfo("model name")), "") or platform.processor() or platform.machine()


def _cpuinfo(field: str) -> list[str]:
    """A field of /proc/cpuinfo, one entry a processor; empty where there is no such file."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return [line.split(":", 1)[1].strip() for line in lines if line.startswith(field)]
