"""How many networks fit on accelerators, by the programs themselves, compiled ahead of training.

JAX keeps what it compiled, so that training compiles nothing again. A CPU, which gains nothing from
large chunks, has the estimate alone (memory.py).
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax.stages import Lowered

from experiments.errors import expect
from experiments.training import devices, evaluate, memory, step, sweep
from experiments.training.chunks import choose
from experiments.training.sweep import Task

SPARE = 0.1
"""Of a device's memory: for what is between the programs, and for what is not contiguous."""


def fitted(task: Task) -> Task:
    """In chunks as large as the memory of accelerators allows; on a CPU as it is."""
    if devices.one_by_one():
        return task
    room = (1 - SPARE) * memory.on_a_device()
    taken = needed(task)
    if taken < room and task.layout.chunks > 1:
        task = _resized(task, room / taken)
        taken = needed(task)
    while taken > room:
        what = f"networks that fit in the {room / memory.GIB:.1f} GiB of a device"
        fix = "Make --widths or --batch-size smaller."
        expect(_networks(task) > jax.device_count(), what, "some that need more", fix)
        task = _resized(task, 1 / 2)
        taken = needed(task)
    return task


def needed(task: Task) -> float:
    """Bytes at most that a chunk takes of a device; infinitely many if the compiler refuses."""
    return max(map(_taken, lowered(task)))


def lowered(task: Task) -> Iterator[Lowered]:
    """Training and measurement of a chunk, for the devices that there are, from shapes alone."""
    given = sweep.given(task)
    yield step.train.lower(*given, np.int32(0), np.int32(1))
    yield evaluate.measure.lower(*given)


def _taken(program: Lowered) -> float:
    try:
        analysis: Any = program.compile().memory_analysis()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            return math.inf
        raise
    kept = analysis.argument_size_in_bytes + analysis.output_size_in_bytes
    return kept - analysis.alias_size_in_bytes + analysis.temp_size_in_bytes


def _resized(task: Task, times: float) -> Task:
    layout, networks = task.layout, max(1, int(times * _networks(task)))
    fitting = choose(layout.seeds, layout.arms, jax.device_count(), networks, networks)
    return task._replace(layout=replace(fitting, first=layout.first))


def _networks(task: Task) -> int:
    return task.layout.chunk * task.layout.group
