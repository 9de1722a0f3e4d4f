"""The classic picture: a regression in one dimension, sure at its data and unsure away from them.

Masks are tied over the inputs, so that a sample is a function, and its plot a line.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from experiments.models.layers import Layers
from experiments.studies.uncertainty import network
from experiments.training.fit import Plan, fit, sampling_key
from experiments.training.sweep import Tick
from jaxdrop import montecarlo

EDGES = (-2.5, -0.7, 0.7, 2.5)  # there are data from the first to the second, and third to fourth
GRID = np.linspace(-6, 6, 241, dtype=np.float32)
RATE, POINTS, NOISE = 0.1, 80, 0.1
PLAN = Plan(network.init, network.squared_error, (1, 100, 100, 1), 20, POINTS // 20)


class Curves(NamedTuple):
    """Data, and for each arm the functions on `GRID`."""

    x: Float[np.ndarray, " points"]
    y: Float[np.ndarray, " points"]
    functions: dict[str, Float[np.ndarray, "functions grid"]]


def curves(
    key: Key[Array, ""], members: int, samples: int, epochs: int, tick: Tick = lambda _: None
) -> Curves:
    """Trains `members` networks; the first is sampled, all are the ensemble."""
    x, y = _data()
    shared = jnp.float32(RATE), jnp.asarray(x[:, None]), jnp.asarray(y)
    networks = fit(PLAN, epochs, shared, jax.random.split(key, members), tick=tick)
    first, grid = jax.tree.map(lambda leaf: leaf[0], networks), jnp.asarray(GRID[:, None])
    drawn = montecarlo.sample(sampling_key(key), partial(_function, first, grid), samples)
    each = jax.vmap(_function, (0, None))(networks, grid)
    return Curves(x, y, {"MC dropout": np.asarray(drawn), "ensemble": np.asarray(each)})


def growth(functions: Float[np.ndarray, "functions grid"]) -> float:
    """How many times wider the functions spread two units away from all data than among them."""
    spread = functions.std(0)
    away = abs(abs(GRID) - EDGES[-1] - 2) < 0.1
    return float(spread[away].mean() / spread[_among(GRID)].mean())


def _function(
    params: Layers, grid: Array, key: Key[Array, ""] | None = None
) -> Float[Array, " grid"]:
    return network.predict(params, grid, jnp.float32(RATE), key, tied=True)[:, 0]


def _data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.uniform(EDGES[2], EDGES[3], POINTS) * np.where(np.arange(POINTS) % 2, 1, -1)
    y = np.sin(2 * x) + 0.3 * x + NOISE * rng.normal(size=POINTS)
    return x.astype(np.float32), y.astype(np.float32)


def _among(x: np.ndarray) -> np.ndarray:
    return (EDGES[2] <= abs(x)) & (abs(x) <= EDGES[3])
