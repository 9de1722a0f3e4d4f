"""A run as files: what was measured, the tables, the picture, and what it depends on."""

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax

from experiments import runs
from experiments.bench import plot, report
from experiments.bench.run import Results

PACKAGES = (
    *("jaxdrop", "jax", "jaxlib", "numpy", "flax", "dm-haiku", "equinox", "keras", "torch"),
)


def environment(device: Any) -> dict[str, Any]:
    """The machine and the versions that the figures hold for."""
    return {
        "device": f"{device.platform}: {device.device_kind}",
        "processors": os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count(),
        "platform": platform.platform(),
        "versions": {"python": platform.python_version()} | versions(),
    }
