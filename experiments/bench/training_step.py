"""The dropout tax: what dropout adds to a whole training step."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32, Key

from experiments.bench.programs import Apply, Program, compile_program

WIDTHS = (784, 1024, 1024, 10)
LEARNING_RATE = 0.01

Params = list[tuple[Float32[Array, "inputs outputs"], Float32[Array, "1 outputs"]]]


class Batch(NamedTuple):
    """Images and their classes."""

    images: Float32[Array, "batch pixels"]
    classes: Int32[Array, "batch"]


def programs(dropouts: dict[str, Apply], batch: int, platform: str) -> dict[str, Program]:
    """A compiled step for each dropout, all on the same parameters and images."""
    arguments = inputs(batch)
    return {
        name: compile_program(partial(step, dropout), arguments, platform)
        for name, dropout in dropouts.items()
    }


def inputs(batch: int) -> tuple[Key[Array, ""], Params, Batch]:
    """The runtime arguments of a step."""
    key, *layers, images, classes = jax.random.split(jax.random.key(0), len(WIDTHS) + 2)
    params = [
        (jax.random.normal(k, (m, n)) * (2 / m) ** 0.5, jnp.zeros((1, n)))
        for k, m, n in zip(layers, WIDTHS[:-1], WIDTHS[1:], strict=True)
    ]
    pixels = jax.random.uniform(images, (batch, WIDTHS[0]))
    return key, params, Batch(pixels, jax.random.randint(classes, (batch,), 0, WIDTHS[-1]))


def step(
    dropout: Apply, key: Key[Array, ""], params: Params, batch: Batch
) -> tuple[Params, Float32[Array, ""]]:
    """One step of SGD: the new parameters and the loss."""
    value, gradient = jax.value_and_grad(loss, argnums=2)(dropout, key, params, batch)
    return jax.tree.map(lambda p, g: p - LEARNING_RATE * g, params, gradient), value


def loss(dropout: Apply, key: Key[Array, ""], params: Params, batch: Batch) -> Float32[Array, ""]:
    """Mean cross entropy of the network, with dropout after each hidden layer."""
    *hidden, (weights, bias) = params
    x = batch.images
    for k, (w, b) in zip(jax.random.split(key, len(hidden)), hidden, strict=True):
        x = dropout(k, jax.nn.relu(x @ w + b))
    scores = jax.nn.log_softmax(x @ weights + bias)
    return -jnp.take_along_axis(scores, batch.classes[:, None], axis=1).mean()
