"""The compiled program that measures networks, without dropout."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int, Key

from experiments.data.images import Dataset
from experiments.training import devices
from experiments.training.keys import streams
from experiments.training.recipe import Recipe
from experiments.training.task import (
    Best,
    Metrics,
    Numbers,
    Plan,
    Problem,
    Rows,
    Trained,
    TrainState,
)

MEASURED_AT_ONCE = 500  # images, which bounds the memory of a measurement
T = TypeVar("T")


class Measurement(NamedTuple):
    """What is found of networks; each leaf begins with rows and arms."""

    metrics: Metrics
    probed: Mapping[str, Numbers] = {}
    images: Mapping[str, Numbers] = {}
    """Of each test image, what has such a value: by the names of the numbers that are its mean."""


@partial(jax.jit, static_argnums=0)
def measure(plan: Plan, state: TrainState, problem: Problem, rows: Rows) -> Measurement:
    """Of every row and arm."""

    def of_row(problem: Problem, state: TrainState, row: Rows) -> Measurement:
        key, data = streams(problem.seed, row.seeds).masks, problem.data.part(row.images)
        of_arm = lambda state, recipe: _measure(plan, data, key, state, recipe)  # noqa: E731
        return jax.vmap(of_arm)(state, row.recipes)

    return devices.over_rows(of_row, problem, state, rows)


def _measure(
    plan: Plan, data: Dataset, key: Key[Array, ""], state: TrainState, recipe: Recipe
) -> Measurement:
    """Accuracy and negative log-likelihood of one arm, on both halves of the data."""
    state = _result(state, recipe)
    trained = Trained(plan.architecture, state.params, state.rest, recipe)
    probed = {} if plan.probe is None else plan.probe(trained, data, key)
    x = jnp.concatenate([data.x_train, data.x_test])
    y = jnp.concatenate([data.y_train, data.y_test])
    found, size = scores(trained, x, y), len(data.y_train)
    train, test = ([values[part] for values in found] for part in (slice(size), slice(size, None)))
    images = dict(zip(Metrics._fields[2:], map(_of_images, test), strict=True))
    images |= {name: value for name, value in probed.items() if value.ndim}
    metrics = Metrics(*(values.mean() for values in (*train, *test)))
    return Measurement(metrics, {name: value.mean() for name, value in probed.items()}, images)


def _of_images(values: Array) -> Float[Array, " images"]:
    """Of a text, the mean over its places."""
    return values.reshape(len(values), -1).mean(1)


def _result(state: TrainState, recipe: Recipe) -> TrainState:
    """Of an arm that may stop early its best network, else the last."""
    if not isinstance(state.best, Best):
        return state
    params, rest = state.best[:2]
    return where(recipe.patience > 0, state._replace(params=params, rest=rest), state)


def scores(trained: Trained, x: Array, y: Array) -> tuple[Array, Array]:
    """Whether each label is met, and its negative log-likelihood, without dropout.

    Of real targets: the mean absolute and the mean squared error of each example.
    The parts are of one size, the last filled up from the first, so one compiled body fits all.
    """
    parts = -(-len(y) // MEASURED_AT_ONCE)
    size = -(-len(y) // parts)
    order = jnp.arange(parts * size) % len(y)

    def of_example(index: Int[Array, ""]) -> tuple[Array, Array]:
        logits, label = trained.logits(x[index]), y[index]
        if jnp.issubdtype(y.dtype, jnp.floating):
            error = logits - label
            return abs(error).mean(), (error**2).mean()
        nll = optax.softmax_cross_entropy_with_integer_labels(logits, label)
        return logits.argmax(-1) == label, nll

    hits, nll = lax.map(of_example, order, batch_size=size)
    return hits[: len(y)], nll[: len(y)]


def where(condition: Any, one: T, other: T) -> T:
    """Leaf by leaf the one or the other."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)
