"""The compiled programs of training: fresh networks, and epochs.

Arms are vmapped. Rows (see chunks.py) are shared out over the devices; an accelerator vmaps its
own, a CPU maps them one after another, which takes a third of the time and half of the memory
there. Whatever is set by a number (rates, learning rate, weight decay, seed) is an argument that is
traced, so a program is compiled once.
"""

from functools import partial
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax
from jaxtyping import Array, Float, Int, Key, UInt32

from experiments.data.images import Dataset
from experiments.models import Drop
from experiments.training import devices
from experiments.training import recipe as recipes
from experiments.training.augment import augment
from experiments.training.evaluate import scores, where
from experiments.training.keys import Streams, batches, mask_key, streams
from experiments.training.recipe import Recipe
from experiments.training.task import Best, Plan, Problem, Rows, Trained, TrainState


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

    return devices.over_rows(of_row, None, rows.recipes, weights)


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
        epoch = partial(_epoch, plan, problem.data, own, rows)
        return lax.fori_loop(first, stop, epoch, state)

    return devices.over_rows(of_row, (problem, first, stop), state, rows)


def _steps(plan: Plan) -> int:
    return plan.epochs * plan.steps_per_epoch


def _epoch(
    plan: Plan, data: Dataset, streams: Streams, row: Rows, epoch: Int[Array, ""], state: TrainState
) -> TrainState:
    """One pass over the shuffled training images."""
    x, y, images = data.x_train, data.y_train, jnp.asarray(row.images)
    pictures = jax.random.fold_in(streams.images, epoch)

    def step(state: TrainState, batch: tuple[Array, Array]) -> tuple[TrainState, None]:
        index, chosen = batch[0], images[batch[1]]
        progress = (epoch * plan.steps_per_epoch + index) / _steps(plan)
        keys = mask_key(streams, epoch, index), jax.random.fold_in(pictures, index)
        of_arm = partial(_step, plan, x[chosen], y[chosen], progress, *keys)
        return jax.vmap(of_arm)(state, row.recipes), None

    order = batches(plan, streams, epoch)
    new = lax.scan(step, state, (jnp.arange(plan.steps_per_epoch), order))[0]
    held_out = data.part(images[plan.train_size - plan.held_out :])
    return jax.vmap(partial(_stop, plan, held_out))(row.recipes, state, new)


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
    plan: Plan, held_out: Dataset, recipe: Recipe, old: TrainState, new: TrainState
) -> TrainState:
    """Keeps the best network, and an arm that has run out of patience as it is."""
    if not isinstance(old.best, Best):
        return new
    trained = Trained(plan.architecture, new.params, new.rest, recipe)
    loss = scores(trained, *map(jnp.asarray, held_out[:2]))[1].mean()
    best = Best(new.params, new.rest, loss, jnp.int32(0))
    kept = old.best._replace(since=old.best.since + 1)
    new = new._replace(best=where(loss < kept.loss, best, kept))
    return where((recipe.patience > 0) & (old.best.since >= recipe.patience), old, new)
