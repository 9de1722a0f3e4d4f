"""Training of all arms and seeds: chunk after chunk, block after block, each a compiled call."""

import time
from bisect import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import UInt32

from experiments.training import devices, evaluate, step
from experiments.training.chunks import Layout
from experiments.training.draw import draw
from experiments.training.evaluate import Measurement
from experiments.training.fingerprints import fingerprints
from experiments.training.recipe import Recipe
from experiments.training.task import Metrics, Plan, Problem, Rows, TrainState

Arrays = Mapping[str, np.ndarray]
T = TypeVar("T")
CALL = 3.0  # seconds; each call costs a copy of the state


class Task(NamedTuple):
    """What is to be trained; every leaf of the recipes begins with the arms."""

    plan: Plan
    problem: Problem
    recipes: Recipe
    layout: Layout


class Block(NamedTuple):
    """How the networks of a chunk, or of them all, stand at the end of a block."""

    measured: Measurement
    """What test images have values of their own is kept of the last block alone."""
    states: UInt32[np.ndarray, "rows arms"]


class History(NamedTuple):
    """What came out: the fingerprints of the fresh networks, and how each block ended."""

    fresh: UInt32[np.ndarray, "seeds arms"]
    blocks: list[Block]

    @property
    def metrics(self) -> list[Metrics]:
        """Those of each block."""
        return [block.measured.metrics for block in self.blocks]


Histories = Mapping[str, History]
"""Of the cases of a run, by their titles."""


class Moment(NamedTuple):
    """The end of a call: where training stands, and what the call was."""

    chunk: int
    epoch: int
    trained: int = 0
    """Epochs; none if it measured."""
    seconds: float = 0.0
    """None if the chunk was kept from before."""


Tick = Callable[[Moment], None]


class Position(NamedTuple):
    """Where training stands in a chunk."""

    epoch: int
    state: TrainState
    history: History


class Checkpoints:
    """Where training leaves what it has so far; this one keeps nothing."""

    def part(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """What is made in one go, if it is not kept from before."""
        del name
        return {key: np.asarray(array) for key, array in make().items()}

    def restore(self, like: Callable[[int], Position]) -> Position | None:
        """Where training stood in the part that is made now.

        Shapes, types and devices are those of `like`, which is asked for those of an epoch.
        """

    def offer(self, position: Position, epochs: int) -> None:
        """Keeps where training stands, of so many epochs, if it is time to."""

    def pause(self) -> None:
        """Stops here, if someone interrupted."""


def run(
    task: Task, tick: Tick = lambda _: None, checkpoints: Checkpoints | None = None, case: str = ""
) -> History:
    """Trains everything; `case` says in words which of the run's it is."""
    count, blocks = task.layout.chunks, len(task.plan.ends)
    kept, shapes = checkpoints or Checkpoints(), measured(task)

    def chunk(index: int) -> History:
        def train() -> Arrays:
            return named(_trained(task, index, shapes, tick, kept))

        arrays = kept.part(f"chunk {index + 1} of {count}{case}", train)
        tick(Moment(index, task.plan.epochs))
        return unnamed(_blank(task, shapes, blocks), arrays)

    return join(task.layout, [chunk(index) for index in range(count)])


def named(tree: Any) -> dict[str, Any]:
    """The leaves, as files take them: under names."""
    return {f"{index:04}": leaf for index, leaf in enumerate(jax.tree.leaves(tree))}


def unnamed(like: T, arrays: Mapping[str, Any]) -> T:
    """The inverse of `named`."""
    leaves = [arrays[name] for name in sorted(arrays, key=int)]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def measured(task: Task) -> Measurement:
    """The shapes of what is measured of a chunk."""
    return evaluate.measure.eval_shape(*given(task))


def given(task: Task) -> tuple[Plan, TrainState, Problem, Rows]:
    """The shapes of what the programs of a chunk are given, on the devices that there are."""
    rows = drawn(task, 0)
    state = devices.placed(jax.eval_shape(partial(started, task), rows), devices.ROWS)
    problem, rows = devices.placed(task.problem, devices.ALL), devices.placed(rows, devices.ROWS)
    return task.plan, state, problem, rows


def started(task: Task, rows: Rows) -> TrainState:
    """Fresh networks, to be traced for their shapes; those trained round as `step` says."""
    weights = jax.vmap(partial(step.fresh, task.plan, task.problem.seed))(rows.seeds)
    return step.start(task.plan, rows, weights)


def rows_of(task: Task, chunk: int) -> Rows:
    """What the networks of a chunk differ in, on the devices."""
    return devices.put(drawn(task, chunk), devices.ROWS)


def drawn(task: Task, chunk: int) -> Rows:
    """The same, on the host."""
    seeds, arms = task.layout.pairs(chunk)
    recipes = jax.tree.map(lambda leaf: leaf[arms], task.recipes)
    return Rows(seeds.astype(np.int32), recipes, draw(task.plan, task.problem, seeds))


def join(layout: Layout, chunks: list[History]) -> History:
    """One history of all chunks, without what was padded."""

    def joined(*parts: Any) -> Any:
        return jax.tree.map(lambda *tables: layout.join(tables), *parts)

    fresh = joined(*(chunk.fresh for chunk in chunks))
    blocks = zip(*(chunk.blocks for chunk in chunks), strict=True)
    return History(fresh, [joined(*parts) for parts in blocks])


def _trained(task: Task, index: int, shapes: Measurement, tick: Tick, kept: Checkpoints) -> History:
    problem, rows = devices.put(task.problem, devices.ALL), rows_of(task, index)
    position, pace = _begun(task, index, shapes, rows, kept), Pace(tick, index)
    ends, history = task.plan.ends, position.history
    for stop in ends[len(history.blocks) :]:
        while position.epoch < stop:
            kept.offer(position, task.plan.epochs)
            train = partial(step.train, task.plan, position.state, problem, rows)
            epoch, state = pace.step(train, position.epoch, stop)
            position = position._replace(epoch=epoch, state=state)
        begun, last = time.monotonic(), stop == ends[-1]
        history.blocks.append(_block(task.plan, position.state, problem, rows, last))
        tick(Moment(index, position.epoch, 0, time.monotonic() - begun))
    return history


def _begun(task: Task, index: int, shapes: Measurement, rows: Rows, kept: Checkpoints) -> Position:
    """Where it stood when it was left, or fresh networks."""
    seeds, _ = task.layout.pairs(index)
    weights = devices.put(step.weights(task.plan, task.problem, seeds), devices.ROWS)
    state = step.start(task.plan, rows, weights)

    def like(epoch: int) -> Position:
        return Position(epoch, state, _blank(task, shapes, bisect(task.plan.ends, epoch)))

    fresh = History(devices.gathered(fingerprints(state)), [])
    return kept.restore(like) or Position(0, state, fresh)


def _blank(task: Task, shapes: Measurement, blocks: int) -> History:
    """The shapes of a chunk's history after so many blocks."""
    states = np.zeros((task.layout.chunk, task.layout.group), np.uint32)
    last = Block(jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes), states)
    whole = blocks == len(task.plan.ends)
    others = [_without_images(last)] * (blocks - whole)
    return History(states, [*others, last] if whole else others)


@dataclass
class Pace:
    """Cuts blocks into calls of some seconds, so that an interruption is heard soon."""

    tick: Tick
    """Is told of each call."""
    chunk: int = 0
    epochs: int = 1

    def step(
        self, train: Callable[[np.int32, np.int32], T], first: int, stop: int
    ) -> tuple[int, T]:
        """Goes on by so many epochs, but not beyond `stop`: how far, and what there is then."""
        stop, begun = min(first + devices.least(self.epochs), stop), time.monotonic()
        state = jax.block_until_ready(train(np.int32(first), np.int32(stop)))
        seconds = time.monotonic() - begun
        self.epochs = max(1, int((stop - first) * CALL / seconds))
        self.tick(Moment(self.chunk, stop, stop - first, seconds))
        return stop, state


def _block(plan: Plan, state: TrainState, problem: Problem, rows: Rows, last: bool) -> Block:
    block = Block(evaluate.measure(plan, state, problem, rows), fingerprints(state))
    return devices.gathered(block if last else _without_images(block))


def _without_images(block: Block) -> Block:
    return block._replace(measured=block.measured._replace(images={}))
