"""Training steps of the size that an accelerator trains, in the data type that it trains in."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, BFloat16, Float32, Key

from experiments.bench.programs import Apply, Dtype

Step = Literal["mlp", "transformer"]
Tokens = BFloat16[Array, "*tokens width"]
Network = Callable[[Apply, Key[Array, ""], Any, Tokens], Tokens]

BATCH, LENGTH, WIDTH, HIDDEN, HEADS = 8, 1024, 1024, 4096, 16
DTYPE: Dtype = "bfloat16"
LEARNING_RATE = 0.01
MLP = ((WIDTH, HIDDEN), (HIDDEN, WIDTH))
ATTENTION = ((WIDTH, 3 * WIDTH), (WIDTH, WIDTH))
SHAPES: dict[Step, tuple[int, ...]] = {
    "mlp": (BATCH * LENGTH, WIDTH),
    "transformer": (BATCH, LENGTH, WIDTH),
}
WEIGHTS: dict[Step, tuple[tuple[int, int], ...]] = {"mlp": MLP * 2, "transformer": ATTENTION + MLP}


def mlp(dropout: Apply, key: Key[Array, ""], weights: Any, x: Tokens) -> Tokens:
    """Two blocks 1024-4096-1024, with dropout after the activation and after the second product."""
    keys = iter(jax.random.split(key, 4))
    for up, down in zip(weights[::2], weights[1::2], strict=True):
        hidden = dropout(next(keys), jax.nn.gelu(x @ up))
        x = dropout(next(keys), hidden @ down)
    return x


def transformer(dropout: Apply, key: Key[Array, ""], weights: Any, x: Tokens) -> Tokens:
    """Causal attention and an MLP, each normalised before and dropped before it is added."""
    mixing, joining, up, down = weights
    first, second = jax.random.split(key)
    heads = (BATCH, LENGTH, 3, HEADS, WIDTH // HEADS)
    query, keys, values = jnp.moveaxis((normalised(x) @ mixing).reshape(heads), 2, 0)
    mixed = jax.nn.dot_product_attention(query, keys, values, is_causal=True)
    x = x + dropout(first, mixed.reshape(x.shape) @ joining)
    return x + dropout(second, jax.nn.gelu(normalised(x) @ up) @ down)


def normalised(x: Tokens) -> Tokens:
    """Layer normalisation without parameters."""
    return jax.nn.standardize(x.astype(jnp.float32), epsilon=1e-6).astype(x.dtype)


NETWORKS: dict[Step, Network] = {"mlp": mlp, "transformer": transformer}


def program(name: Step, dropout: Apply) -> Callable[..., tuple[Any, Float32[Array, ""]]]:
    """One step of SGD on the mean square of the output: the new weights and the loss."""

    def loss(weights: Any, key: Key[Array, ""], x: Tokens) -> Float32[Array, ""]:
        y = NETWORKS[name](dropout, key, weights, x)
        return jnp.square(y.astype(jnp.float32)).mean()

    def step(key: Key[Array, ""], weights: Any, x: Tokens) -> tuple[Any, Float32[Array, ""]]:
        value, gradient = jax.value_and_grad(loss)(weights, key, x)
        return jax.tree.map(lambda w, g: w - LEARNING_RATE * g, weights, gradient), value

    return step


def inputs(name: Step) -> tuple[tuple[jax.ShapeDtypeStruct, ...], jax.ShapeDtypeStruct]:
    """Weights and data, as shapes."""
    array = partial(jax.ShapeDtypeStruct, dtype=jnp.dtype(DTYPE))
    return tuple(array(shape) for shape in WEIGHTS[name]), array(SHAPES[name])


def arguments(name: Step, generator: str) -> tuple[Any, ...]:
    """A key of that generator, and random weights and data."""
    shapes = inputs(name)
    own = iter(jax.random.split(jax.random.key(0), len(jax.tree.leaves(shapes))))
    scaled = lambda x: jax.random.normal(next(own), x.shape, x.dtype) / x.shape[-2] ** 0.5  # noqa: E731
    return jax.random.key(0, impl=generator), *jax.tree.map(scaled, shapes)
