"""Many small networks, trained by one compiled program.

A device trains its share one after another, which on a CPU is faster than vmapping them; the rate
is traced, so another one compiles nothing.
"""

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int, Key

import jaxdrop

Params = list[tuple[Array, Array]]
Loss = Callable[[Array, Array], Array]
ADAM = optax.adam(1e-3)


class Plan(NamedTuple):
    """What fixes the compiled program: sizes of all layers, length of the training, the loss."""

    sizes: tuple[int, ...]
    epochs: int
    batch_size: int
    loss: Loss


def cross_entropy(outputs: Float[Array, "n classes"], y: Int[Array, " n"]) -> Float[Array, ""]:
    """For classes."""
    return optax.softmax_cross_entropy_with_integer_labels(outputs, y).mean()


def squared_error(outputs: Float[Array, "n 1"], y: Float[Array, " n"]) -> Float[Array, ""]:
    """For numbers."""
    return jnp.square(outputs[:, 0] - y).mean()


def predict(
    params: Params, x: Array, rate: Array, key: Key[Array, ""] | None = None, tied: bool = False
) -> Float[Array, "n outputs"]:
    """One pass, with dropout behind each hidden layer if there is a key.

    Tied masks are the same for all rows: then one key stands for one function.
    """
    for layer, (kernel, bias) in enumerate(params):
        if layer:
            x = jax.nn.relu(x)
        if layer and key is not None:
            own = jax.random.fold_in(key, layer)
            x = jaxdrop.dropout(own, x, rate, broadcast_dims=(0,) if tied else ())
        x = x @ kernel + bias[None]
    return x


@partial(jax.jit, static_argnums=0)
def fit(
    plan: Plan,
    keys: Key[Array, " networks"],
    x: Float[Array | np.ndarray, "n inputs"],
    y: Array | np.ndarray,
    rate: Float[Array, ""],
) -> Params:
    """The trained weights; every leaf begins with the networks."""

    def of_network(data: tuple[Array, Array, Array], key: Key[Array, ""]) -> Params:
        weights, batches, masks = jax.random.split(key, 3)
        params = _init(weights, plan.sizes)
        epoch = partial(_epoch, plan, data, batches, masks)
        return lax.fori_loop(0, plan.epochs, epoch, (params, ADAM.init(params)))[0]

    def of_share(data: tuple[Array, Array, Array], keys: Key[Array, " share"]) -> Params:
        return lax.map(partial(of_network, data), keys)

    used = math.gcd(len(keys), jax.device_count())
    mesh = Mesh(np.array(jax.devices()[:used]), "networks")
    specs = {"in_specs": (PartitionSpec(), PartitionSpec("networks")),
             "out_specs": PartitionSpec("networks")}  # fmt: skip
    data = (jnp.asarray(x), jnp.asarray(y), rate)
    return jax.shard_map(of_share, mesh=mesh, check_vma=False, **specs)(data, keys)


def _init(key: Key[Array, ""], sizes: tuple[int, ...]) -> Params:
    """He's initial weights, and biases of 0."""
    he = jax.nn.initializers.he_uniform()
    pairs = list(itertools.pairwise(sizes))
    keys = jax.random.split(key, len(pairs))
    return [(he(key, pair), jnp.zeros(pair[1])) for key, pair in zip(keys, pairs, strict=True)]


def _epoch(plan: Plan, data: Any, batches: Array, masks: Array, index: Array, state: Any) -> Any:
    """One pass over the shuffled rows, in whole batches."""
    x, y, rate = data
    steps = len(y) // plan.batch_size
    order = jax.random.permutation(jax.random.fold_in(batches, index), len(y))
    rows = order[: steps * plan.batch_size].reshape(steps, plan.batch_size)
    key = jax.random.fold_in(masks, index)

    def step(state: Any, batch: tuple[Array, Array]) -> tuple[Any, None]:
        (params, optimizer), (number, rows) = state, batch
        own = jax.random.fold_in(key, number)
        gradient = jax.grad(lambda p: plan.loss(predict(p, x[rows], rate, own), y[rows]))(params)
        updates, optimizer = ADAM.update(gradient, optimizer)
        return (optax.apply_updates(params, updates), optimizer), None

    return lax.scan(step, state, (jnp.arange(steps), rows))[0]
