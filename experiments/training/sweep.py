"""Training of all arms and seeds: chunk after chunk, block after block, each a compiled call."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import UInt32

from experiments.training import devices, evaluate, step
from experiments.training.chunks import Layout
from experiments.training.fingerprints import fingerprints
from experiments.training.recipe import Recipe
from experiments.training.task import Metrics, Plan, Problem, Rows, TrainState

Tick = Callable[[int], None]
CALL = 3.0  # seconds; each call costs a copy of the state


class Task(NamedTuple):
    """What is to be trained; every leaf of the recipes begins with the arms."""

    plan: Plan
    problem: Problem
    recipes: Recipe
    layout: Layout


class Block(NamedTuple):
    """How the networks of a chunk, or of them all, stand at the end of a block."""

    metrics: Metrics
    states: UInt32[np.ndarray, "rows arms"]
    probed: Mapping[str, np.ndarray] = {}

    @property
    def measured(self) -> dict[str, np.ndarray]:
        """The metrics, and what the probe found, by their names."""
        return {**self.metrics._asdict(), **self.probed}


class History(NamedTuple):
    """What came out: the fingerprints of the fresh networks, and how each block ended."""

    fresh: UInt32[np.ndarray, "seeds arms"]
    blocks: list[Block]

    @property
    def metrics(self) -> list[Metrics]:
        """Those of each block."""
        return [block.metrics for block in self.blocks]


Histories = Mapping[str, History]
"""Of the cases of a run, by their titles."""


class Position(NamedTuple):
    """Where training stands in a chunk."""

    chunk: int
    epoch: int
    state: TrainState
    history: History


class Keeper:
    """Keeps what there is so far; this one keeps nothing."""

    def finished(self, chunk: int) -> History | None:
        """What came out of a chunk, if it is done."""

    def finish(self, chunk: int, history: History) -> None:
        """Keeps what came out of a chunk."""

    def restore(self, chunk: int, like: TrainState) -> Position | None:
        """Where training stood in a chunk; shapes, types and devices are those of `like`."""

    def offer(self, position: Position) -> None:
        """Keeps where training stands, if it is time to."""


def run(task: Task, tick: Tick = lambda _: None, keeper: Keeper | None = None) -> History:
    """Trains everything.

    At the end of every block of every chunk, `tick` is told how many networks × epochs it took.
    """
    chunks = range(task.layout.chunks)
    return join(task.layout, [_chunk(task, index, tick, keeper or Keeper()) for index in chunks])


def measured(task: Task) -> list[str]:
    """The names of all that is measured."""
    recipe = jax.tree.map(lambda leaf: leaf[0], task.recipes)
    return evaluate.measured(task.plan, task.problem.data, recipe)


def rows_of(task: Task, chunk: int) -> Rows:
    """What the networks of a chunk differ in, on the devices."""
    seeds, arms = task.layout.pairs(chunk)
    recipes = jax.tree.map(lambda leaf: leaf[arms], task.recipes)
    return devices.over_devices(Rows(seeds.astype(np.int32), recipes))


def join(layout: Layout, chunks: list[History]) -> History:
    """One history of all chunks, without what was padded."""

    def joined(*parts: Any) -> Any:
        return jax.tree.map(lambda *tables: layout.join(tables), *parts)

    fresh = joined(*(chunk.fresh for chunk in chunks))
    blocks = zip(*(chunk.blocks for chunk in chunks), strict=True)
    return History(fresh, [joined(*parts) for parts in blocks])


def _chunk(task: Task, index: int, tick: Tick, keeper: Keeper) -> History:
    ends, done = task.plan.ends, keeper.finished(index)
    history = done if done is not None else _trained(task, index, tick, keeper)
    for _ in ends if done is not None else ():
        tick(0)
    return history


def _trained(task: Task, index: int, tick: Tick, keeper: Keeper) -> History:
    problem, rows = devices.on_every_device(task.problem), rows_of(task, index)
    position, pace = _begun(task, index, problem, rows, keeper), Pace()
    ends, history = task.plan.ends, position.history
    for _ in ends[: len(history.blocks)]:
        tick(0)
    for stop in ends[len(history.blocks) :]:
        first = position.epoch
        while position.epoch < stop:
            keeper.offer(position)
            position = pace.step(task.plan, position, problem, rows, stop)
        history.blocks.append(_block(task.plan, position.state, problem, rows))
        tick((stop - first) * task.layout.in_chunk(index))
    keeper.finish(index, history)
    return history


def _begun(task: Task, index: int, problem: Problem, rows: Rows, keeper: Keeper) -> Position:
    seeds, _ = task.layout.pairs(index)
    weights = devices.over_devices(step.weights(task.plan, task.problem, seeds))
    state = step.start(task.plan, rows, weights)
    restored = keeper.restore(index, state)
    if restored is not None:
        return restored
    return Position(index, 0, state, History(devices.gathered(fingerprints(state)), []))


class Pace:
    """Cuts blocks into calls of some seconds, so that an interruption is heard soon."""

    def __init__(self) -> None:
        """One epoch to begin with."""
        self.epochs = 1

    def step(
        self, plan: Plan, position: Position, problem: Problem, rows: Rows, stop: int
    ) -> Position:
        """Goes on by so many epochs, but not beyond `stop`."""
        first = position.epoch
        stop, begun = min(first + devices.most(self.epochs), stop), time.monotonic()
        numbers = np.int32(first), np.int32(stop)
        state = step.train(plan, position.state, problem, rows, *numbers)
        jax.block_until_ready(state)
        self.epochs = max(1, int((stop - first) * CALL / (time.monotonic() - begun)))
        return position._replace(epoch=stop, state=state)


def _block(plan: Plan, state: TrainState, problem: Problem, rows: Rows) -> Block:
    metrics, probed = evaluate.measure(plan, state, problem, rows)
    return devices.gathered(Block(metrics, fingerprints(state), probed))
