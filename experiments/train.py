"""Training of all arms and seeds in one compiled block of steps, called again and again.

Arms are vmapped and seeds mapped one after another, which on a CPU takes a third of the time and
half of the memory of vmapping both; devices share the seeds out. Whatever is set by a number
(rates, learning rate, weight decay, seed) is an argument that is traced, so a block is compiled
once.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int, Key

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
    """What the compiled program is run on."""

    data: Dataset
    rates: Float[Array, "arms sites"]
    keys: Key[Array, " seeds"]
    learning_rate: Float[Array, ""]
    weight_decay: Float[Array, ""]


class TrainState(NamedTuple):
    """What training carries from block to block; every leaf begins with seeds and arms."""

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


def seed_keys(seed: int, seeds: int) -> Key[Array, " seeds"]:
    """A key for each seed; the first ones stay the same when seeds are added."""
    root = jax.random.key(seed, impl="threefry2x32")
    return jax.vmap(jax.random.fold_in, (None, 0))(root, jnp.arange(seeds))


def over_seeds(of_seed: Callable[..., T], *leaves: Any) -> T:
    """Maps a function of one seed, on as many devices as share the seeds out evenly.

    On a CPU each core is a device, for XLA multiplies small matrices on one core alone.
    """
    devices = jax.devices()
    used = math.gcd(len(leaves[-1]), len(devices))
    mesh, spec = Mesh(np.array(devices[:used]), "seeds"), PartitionSpec("seeds")
    one_by_one = partial(lax.map, lambda leaves: of_seed(*leaves))
    share = partial(jax.shard_map, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    return share(one_by_one)(leaves)


@partial(jax.jit, static_argnums=0)
def start(plan: Plan, problem: Problem) -> TrainState:
    """Fresh weights for each seed, the same for all of its arms."""
    arms = len(problem.rates)

    def of_seed(key: Key[Array, ""]) -> TrainState:
        weights = _streams(key).weights
        params = nnx.state(plan.architecture.build(weights), nnx.Param)
        state = TrainState(params, _optimizer(plan, problem).init(params))
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (arms, *leaf.shape)), state)

    return over_seeds(of_seed, problem.keys)


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def block(
    plan: Plan, state: TrainState, problem: Problem, first: Int[Array, ""], stop: Int[Array, ""]
) -> tuple[TrainState, Metrics]:
    """Trains from epoch `first` to before epoch `stop`, then measures; one compilation fits all."""

    def of_seed(state: TrainState, key: Key[Array, ""]) -> tuple[TrainState, Metrics]:
        epoch = partial(_epoch, plan, problem, _streams(key))
        state = lax.fori_loop(first, stop, epoch, state)
        return state, jax.vmap(partial(_measure, plan, problem.data))(state.params)

    return over_seeds(of_seed, state, problem.keys)


def block_ends(epochs: int) -> list[int]:
    """After which epochs the metrics are taken."""
    blocks = min(epochs, BLOCKS)
    return [epochs * (index + 1) // blocks for index in range(blocks)]


def run(plan: Plan, problem: Problem) -> Iterator[Metrics]:
    """Trains to the end, and yields the metrics of each seed and arm after every block."""
    state, first = start(plan, problem), 0
    for stop in block_ends(plan.epochs):
        state, metrics = block(plan, state, problem, jnp.int32(first), jnp.int32(stop))
        yield jax.tree.map(np.asarray, metrics)
        first = stop


def _streams(key: Key[Array, ""]) -> Streams:
    return Streams(*jax.random.split(key, 3))


def _optimizer(plan: Plan, problem: Problem) -> optax.GradientTransformation:
    steps = plan.epochs * plan.steps_per_epoch
    schedule = optax.cosine_decay_schedule(problem.learning_rate, steps)
    return optax.adamw(schedule, weight_decay=problem.weight_decay)


def _epoch(
    plan: Plan, problem: Problem, streams: Streams, epoch: Int[Array, ""], state: TrainState
) -> TrainState:
    """One pass over the shuffled training images, in whole batches."""
    x, y = problem.data.x_train, problem.data.y_train
    order = jax.random.permutation(jax.random.fold_in(streams.batches, epoch), len(y))
    batches = order[: plan.steps_per_epoch * plan.batch_size].reshape(-1, plan.batch_size)
    key = jax.random.fold_in(streams.masks, epoch)

    def step(state: TrainState, batch: tuple[Array, Array]) -> tuple[TrainState, None]:
        index, rows = batch
        of_arm = partial(_step, plan, problem, x[rows], y[rows], jax.random.fold_in(key, index))
        return jax.vmap(of_arm)(state, problem.rates), None

    return lax.scan(step, state, (jnp.arange(plan.steps_per_epoch), batches))[0]


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
