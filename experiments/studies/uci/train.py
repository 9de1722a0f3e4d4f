"""Training of all splits and seeds of a set at once.

Splits and seeds are vmapped, and shared out over the devices; rate, precision and regulariser are
traced, and can differ from split to split, so other values of theirs compile nothing.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int, Key

from experiments.studies.uci.data import Splits
from experiments.studies.uci.network import DROPOUT, Network, Numbers
from experiments.studies.uci.protocol import Hyperparameters, Protocol
from experiments.studies.uci.score import Result, score
from experiments.training.inputs import Inputs, of_networks

ADAM = optax.adam(1e-3, eps=1e-8)


def run(
    splits: Splits,
    protocol: Protocol,
    chosen: Hyperparameters,
    keys: Key[Array, " seeds"],
    samples: int,
    network: Network = DROPOUT,
) -> Result:
    """Trains, samples and scores."""
    (count, _), seeds = splits.y_train.shape, len(keys)
    keys = _of_splits(keys, count)
    rows = jax.tree.map(lambda leaf: np.repeat(leaf, seeds, axis=0), splits)  # seeds of a split
    each = Hyperparameters(*(np.repeat(np.broadcast_to(n, count), seeds) for n in chosen))
    numbers, epochs = _numbers(rows, each), jnp.int32(protocol.epochs)
    plan = (network, protocol.hidden, protocol.batch_size)
    params = fit(plan, numbers, epochs, keys.ravel(), *rows[:2])
    return score(keys[0, 0], network.predict, params, rows, each, (count, seeds), samples)


def inputs(problem: tuple[Splits, Protocol, Hyperparameters, Key[Array, " seeds"], int]) -> Inputs:
    """Digests of what `run` starts from."""
    splits, protocol, _, keys, _ = problem
    _, images, features = splits.x_train.shape
    own = _of_splits(keys, len(splits.mean)).ravel()
    return of_networks(splits, own, images, protocol.batch_size, (features, *protocol.hidden))


def _of_splits(keys: Key[Array, " seeds"], count: int) -> Key[Array, "splits seeds"]:
    return jax.vmap(lambda key: jax.random.split(key, count), out_axes=1)(keys)


def _numbers(rows: Splits, each: Hyperparameters) -> Numbers:
    """The regulariser of the protocol, and that of learned rates in the unit of the loss."""
    size = rows.y_train.shape[1]
    decay = each.weight_reg * (1 - each.rate) / (2 * size * each.precision)
    entropy = 2 / (size * each.precision * rows.scale[:, 0] ** 2)
    return Numbers(*(jnp.asarray(part, jnp.float32) for part in (each.rate, decay, entropy)))


@partial(jax.jit, static_argnums=0)
def fit(
    plan: tuple[Network, tuple[int, ...], int],
    numbers: Numbers,
    epochs: Int[Array, ""],
    keys: Key[Array, " runs"],
    x: Float[Array, "runs train features"],
    y: Float[Array, "runs train"],
) -> Any:
    """The trained weights of all runs, for a network, its hidden layers and a size of batches."""
    network, hidden, batch_size = plan

    def of_run(epochs: Array, numbers: Numbers, key: Array, x: Array, y: Array) -> Any:
        weights, batches, masks = jax.random.split(key, 3)
        params = network.init(weights, (x.shape[1], *hidden, 1), numbers.rate)

        def epoch(index: Array, state: Any) -> Any:
            order = _batches(jax.random.fold_in(batches, index), len(y), batch_size)
            step = partial(_step, network, numbers, jax.random.fold_in(masks, index), x, y)
            return lax.scan(step, state, (jnp.arange(len(order)), order))[0]

        return lax.fori_loop(0, epochs, epoch, (params, ADAM.init(params)))[0]

    used = math.gcd(len(keys), jax.device_count())
    mesh, runs = Mesh(np.array(jax.devices()[:used]), "runs"), PartitionSpec("runs")
    specs = {"in_specs": (PartitionSpec(), runs, runs, runs, runs), "out_specs": runs}
    each = jax.vmap(of_run, (None, 0, 0, 0, 0))
    return jax.shard_map(each, mesh=mesh, check_vma=False, **specs)(epochs, numbers, keys, x, y)


def _batches(key: Key[Array, ""], size: int, batch_size: int) -> Int[Array, "steps batch"]:
    """A shuffled pass; the last batch is filled with `size`, which stands for nothing."""
    order = jax.random.permutation(key, size)
    return jnp.pad(order, (0, -size % batch_size), constant_values=size).reshape(-1, batch_size)


def _step(
    network: Network,
    numbers: Numbers,
    key: Key[Array, ""],
    x: Array,
    y: Array,
    state: Any,
    batch: Any,
) -> tuple[Any, None]:
    (params, optimizer), (index, rows) = state, batch
    present = (rows < len(y)).astype(x.dtype)

    def loss(params: Any) -> Float[Array, ""]:
        own = jax.random.fold_in(key, index)
        errors = network.predict(params, x[rows], numbers.rate, own) - y[rows]
        squares = (present @ jnp.square(errors)) / present.sum()
        return squares + network.penalty(params, numbers)

    updates, optimizer = ADAM.update(jax.grad(loss)(params), optimizer)
    return (optax.apply_updates(params, updates), optimizer), None
