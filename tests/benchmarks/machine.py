"""What was measured on: figures mean nothing without it."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def describe() -> str:
    """The machine, load, date: one line."""
    load = os.getloadavg()[0]
    return f"{identify()}; load {load:.1f} before the start; {datetime.now(UTC):%Y-%m-%d}"


def identify() -> str:
    """Processor, cores, memory, system, Python: what stays the same from run to run."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB; Linux {platform.release()};"
        f" {platform.python_implementation()} {platform.python_version()}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
