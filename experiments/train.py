"""The compiled programs: fresh networks, epochs of training, a measurement, a fingerprint.

Arms are vmapped and rows (see layout.py) mapped one after another, which on a CPU takes a third of
the time and half of the memory of vmapping both; devices share the rows out. Whatever is set by a
number (rates, learning rate, weight decay, seed) is an argument that is traced, so a program is
compiled once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax
from jaxtyping import Array, Float, Int, Key, UInt32

from experiments import spread
from experiments.data import Dataset
from experiments.models import Architecture

BLOCKS = 10  # at most: each ends with a measurement, which costs about as much as an epoch
MEASURED_AT_ONCE = 500  # images, which bounds the memory of a measurement
Numbers = Float[Array | np.ndarray, "..."]
T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What fixes the compiled program."""

    architecture: Architecture
    batch_size: int
    steps_per_epoch: int
    epochs: int


class Problem(NamedTuple):
    """What all networks share."""

    data: Dataset
    seed: UInt32[Array | np.ndarray, ""]
    learning_rate: Float[Array | np.ndarray, ""]
    weight_decay: Float[Array | np.ndarray, ""]


class Rows(NamedTuple):
    """What they differ in: a row is a seed with a group of arms."""

    seeds: Int[Array | np.ndarray, " rows"]
    rates: Float[Array | np.ndarray, "rows arms sites"]


class TrainState(NamedTuple):
    """What training carries on; every leaf begins with rows and arms."""

    params: nnx.State
    optimizer: optax.OptState


class Metrics(NamedTuple):
    """Measured without dropout."""

    train_accuracy: Numbers
    train_nll: Numbers
    test_accuracy: Numbers
    test_nll: Numbers


class Streams(NamedTuple):
    """The keys of one seed. None of them knows of arms: arms share weights, batches and masks."""

    weights: Key[Array, ""]
    batches: Key[Array, ""]
    masks: Key[Array, ""]


def seed_key(seed: Any, index: Any) -> Key[Array, ""]:
    """The key of one repetition; the first ones stay the same when repetitions are added."""
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), index)


def seed_keys(seed: int, seeds: int) -> Key[Array, " seeds"]:
    """The keys of all repetitions."""
    return jax.vmap(seed_key, (None, 0))(np.uint32(seed), jnp.arange(seeds))


def streams(seed: Any, index: Any) -> Streams:
    """What one repetition draws from."""
    return Streams(*jax.random.split(seed_key(seed, index), 3))


def over_rows(of_row: Callable[..., T], shared: Any, *leaves: Any) -> T:
    """Maps a function of what is shared and of one row, on all devices.

    On a CPU each core is a device, for XLA multiplies small matrices on one core alone.
    """

    def one_by_one(shared: Any, leaves: Any) -> T:
        return lax.map(lambda leaves: of_row(shared, *leaves), leaves)

    specs = {"in_specs": (spread.ALL, spread.ROWS), "out_specs": spread.ROWS}
    return jax.shard_map(one_by_one, mesh=spread.mesh(), check_vma=False, **specs)(shared, leaves)


@partial(jax.jit, static_argnums=0)
def fresh(plan: Plan, seed: UInt32[Array, ""], index: Int[Array, ""]) -> nnx.State:
    """The initial weights of one seed.

    A program for itself: as a part of a larger one it would round as the compiler likes it there,
    and weights would depend on how many devices there are.
    """
    return nnx.state(plan.architecture.build(streams(seed, index).weights), nnx.Param)


def weights(plan: Plan, problem: Problem, seeds: Int[np.ndarray, " rows"]) -> nnx.State:
    """The initial weights for each row."""
    there, rows = np.unique(seeds, return_inverse=True)
    each = [fresh(plan, problem.seed, np.int32(index)) for index in there]
    return jax.tree.map(lambda *leaves: np.stack(leaves)[rows], *each)


@partial(jax.jit, static_argnums=0)
def start(plan: Plan, problem: Problem, rows: Rows, weights: nnx.State) -> TrainState:
    """Fresh networks, the same for all arms of a seed."""
    arms = rows.rates.shape[1]

    def of_row(problem: Problem, params: nnx.State) -> TrainState:
        state = TrainState(params, _optimizer(plan, problem).init(params))
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (arms, *leaf.shape)), state)

    return over_rows(of_row, problem, weights)


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def train(
    plan: Plan,
    state: TrainState,
    problem: Problem,
    rows: Rows,
    first: Int[Array | np.ndarray, ""],
    stop: Int[Array | np.ndarray, ""],
) -> TrainState:
    """Trains from epoch `first` to before epoch `stop`; one compilation fits all."""

    def of_row(shared: tuple[Problem, Array, Array], state: TrainState, rows: Rows) -> TrainState:
        problem, first, stop = shared
        own, rates = streams(problem.seed, rows.seeds), jnp.asarray(rows.rates)
        epoch = partial(_epoch, plan, problem, own, rates)
        return lax.fori_loop(first, stop, epoch, state)

    return over_rows(of_row, (problem, first, stop), state, rows)


@partial(jax.jit, static_argnums=0)
def measure(plan: Plan, params: nnx.State, problem: Problem) -> Metrics:
    """The metrics of every row and arm."""

    def of_row(data: Dataset, params: nnx.State) -> Metrics:
        return jax.vmap(partial(_measure, plan, data))(params)

    return over_rows(of_row, problem.data, params)


def block_ends(epochs: int) -> list[int]:
    """After which epochs the metrics are taken."""
    blocks = min(epochs, BLOCKS)
    return [epochs * (index + 1) // blocks for index in range(blocks)]


def batches(
    plan: Plan, images: int, streams: Streams, epoch: Int[Array, ""]
) -> Int[Array, "steps batch"]:
    """Which images an epoch takes, shuffled, in whole batches."""
    order = jax.random.permutation(jax.random.fold_in(streams.batches, epoch), images)
    return order[: plan.steps_per_epoch * plan.batch_size].reshape(-1, plan.batch_size)


def mask_key(streams: Streams, epoch: Int[Array, ""], step: Int[Array, ""]) -> Key[Array, ""]:
    """The key from which the masks of a step are drawn."""
    return jax.random.fold_in(jax.random.fold_in(streams.masks, epoch), step)


def _optimizer(plan: Plan, problem: Problem) -> optax.GradientTransformation:
    steps = plan.epochs * plan.steps_per_epoch
    schedule = optax.cosine_decay_schedule(problem.learning_rate, steps)
    return optax.adamw(schedule, weight_decay=jnp.asarray(problem.weight_decay))


def _epoch(
    plan: Plan,
    problem: Problem,
    streams: Streams,
    rates: Float[Array, "arms sites"],
    epoch: Int[Array, ""],
    state: TrainState,
) -> TrainState:
    """One pass over the shuffled training images."""
    x, y = problem.data.x_train, problem.data.y_train

    def step(state: TrainState, batch: tuple[Array, Array]) -> tuple[TrainState, None]:
        index, images = batch
        key = mask_key(streams, epoch, index)
        of_arm = partial(_step, plan, problem, x[images], y[images], key)
        return jax.vmap(of_arm)(state, rates), None

    order = batches(plan, len(y), streams, epoch)
    return lax.scan(step, state, (jnp.arange(plan.steps_per_epoch), order))[0]


def _step(
    plan: Plan,
    problem: Problem,
    x: Float[Array, "batch inputs"],
    y: Int[Array, " batch"],
    key: Key[Array, ""],
    state: TrainState,
    rates: Float[Array, " sites"],
) -> TrainState:
    """One step of one arm."""

    def loss(params: nnx.State) -> Float[Array, ""]:
        logits = plan.architecture.bind(params)(x, rates, key)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    gradient = jax.grad(loss)(state.params)
    updates, optimizer = _optimizer(plan, problem).update(gradient, state.optimizer, state.params)
    params = cast(nnx.State, optax.apply_updates(state.params, updates))
    return TrainState(params, optimizer)


def _measure(plan: Plan, data: Dataset, params: nnx.State) -> Metrics:
    """Mean accuracy and negative log-likelihood of one arm, on both halves of the data."""
    model = plan.architecture.bind(params)

    def of_example(example: tuple[Array, Array]) -> tuple[Array, Array]:
        x, y = example
        logits = model(x)
        return logits.argmax() == y, optax.softmax_cross_entropy_with_integer_labels(logits, y)

    def of_set(x: Numbers, y: Numbers) -> tuple[Array, Array]:
        hits, nll = lax.map(of_example, (x, y), batch_size=min(len(y), MEASURED_AT_ONCE))
        return hits.mean(), nll.mean()

    return Metrics(*of_set(data.x_train, data.y_train), *of_set(data.x_test, data.y_test))
