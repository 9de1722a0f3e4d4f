"""Training of all arms and seeds: chunk after chunk, block after block, each a compiled call."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import UInt32

from experiments import spread, train
from experiments.fingerprints import fingerprints
from experiments.layout import Layout
from experiments.train import Metrics, Plan, Problem, Rows, TrainState

Tick = Callable[[], None]


class Task(NamedTuple):
    """What is to be trained; rates has a row for each arm."""

    plan: Plan
    problem: Problem
    rates: np.ndarray
    layout: Layout


class Block(NamedTuple):
    """How the networks of a chunk, or of them all, stand at the end of a block."""

    metrics: Metrics
    states: UInt32[np.ndarray, "rows arms"]


class History(NamedTuple):
    """What came out: the fingerprints of the fresh networks, and how each block ended."""

    fresh: UInt32[np.ndarray, "seeds arms"]
    blocks: list[Block]

    @property
    def metrics(self) -> list[Metrics]:
        """Those of each block."""
        return [block.metrics for block in self.blocks]


def run(task: Task, tick: Tick = lambda: None) -> History:
    """Trains everything; `tick` is called at the end of every block of every chunk."""
    return join(task.layout, [_chunk(task, index, tick) for index in range(task.layout.chunks)])


def rows_of(task: Task, chunk: int) -> Rows:
    """What the networks of a chunk differ in, on the devices."""
    seeds, arms = task.layout.pairs(chunk)
    return spread.over_devices(Rows(seeds.astype(np.int32), task.rates[arms]))


def join(layout: Layout, chunks: list[History]) -> History:
    """One history of all chunks, without what was padded."""

    def joined(*parts: Any) -> Any:
        return jax.tree.map(lambda *tables: layout.join(tables), *parts)

    fresh = joined(*(chunk.fresh for chunk in chunks))
    blocks = zip(*(chunk.blocks for chunk in chunks), strict=True)
    return History(fresh, [joined(*parts) for parts in blocks])


def _chunk(task: Task, index: int, tick: Tick) -> History:
    problem, rows = spread.on_every_device(task.problem), rows_of(task, index)
    state, first = train.start(task.plan, problem, rows), 0
    history = History(spread.gathered(fingerprints(state)), [])
    for stop in train.block_ends(task.plan.epochs):
        numbers = np.int32(first), np.int32(stop)
        state = train.train(task.plan, state, problem, rows, *numbers)
        history.blocks.append(_block(task.plan, state, problem))
        first = stop
        tick()
    return history


def _block(plan: Plan, state: TrainState, problem: Problem) -> Block:
    return spread.gathered(Block(train.measure(plan, state.params, problem), fingerprints(state)))
