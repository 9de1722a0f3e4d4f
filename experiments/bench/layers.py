"""A model of twelve attention layers, scanned and rematerialised: what its training step holds."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

import jaxdrop.nnx
from experiments.bench.attention import FEATURES, HEADS, RATE
from experiments.bench.measure import Row, Tick

LAYERS, WIDTH = 12, HEADS * FEATURES
LEARNING_RATE = 0.01
ATTENDS: dict[str, Callable[..., Array]] = {
    "jaxdrop": jaxdrop.nnx.dot_product_attention,
    "flax-nnx": nnx.dot_product_attention,
}
"""Both draw a mask for each example and head."""


class Layer(nnx.Module):
    """Attention, added to what it reads."""

    def __init__(self, attend: Callable[..., Array], rngs: nnx.Rngs) -> None:
        """Takes a function of query, keys and values, as Flax's attention does."""
        options: dict[str, Any] = {"dropout_rate": RATE, "broadcast_dropout": False}
        options |= {"deterministic": False, "decode": False, "attention_fn": attend}
        self.norm = nnx.LayerNorm(WIDTH, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(HEADS, WIDTH, **options, rngs=rngs)

    def __call__(self, x: Float[Array, "batch tokens width"]) -> Array:
        """The same shape."""
        return x + self.attention(self.norm(x))


def stacked(attend: Callable[..., Array], rngs: nnx.Rngs) -> Layer:
    """Twelve layers as one, whose weights and keys begin with the layers."""
    build = nnx.vmap(partial(Layer, attend))
    return nnx.split_rngs(splits=LAYERS)(build)(rngs)


@partial(nnx.scan, in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
@nnx.remat
def run(x: Array, layer: Layer) -> Array:
    """One layer after the other."""
    return layer(x)


def step(layers: Layer, x: Float[Array, "batch tokens width"]) -> Float[Array, ""]:
    """One step of SGD on the mean square of the output."""

    def loss(layers: Layer) -> Float[Array, ""]:
        return jnp.square(run(x, layers)).mean()

    value, gradient = nnx.value_and_grad(loss)(layers)
    weights = nnx.state(layers, nnx.Param)
    nnx.update(layers, jax.tree.map(lambda w, g: w - LEARNING_RATE * g, weights, gradient))
    return value


def rows(length: int, tick: Tick) -> list[Row]:
    """One row an attention: what its compiled step needs beside the weights and the tokens."""
    found: dict[str, float] = {}
    for name, attend in ATTENDS.items():
        found[name] = temporary_bytes(attend, length) / 2**20
        tick()
    flax = found["flax-nnx"]
    return [
        {"length": length, "candidate": name, "mebibytes": own, "times_flax": own / flax}
        for name, own in found.items()
    ]


def temporary_bytes(attend: Callable[..., Array], length: int) -> int:
    """Of the step, compiled for one sequence and not run."""
    layers = nnx.eval_shape(lambda: stacked(attend, nnx.Rngs(0)))
    x = jax.ShapeDtypeStruct((1, length, WIDTH), jnp.float32)
    analysis: Any = nnx.jit(step).lower(layers, x).compile().memory_analysis()
    return analysis.temp_size_in_bytes
