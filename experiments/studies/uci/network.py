"""The network of the protocol, with dropout before every layer; and the one that learns its rates.

Rate, precision and regulariser are traced, and can differ from split to split.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

import jaxdrop
from experiments.models import layers
from experiments.models.layers import Layers, forward
from experiments.training.fit import Batch

Rng = Key[Array, ""]


class Numbers(NamedTuple):
    """Of each network the rate, and what stands before the parts of its penalty."""

    rate: Float[Array, "*networks"]
    decay: Float[Array, "*networks"]
    entropy: Float[Array, "*networks"]


class Concrete(NamedTuple):
    """Weights, and log(p / (1 - p)) of each layer's rate p."""

    layers: Layers
    logits: Float[Array, " layers"]


class Network(NamedTuple):
    """How to begin, to predict, and what weights cost."""

    init: Callable[[Rng, tuple[int, ...], Numbers], Any]
    predict: Callable[[Any, Array, Array, Rng], Array]
    penalty: Callable[[Any, Numbers], Array]

    def loss(self, params: Any, numbers: Numbers, batch: Batch, key: Rng) -> Float[Array, ""]:
        """Mean squared error of the examples that are there, and the penalty."""
        errors = self.predict(params, batch.x, numbers.rate, key) - batch.y
        squares = (batch.present @ jnp.square(errors)) / batch.present.sum()
        return squares + self.penalty(params, numbers)

    def one_pass(
        self, params: Any, x: Array, rate: Array, mean: Array, scale: Array, key: Rng
    ) -> Float[Array, "networks test"]:
        """Of every network, in the target's unit."""
        keys = jax.random.split(key, len(x))
        return mean + scale * jax.vmap(self.predict)(params, x, rate, keys)


def _init(key: Rng, sizes: tuple[int, ...], numbers: Numbers) -> Layers:
    del numbers
    return layers.init(jax.nn.initializers.glorot_uniform(), key, sizes)


def _predict(params: Layers, x: Array, rate: Array, key: Rng) -> Float[Array, " n"]:
    def drop(layer: int, x: Array) -> Array:
        return jaxdrop.dropout(jax.random.fold_in(key, layer), x, rate)

    return forward(params, x, drop)[:, 0]


def _penalty(params: Layers, numbers: Numbers) -> Float[Array, ""]:
    return numbers.decay * sum(jnp.square(kernel).sum() for kernel, _ in params)


def _init_rates(key: Rng, sizes: tuple[int, ...], numbers: Numbers) -> Concrete:
    """Weights as without learned rates; all rates begin at the one given."""
    params = _init(key, sizes, numbers)
    return Concrete(params, jnp.full(len(params), jax.scipy.special.logit(numbers.rate)))


def _predict_by_rates(params: Concrete, x: Array, rate: Array, key: Rng) -> Float[Array, " n"]:
    """One pass; the rates stand in the parameters."""
    del rate

    def drop(layer: int, x: Array) -> Array:
        return jaxdrop.concrete_dropout(jax.random.fold_in(key, layer), x, params.logits[layer])

    return forward(params.layers, x, drop)[:, 0]


def _penalty_of_rates(params: Concrete, numbers: Numbers) -> Float[Array, ""]:
    """Of each layer what its weights and its certainty cost."""
    costs = [
        jaxdrop.concrete_regularizer(
            logit, kernel, input_dim=len(kernel),
            weight_regularizer=numbers.decay, dropout_regularizer=numbers.entropy,
        )
        for logit, (kernel, _) in zip(params.logits, params.layers, strict=True)
    ]  # fmt: skip
    return jnp.stack(costs).sum()


DROPOUT = Network(_init, _predict, _penalty)
CONCRETE = Network(_init_rates, _predict_by_rates, _penalty_of_rates)
