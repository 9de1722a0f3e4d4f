"""A perceptron as bare arrays, a kernel and a bias a layer: thousands of them train at once."""

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

Layers = list[tuple[Array, Array]]


def init(
    initializer: jax.nn.initializers.Initializer, key: Key[Array, ""], sizes: tuple[int, ...]
) -> Layers:
    """Random kernels, biases of 0."""
    pairs = list(itertools.pairwise(sizes))
    keys = jax.random.split(key, len(pairs))
    return [
        (initializer(key, pair), jnp.zeros(pair[1])) for key, pair in zip(keys, pairs, strict=True)
    ]


def forward(
    layers: Layers, x: Float[Array, "n inputs"], drop: Callable[[int, Array], Array]
) -> Float[Array, "n outputs"]:
    """One pass; of what a layer is given, `drop` leaves a part."""
    for layer, (kernel, bias) in enumerate(layers):
        x = jax.nn.relu(x) if layer else x
        x = drop(layer, x) @ kernel + bias[None]
    return x
