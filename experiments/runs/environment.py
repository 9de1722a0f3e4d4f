"""Where a run ran: the hardware, the versions and the settings that its bits may hang on."""

import os
import platform
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

from experiments.words import counted

PACKAGES = "jaxdrop jax jaxlib flax optax numpy scipy scikit-learn matplotlib".split()
VARIABLES = (
    "JAX_ENABLE_X64",
    "OMP_NUM_THREADS",
    "LIBTPU_INIT_ARGS",
    "NVIDIA_TF32_OVERRIDE",
    "TF_CUDNN_DETERMINISTIC",
)
OPTIONS = ("jax_threefry_partitionable", "jax_enable_x64", "jax_default_matmul_precision")
HARMLESS = ("--xla_dump", "--xla_hlo_profile", "--xla_force_host_platform_device_count")
"""Flags that change no bit, or that the count of devices tells."""


@dataclass(frozen=True)
class Environment:
    """All but `platform` and `commit` excuse a difference in rounding."""

    device: str
    device_count: int
    process_count: int
    processor: str
    platform: str
    versions: dict[str, str]
    settings: dict[str, str]
    commit: str | None
    """Of the checkout the code was in, with a + where files differed from it."""

    def differences(self, other: "Environment") -> list[str]:
        """What the other one has otherwise, in words, as far as it excuses anything."""
        mine, theirs = self._excuses, other._excuses
        return [
            f"{name} {mine.get(name, 'unset')} → {theirs.get(name, 'unset')}"
            for name in dict.fromkeys([*mine, *theirs])
            if mine.get(name) != theirs.get(name)
        ]

    @property
    def _excuses(self) -> dict[str, Any]:
        plain = ("device", "device_count", "process_count", "processor")
        return {name: getattr(self, name) for name in plain} | self.versions | self.settings


def environment(packages: Sequence[str] = PACKAGES, device: Any = None) -> Environment:
    """The one of this process; of one device, where only that is used."""
    devices = jax.devices() if device is None else [device]
    return Environment(
        f"{devices[0].platform}: {devices[0].device_kind}",
        len(devices),
        jax.process_count(),
        f"{processor()}, {counted(os.cpu_count() or 1, 'core')}",
        platform.platform(),
        {"python": platform.python_version()} | {name: _version(name) for name in packages},
        settings(),
        commit(),
    )


def settings() -> dict[str, str]:
    """Compiler flags and options of JAX, where they matter to a result."""
    given = shlex.split(os.environ.get("XLA_FLAGS", ""), posix=False)
    flags = " ".join(sorted(flag for flag in given if not flag.startswith(HARMLESS)))
    variables = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    options = {name: str(getattr(jax.config, name)) for name in OPTIONS}
    return ({"XLA_FLAGS": flags} if flags else {}) | variables | options


def processor() -> str:
    """The model of the CPU, as far as the system tells it."""
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return model[1] if model else platform.processor() or platform.machine()


@cache
def commit() -> str | None:
    """The commit of the checkout that this file is in, if it is in one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():  # installed, perhaps inside someone else's repository
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            [*command, "--dirty=+"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):  # no git, or a checkout of someone else's
        return None
    return done.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a peer that is missing, or a checkout never installed
        return "not installed"
