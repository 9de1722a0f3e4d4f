"""How many networks fit in memory at once, by an estimate; and how much was used in the end.

On a CPU a chunk may be small: rows are mapped one after the other, so that a larger one is not
faster, as long as every device has a row. So a part of the memory will do. On accelerators this is
where `ahead.py` begins.
"""

import sys
from dataclasses import replace
from pathlib import Path

import jax

from experiments.errors import expect
from experiments.training.chunks import Layout, choose
from experiments.training.devices import least, one_by_one, total
from experiments.training.evaluate import MEASURED_AT_ONCE
from experiments.training.task import Plan
from experiments.words import counted

MIB, GIB = 2**20, 2**30
MOST = 4 * GIB
NETWORKS = 10_000_000
"""Whose results are held in memory."""
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def limits(plan: Plan) -> tuple[int, int]:
    """Networks at most in a chunk, and arms at most in a row; the same in all processes.

    How arms are grouped changes how they round, so that hangs on what memory there is in all, and
    not on what others have of it, unless they leave too little.
    """
    local, there = jax.local_device_count(), available()
    half, fixed = (min(MOST, size // 2) // 2 for size in (there, available("MemTotal:")))
    resting, working = held(plan), used(plan)  # a half for each
    wanted = f"networks that fit in the {there / GIB:.1f} GiB of memory there are"
    got = f"some of {(resting + working) / GIB:.1f} GiB, {local} at once"
    fits = not one_by_one() or local * (resting + working) <= there
    expect(fits, wanted, got, "Make --widths or --batch-size smaller.")
    group = min(max(1, fixed // (local * working)), there // (local * working))
    return total(max(1, half // resting)), least(group)


def fitted(plan: Plan, of: tuple[int, int], arms: int, cut: Layout | int | None = None) -> Layout:
    """The work of some seeds cut up: as it was, in chunks of a size, or as memory has it."""
    first, seeds = of[0], of[1] - of[0]
    steps, fix = plan.steps_per_epoch * plan.epochs, "Lower --epochs, or raise --batch-size."
    expect(steps < 2**31, "fewer than 2**31 steps", f"{steps:,}", fix)
    expect(seeds * arms <= NETWORKS, f"at most {NETWORKS:,} networks", f"{seeds * arms:,}")
    devices = jax.device_count()
    pairs, group = limits(plan)
    if not isinstance(cut, Layout):
        cut = replace(choose(seeds, arms, devices, cut or pairs, group), first=first)
    wanted, found = (
        f"{counted(arms, 'arm')} of {counted(seeds, 'seed')} from {first}"
        for arms, seeds, first in ((arms, seeds, first), (cut.arms, cut.seeds, cut.first))
    )
    expect(wanted == found, f"a layout of {wanted}", found)
    return cut.on(devices)


def held(plan: Plan) -> int:
    """Bytes of a network that waits: as input, output, checkpoint.

    It has parameters, two moments, and where arms may stop early the best parameters so far.
    """
    copies = 4 if plan.held_out else 3
    return 3 * copies * 4 * plan.architecture.parameters


def used(plan: Plan) -> int:
    """Bytes of a network that is trained or measured: gradients and updates, activations."""
    units = plan.architecture.units
    activations = 4 * units * (6 * plan.batch_size + 2 * MEASURED_AT_ONCE)
    return 4 * 4 * plan.architecture.parameters + activations


def available(which: str = "MemAvailable:") -> int:
    """Bytes that the devices, or this machine, can still give; or have in all."""
    first = jax.local_devices()[0]
    if first.platform != "cpu":
        known = first.memory_stats() or {}
        return known.get("bytes_limit", MOST) * jax.local_device_count()
    found = [int(limit) for limit in map(_text, LIMITS) if limit.strip().isdecimal()]
    for line in _text("/proc/meminfo").splitlines():
        if line.startswith(which):
            found.append(1024 * int(line.split()[1]))
    return min(found, default=2 * MOST)


def on_a_device() -> int:
    """The same for one device, in all processes."""
    return MIB * least(available() // (MIB * jax.local_device_count()))


def peak() -> int:
    """Bytes at most that this process has had; on accelerators, the busiest device."""
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    return max((stat.get("peak_bytes_in_use", 0) for stat in stats), default=0) or _resident()


def _resident() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
