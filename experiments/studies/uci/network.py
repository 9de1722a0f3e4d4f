"""The network of the protocol: dropout before every layer, weights that are decayed."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

import jaxdrop

Params = list[tuple[Array, Array]]


class Numbers(NamedTuple):
    """What is traced: of each run the rate, and what stands before the parts of its penalty."""

    rate: Float[Array, "*runs"]
    decay: Float[Array, "*runs"]
    entropy: Float[Array, "*runs"]


class Network(NamedTuple):
    """How to begin, to predict, and what weights cost: functions of this file or of `concrete`."""

    init: Callable[[Key[Array, ""], tuple[int, ...], Array], Any]
    predict: Callable[[Any, Array, Array, Key[Array, ""]], Array]
    penalty: Callable[[Any, Numbers], Array]


def init(key: Key[Array, ""], sizes: tuple[int, ...], rate: Array) -> Params:
    """Glorot's uniform weights, biases of 0."""
    del rate
    glorot = jax.nn.initializers.glorot_uniform()
    pairs = list(itertools.pairwise(sizes))
    keys = jax.random.split(key, len(pairs))
    return [(glorot(key, pair), jnp.zeros(pair[1])) for key, pair in zip(keys, pairs, strict=True)]


def predict(params: Params, x: Array, rate: Array, key: Key[Array, ""]) -> Float[Array, " n"]:
    """One pass."""
    for layer, (kernel, bias) in enumerate(params):
        x = jax.nn.relu(x) if layer else x
        x = jaxdrop.dropout(jax.random.fold_in(key, layer), x, rate) @ kernel + bias[None]
    return x[:, 0]


def penalty(params: Params, numbers: Numbers) -> Float[Array, ""]:
    """On all kernels."""
    return numbers.decay * sum(jnp.square(kernel).sum() for kernel, _ in params)


DROPOUT = Network(init, predict, penalty)
