"""The networks: dropout behind each hidden layer, a loss for classes and one for numbers.

And the classic picture: a regression in one dimension, sure at its data and unsure away from them.
Masks are tied over its inputs, so that a sample is a function, and its plot a line.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key

import jaxdrop
from experiments.models import layers
from experiments.models.layers import Layers, forward
from experiments.training.fit import Batch, Plan, fit, sampling_key
from experiments.training.sweep import Tick
from jaxdrop import montecarlo

Rate = Float[Array, ""]
EDGES = (-2.5, -0.7, 0.7, 2.5)  # there are data from the first to the second, and third to fourth
GRID = np.linspace(-6, 6, 241, dtype=np.float32)
RATE, POINTS, NOISE = 0.1, 80, 0.1


def init(key: Key[Array, ""], sizes: tuple[int, ...], rate: Rate) -> Layers:
    """He's initial weights."""
    del rate
    return layers.init(jax.nn.initializers.he_uniform(), key, sizes)


def predict(
    params: Layers, x: Array, rate: Rate, key: Key[Array, ""] | None = None, tied: bool = False
) -> Float[Array, "n outputs"]:
    """One pass, with dropout if there is a key.

    Tied masks are the same for all rows: then one key stands for one function.
    """

    def drop(layer: int, x: Array) -> Array:
        if key is None or layer == 0:
            return x
        own = jax.random.fold_in(key, layer)
        return jaxdrop.dropout(own, x, rate, broadcast_dims=(0,) if tied else ())

    return forward(params, x, drop)


def cross_entropy(
    params: Layers, rate: Rate, batch: Batch, key: Key[Array, ""]
) -> Float[Array, ""]:
    """For classes."""
    logits = predict(params, batch.x, rate, key)
    return optax.softmax_cross_entropy_with_integer_labels(logits, batch.y).mean()


def squared_error(
    params: Layers, rate: Rate, batch: Batch, key: Key[Array, ""]
) -> Float[Array, ""]:
    """For numbers."""
    return jnp.square(predict(params, batch.x, rate, key)[:, 0] - batch.y).mean()


PLAN = Plan(init, squared_error, (1, 100, 100, 1), 20, POINTS // 20)


class Curves(NamedTuple):
    """Data, and for each arm the functions on `GRID`."""

    x: Float[np.ndarray, " points"]
    y: Float[np.ndarray, " points"]
    functions: dict[str, Float[np.ndarray, "functions grid"]]


def curves(
    key: Key[Array, ""], members: int, samples: int, epochs: int, tick: Tick = lambda _: None
) -> Curves:
    """Trains `members` networks; the first is sampled, all are the ensemble."""
    rng = np.random.default_rng(0)
    x = rng.uniform(EDGES[2], EDGES[3], POINTS) * np.where(np.arange(POINTS) % 2, 1, -1)
    y = np.sin(2 * x) + 0.3 * x + NOISE * rng.normal(size=POINTS)
    x, y = x.astype(np.float32), y.astype(np.float32)
    shared = jnp.float32(RATE), jnp.asarray(x[:, None]), jnp.asarray(y)
    networks = fit(PLAN, epochs, shared, jax.random.split(key, members), tick=tick)
    drawn, each = map(np.asarray, _functions(networks, key, samples))
    return Curves(x, y, {"MC dropout": drawn, "ensemble": each})


@partial(jax.jit, static_argnames="samples")
def _functions(networks: Layers, key: Key[Array, ""], samples: int) -> tuple[Array, Array]:
    first, grid = jax.tree.map(lambda leaf: leaf[0], networks), jnp.asarray(GRID[:, None])
    drawn = montecarlo.sample(sampling_key(key), partial(_function, first, grid), samples)
    return drawn, jax.vmap(_function, (0, None))(networks, grid)


def growth(functions: Float[np.ndarray, "functions grid"]) -> float:
    """How many times wider the functions spread two units away from all data than among them."""
    spread, there = functions.std(0), abs(GRID)
    away = abs(there - EDGES[-1] - 2) < 0.1
    among = (EDGES[2] <= there) & (there <= EDGES[3])
    return float(spread[away].mean() / spread[among].mean())


def _function(
    params: Layers, grid: Array, key: Key[Array, ""] | None = None
) -> Float[Array, " grid"]:
    return predict(params, grid, jnp.float32(RATE), key, tied=True)[:, 0]
