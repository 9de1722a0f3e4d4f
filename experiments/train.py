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

from experiments import recipe as recipes
from experiments import spread
from experiments.augment import augment
from experiments.data import Dataset
from experiments.models import Architecture, Drop
from experiments.recipe import Recipe

BLOCKS = 10  # at most: each ends with a measurement, which costs about as much as an epoch
PRNG = "threefry2x32"
MEASURED_AT_ONCE = 500  # images, which bounds the memory of a measurement
Numbers = Float[Array | np.ndarray, "..."]
T = TypeVar("T")


class Trained(NamedTuple):
    """One trained network, as probes see it."""

    architecture: Architecture
    params: nnx.State
    rest: nnx.State
    recipe: Recipe

    def logits(self, x: Array, key: Key[Array, ""] | None = None) -> Array:
        """In evaluation, without dropout or with it left on."""
        model = self.architecture.bind(self.params, self.rest)
        return model(x, Drop(self.architecture.sites, self.recipe.rates, key))


Probe = Callable[[Trained, Dataset, Key[Array, ""]], dict[str, Array]]


@dataclass(frozen=True)
class Plan:
    """What fixes the compiled program."""

    architecture: Architecture
    batch_size: int
    steps_per_epoch: int
    epochs: int
    blocks: int = BLOCKS
    """Into how many parts training is cut at most; metrics are taken at the end of each."""
    held_out: int = 0
    """Training images, the last ones, kept to stop early by; with none, no arm does."""
    image: tuple[int, int, int] | None = None
    """Shape of an image, if images are augmented."""
    probe: Probe | None = None
    """What else is measured."""

    @property
    def ends(self) -> list[int]:
        """After which epochs the metrics are taken."""
        return block_ends(self.epochs, self.blocks)


class Problem(NamedTuple):
    """What all networks share."""

    data: Dataset
    seed: UInt32[Array | np.ndarray, ""]


class Rows(NamedTuple):
    """What they differ in: a row is a seed with a group of arms."""

    seeds: Int[Array | np.ndarray, " rows"]
    recipes: Recipe
    """Each leaf begins with rows and arms."""


class Best(NamedTuple):
    """The best network so far by the loss on held-out images, and for how long it has been."""

    params: nnx.State
    rest: nnx.State
    loss: Float[Array, ""]
    since: Int[Array, ""]


class TrainState(NamedTuple):
    """What training carries on; every leaf begins with rows and arms."""

    params: nnx.State
    rest: nnx.State
    """What a model holds besides, such as the running moments of batch norm."""
    optimizer: optax.OptState
    best: Best | tuple[()] = ()


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
    images: Key[Array, ""]


def seed_key(seed: Any, index: Any) -> Key[Array, ""]:
    """The key of one repetition; the first ones stay the same when repetitions are added."""
    return jax.random.fold_in(jax.random.key(seed, impl=PRNG), index)


def seed_keys(seed: int, seeds: int) -> Key[Array, " seeds"]:
    """The keys of all repetitions."""
    return jax.vmap(seed_key, (None, 0))(np.uint32(seed), jnp.arange(seeds))


def streams(seed: Any, index: Any) -> Streams:
    """What one repetition draws from."""
    return Streams(*jax.random.split(seed_key(seed, index), 4))


def over_rows(of_row: Callable[..., T], shared: Any, *leaves: Any) -> T:
    """Maps a function of what is shared and of one row, on all devices.

    On a CPU each core is a device, for XLA multiplies small matrices on one core alone.
    """

    def one_by_one(shared: Any, leaves: Any) -> T:
        return lax.map(lambda leaves: of_row(shared, *leaves), leaves)

    specs = {"in_specs": (spread.ALL, spread.ROWS), "out_specs": spread.ROWS}
    return jax.shard_map(one_by_one, mesh=spread.mesh(), check_vma=False, **specs)(shared, leaves)


@partial(jax.jit, static_argnums=0)
def fresh(plan: Plan, seed: UInt32[Array, ""], index: Int[Array, ""]) -> tuple[nnx.State, ...]:
    """The initial weights of one seed, and what else the model holds.

    A program for itself: as a part of a larger one it would round as the compiler likes it there,
    and weights would depend on how many devices there are.
    """
    model = plan.architecture.build(streams(seed, index).weights)
    return nnx.state(model, nnx.Param, nnx.Not(nnx.Param))


def weights(plan: Plan, problem: Problem, seeds: Int[np.ndarray, " rows"]) -> tuple[nnx.State, ...]:
    """The initial weights for each row."""
    there, rows = np.unique(seeds, return_inverse=True)
    each = [fresh(plan, problem.seed, np.int32(index)) for index in there]
    return jax.tree.map(lambda *leaves: np.stack(leaves)[rows], *each)


@partial(jax.jit, static_argnums=0)
def start(plan: Plan, rows: Rows, weights: tuple[nnx.State, ...]) -> TrainState:
    """Fresh networks, the same for all arms of a seed."""

    def of_arm(params: nnx.State, rest: nnx.State, recipe: Recipe) -> TrainState:
        best = Best(params, rest, jnp.float32(jnp.inf), jnp.int32(0)) if plan.held_out else ()
        return TrainState(params, rest, recipes.optimizer(recipe, _steps(plan)).init(params), best)

    def of_row(_: None, recipes: Recipe, weights: tuple[nnx.State, ...]) -> TrainState:
        params, rest = weights
        arms = len(recipes.rates)
        return jax.vmap(of_arm, (None, None, 0), axis_size=arms)(params, rest, recipes)

    return over_rows(of_row, None, rows.recipes, weights)


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
        own = streams(problem.seed, rows.seeds)
        epoch = partial(_epoch, plan, problem, own, rows.recipes)
        return lax.fori_loop(first, stop, epoch, state)

    return over_rows(of_row, (problem, first, stop), state, rows)


@partial(jax.jit, static_argnums=0)
def measure(
    plan: Plan, state: TrainState, problem: Problem, rows: Rows
) -> tuple[Metrics, dict[str, Array]]:
    """The metrics of every row and arm, and what the probe finds."""

    def of_row(problem: Problem, state: TrainState, rows: Rows) -> tuple[Metrics, dict[str, Array]]:
        key = streams(problem.seed, rows.seeds).masks
        of_arm = lambda state, recipe: _measure(plan, problem.data, key, state, recipe)  # noqa: E731
        return jax.vmap(of_arm)(state, rows.recipes)

    return over_rows(of_row, problem, state, rows)


def measured(plan: Plan, data: Dataset, recipe: Recipe) -> list[str]:
    """The names of all that is measured: the metrics, and what the probe finds in a network."""

    def probed(probe: Probe, key: Key[Array, ""]) -> dict[str, Array]:
        model = plan.architecture.build(key)
        params, rest = nnx.state(model, nnx.Param, nnx.Not(nnx.Param))
        return probe(Trained(plan.architecture, params, rest, recipe), data, key)

    key = jax.random.key(0)
    found = jax.eval_shape(partial(probed, plan.probe), key) if plan.probe is not None else {}
    return [*Metrics._fields, *found]


def block_ends(epochs: int, blocks: int = BLOCKS) -> list[int]:
    """After which epochs the metrics are taken."""
    blocks = min(epochs, blocks)
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


def _steps(plan: Plan) -> int:
    return plan.epochs * plan.steps_per_epoch


def _epoch(
    plan: Plan,
    problem: Problem,
    streams: Streams,
    recipe: Recipe,
    epoch: Int[Array, ""],
    state: TrainState,
) -> TrainState:
    """One pass over the shuffled training images."""
    x, y = problem.data.x_train, problem.data.y_train
    pictures = jax.random.fold_in(streams.images, epoch)

    def step(state: TrainState, batch: tuple[Array, Array]) -> tuple[TrainState, None]:
        index, chosen = batch
        progress = (epoch * plan.steps_per_epoch + index) / _steps(plan)
        keys = mask_key(streams, epoch, index), jax.random.fold_in(pictures, index)
        of_arm = partial(_step, plan, x[chosen], y[chosen], progress, *keys)
        return jax.vmap(of_arm)(state, recipe), None

    order = batches(plan, len(y) - plan.held_out, streams, epoch)
    new = lax.scan(step, state, (jnp.arange(plan.steps_per_epoch), order))[0]
    return jax.vmap(partial(_stop, plan, problem.data))(recipe, state, new)


def _step(
    plan: Plan,
    x: Float[Array, "batch *shape"],
    y: Int[Array, "batch *places"],
    progress: Float[Array, ""],
    masks: Key[Array, ""],
    pictures: Key[Array, ""],
    state: TrainState,
    recipe: Recipe,
) -> TrainState:
    """One step of one arm."""
    drop = Drop(plan.architecture.sites, recipes.rates_at(recipe, progress), masks, training=True)
    if plan.image is not None:
        x = augment(pictures, x, plan.image, recipe)

    def loss(params: nnx.State) -> tuple[Float[Array, ""], nnx.State]:
        model = plan.architecture.bind(params, state.rest)
        value = recipes.loss(recipe, model(x, drop), y)
        return value, nnx.state(model, nnx.Not(nnx.Param))

    gradient, rest = jax.grad(loss, has_aux=True)(state.params)
    update = recipes.optimizer(recipe, _steps(plan)).update
    updates, optimizer = update(gradient, state.optimizer, state.params)
    params = cast(nnx.State, optax.apply_updates(state.params, updates))
    return TrainState(params, rest, optimizer, state.best)


def _stop(
    plan: Plan, data: Dataset, recipe: Recipe, old: TrainState, new: TrainState
) -> TrainState:
    """Keeps the best network, and an arm that has run out of patience as it is."""
    if not isinstance(old.best, Best):
        return new
    held_out = slice(-plan.held_out, None)
    trained = Trained(plan.architecture, new.params, new.rest, recipe)
    x, y = jnp.asarray(data.x_train)[held_out], jnp.asarray(data.y_train)[held_out]
    loss = _scores(trained, x, y)[1].mean()
    best = Best(new.params, new.rest, loss, jnp.int32(0))
    kept = old.best._replace(since=old.best.since + 1)
    new = new._replace(best=_where(loss < kept.loss, best, kept))
    return _where((recipe.patience > 0) & (old.best.since >= recipe.patience), old, new)


def _where(condition: Any, one: T, other: T) -> T:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)


def _result(state: TrainState, recipe: Recipe) -> TrainState:
    """Of an arm that may stop early its best network, else the last."""
    if not isinstance(state.best, Best):
        return state
    params, rest = state.best[:2]
    return _where(recipe.patience > 0, state._replace(params=params, rest=rest), state)


def _measure(
    plan: Plan, data: Dataset, key: Key[Array, ""], state: TrainState, recipe: Recipe
) -> tuple[Metrics, dict[str, Array]]:
    """Mean accuracy and negative log-likelihood of one arm, on both halves of the data."""
    state = _result(state, recipe)
    trained = Trained(plan.architecture, state.params, state.rest, recipe)
    probed = {} if plan.probe is None else plan.probe(trained, data, key)
    x = jnp.concatenate([data.x_train, data.x_test])
    y = jnp.concatenate([data.y_train, data.y_test])
    scores, images = _scores(trained, x, y), len(data.y_train)
    train, test = (
        [s[part].mean() for s in scores] for part in (slice(images), slice(images, None))
    )
    return Metrics(*train, *test), probed


def _scores(trained: Trained, x: Array, y: Array) -> tuple[Array, Array]:
    """Whether each label is met, and its negative log-likelihood, without dropout.

    The parts are of one size, the last filled up from the first, so one compiled body fits all.
    """
    parts = -(-len(y) // MEASURED_AT_ONCE)
    size = -(-len(y) // parts)
    order = jnp.arange(parts * size) % len(y)

    def of_example(index: Int[Array, ""]) -> tuple[Array, Array]:
        logits, label = trained.logits(x[index]), y[index]
        nll = optax.softmax_cross_entropy_with_integer_labels(logits, label)
        return logits.argmax(-1) == label, nll

    hits, nll = lax.map(of_example, order, batch_size=size)
    return hits[: len(y)], nll[: len(y)]
