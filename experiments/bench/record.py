"""A run as files: what was measured, the tables, the picture, and what the figures hold for."""

import hashlib
import io
import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from experiments import runs
from experiments.bench import plot, report

PACKAGES = ("jaxdrop", "jax", "jaxlib", "numpy", "flax", "dm-haiku", "equinox", "keras", "torch")
COMPILER_SETTINGS = ("XLA_FLAGS", "JAX_ENABLE_X64", "OMP_NUM_THREADS")


def environment(device: Any) -> dict[str, Any]:
    """The machine and the versions that the figures hold for."""
    return {
        "device": f"{device.platform}: {device.device_kind}",
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "platform": platform.platform(),
        "versions": {"python": platform.python_version()} | versions(),
        "settings": {name: os.environ[name] for name in COMPILER_SETTINGS if name in os.environ},
    }


def processor() -> str:
    """The model of the CPU, as far as the system tells it."""
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return model[1] if model else platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Of the packages that are timed, where they are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a peer that is missing, or a checkout never installed
            found[package] = "not installed"
    return found


def caption(results: Mapping[str, Any]) -> str:
    """What was run, and how its tables are read."""
    config, where = results["config"], results["environment"]
    return (
        f"jax {where['versions']['jax']} on {where['device']} ({where['processor']}). Medians of "
        f"{config['repeats']} samples, candidates in turn; rate {config['rate']} (training step "
        "and compilation: 0.5). fwd: forward; both: forward + backward; ±%: distance between "
        "the quartiles, in percent of the median; ÷copy: time over that of x * 2; ×peer: how many "
        "times faster than the fastest JAX peer; tax: time added to the step without dropout, "
        "round by round."
    )


def files(results: Mapping[str, Any]) -> dict[str, bytes]:
    """Everything but the manifest."""
    sections, text = results["sections"], caption(results)
    content = {
        "config.json": runs.as_json(results["config"]),
        "bench.json": runs.as_json(results),
        "table.md": report.markdown(sections, text).encode(),
    }
    if "dropout" in sections:
        picture = io.BytesIO()
        plot.draw(sections["dropout"], text).savefig(picture, dpi=100, metadata={"Software": None})
        content["bench.png"] = picture.getvalue()
    return content


def write(folder: Path, results: Mapping[str, Any]) -> None:
    """Writes the run folder."""
    content = files(results)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    runs.write(folder, content, {"command": "bench", **results["environment"], "sha256": digests})
