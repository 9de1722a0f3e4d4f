"""The compiled program that measures networks, without dropout."""

from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax
from jaxtyping import Array, Int, Key

from experiments.data.images import Dataset
from experiments.training import devices
from experiments.training.keys import streams
from experiments.training.recipe import Recipe
from experiments.training.task import Best, Metrics, Plan, Probe, Problem, Rows, Trained, TrainState

MEASURED_AT_ONCE = 500  # images, which bounds the memory of a measurement
T = TypeVar("T")


@partial(jax.jit, static_argnums=0)
def measure(
    plan: Plan, state: TrainState, problem: Problem, rows: Rows
) -> tuple[Metrics, dict[str, Array]]:
    """The metrics of every row and arm, and what the probe finds."""

    def of_row(problem: Problem, state: TrainState, rows: Rows) -> tuple[Metrics, dict[str, Array]]:
        key = streams(problem.seed, rows.seeds).masks
        of_arm = lambda state, recipe: _measure(plan, problem.data, key, state, recipe)  # noqa: E731
        return jax.vmap(of_arm)(state, rows.recipes)

    return devices.over_rows(of_row, problem, state, rows)


def measured(plan: Plan, data: Dataset, recipe: Recipe) -> list[str]:
    """The names of all that is measured: the metrics, and what the probe finds in a network."""

    def probed(probe: Probe, key: Key[Array, ""]) -> dict[str, Array]:
        model = plan.architecture.build(key)
        params, rest = nnx.state(model, nnx.Param, nnx.Not(nnx.Param))
        return probe(Trained(plan.architecture, params, rest, recipe), data, key)

    key = jax.random.key(0)
    found = jax.eval_shape(partial(probed, plan.probe), key) if plan.probe is not None else {}
    return [*Metrics._fields, *found]


def _measure(
    plan: Plan, data: Dataset, key: Key[Array, ""], state: TrainState, recipe: Recipe
) -> tuple[Metrics, dict[str, Array]]:
    """Mean accuracy and negative log-likelihood of one arm, on both halves of the data."""
    state = _result(state, recipe)
    trained = Trained(plan.architecture, state.params, state.rest, recipe)
    probed = {} if plan.probe is None else plan.probe(trained, data, key)
    x = jnp.concatenate([data.x_train, data.x_test])
    y = jnp.concatenate([data.y_train, data.y_test])
    found, images = scores(trained, x, y), len(data.y_train)
    train, test = (
        [values[part].mean() for values in found] for part in (slice(images), slice(images, None))
    )
    return Metrics(*train, *test), probed


def _result(state: TrainState, recipe: Recipe) -> TrainState:
    """Of an arm that may stop early its best network, else the last."""
    if not isinstance(state.best, Best):
        return state
    params, rest = state.best[:2]
    return where(recipe.patience > 0, state._replace(params=params, rest=rest), state)


def scores(trained: Trained, x: Array, y: Array) -> tuple[Array, Array]:
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


def where(condition: Any, one: T, other: T) -> T:
    """Leaf by leaf the one or the other."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)
