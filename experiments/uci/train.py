"""Training of all splits and seeds of a set at once, and their samples.

Splits and seeds are vmapped, and shared out over the devices; rate, precision and regulariser are
traced, so other values of theirs compile nothing.
"""

import itertools
import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int, Key

import jaxdrop
from experiments.uci.data import Splits
from experiments.uci.protocol import Hyperparameters, Protocol
from jaxdrop import montecarlo

BLOCK = 500  # samples that are held at once
_SAMPLING = 0x5341_4D50  # "SAMP": keeps keys of samples apart from those of the training
Params = list[tuple[Array, Array]]
State = tuple[Params, optax.OptState]
ADAM = optax.adam(1e-3, eps=1e-8)


class Result(NamedTuple):
    """Of each split and seed; likelihoods after each block of samples."""

    rmse: Float[np.ndarray, "splits seeds"]
    log_likelihood: Float[np.ndarray, "blocks splits seeds"]
    samples: list[int]


class Numbers(NamedTuple):
    """What is traced."""

    rate: Float[Array, ""]
    decay: Float[Array, ""]
    epochs: Int[Array, ""]


def run(
    splits: Splits,
    protocol: Protocol,
    chosen: Hyperparameters,
    keys: Key[Array, " seeds"],
    samples: int,
) -> Result:
    """Trains, samples and scores."""
    (count, size), seeds = splits.y_train.shape, len(keys)
    keys = jax.vmap(lambda key: jax.random.split(key, count), out_axes=1)(keys)
    rows = jax.tree.map(lambda leaf: np.repeat(leaf, seeds, axis=0), splits)  # seeds of a split
    decay = chosen.weight_reg * (1 - chosen.rate) / (2 * size * chosen.precision)
    numbers = Numbers(jnp.float32(chosen.rate), jnp.float32(decay), jnp.int32(protocol.epochs))
    params = fit(protocol.hidden, protocol.batch_size, numbers, keys.ravel(), *rows[:2])
    return _score(keys[0, 0], params, rows, chosen, (count, seeds), samples)


@partial(jax.jit, static_argnums=(0, 1))
def fit(
    hidden: tuple[int, ...],
    batch_size: int,
    numbers: Numbers,
    keys: Key[Array, " runs"],
    x: Float[Array, "runs train features"],
    y: Float[Array, "runs train"],
) -> Params:
    """The trained weights of all runs."""

    def of_run(key: Key[Array, ""], x: Array, y: Array) -> Params:
        weights, batches, masks = jax.random.split(key, 3)
        params = _init(weights, (x.shape[1], *hidden, 1))

        def epoch(index: Array, state: State) -> State:
            order = _batches(jax.random.fold_in(batches, index), len(y), batch_size)
            step = partial(_step, numbers, jax.random.fold_in(masks, index), x, y)
            return lax.scan(step, state, (jnp.arange(len(order)), order))[0]

        return lax.fori_loop(0, numbers.epochs, epoch, (params, ADAM.init(params)))[0]

    used = math.gcd(len(keys), jax.device_count())
    mesh, spec = Mesh(np.array(jax.devices()[:used]), "runs"), PartitionSpec("runs")
    share = partial(jax.shard_map, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    return share(jax.vmap(of_run))(keys, x, y)


def _init(key: Key[Array, ""], sizes: tuple[int, ...]) -> Params:
    glorot = jax.nn.initializers.glorot_uniform()
    pairs = list(itertools.pairwise(sizes))
    keys = jax.random.split(key, len(pairs))
    return [(glorot(key, pair), jnp.zeros(pair[1])) for key, pair in zip(keys, pairs, strict=True)]


def _batches(key: Key[Array, ""], size: int, batch_size: int) -> Int[Array, "steps batch"]:
    """A shuffled pass; the last batch is filled with `size`, which stands for nothing."""
    order = jax.random.permutation(key, size)
    return jnp.pad(order, (0, -size % batch_size), constant_values=size).reshape(-1, batch_size)


def _step(
    numbers: Numbers, key: Key[Array, ""], x: Array, y: Array, state: State, batch: Any
) -> tuple[State, None]:
    (params, optimizer), (index, rows) = state, batch
    present = (rows < len(y)).astype(x.dtype)

    def loss(params: Params) -> Float[Array, ""]:
        own = jax.random.fold_in(key, index)
        errors = predict(params, x[rows], numbers.rate, own) - y[rows]
        norm = sum(jnp.square(kernel).sum() for kernel, _ in params)
        return (present @ jnp.square(errors)) / present.sum() + numbers.decay * norm

    updates, optimizer = ADAM.update(jax.grad(loss)(params), optimizer)
    return (optax.apply_updates(params, updates), optimizer), None  # pyright: ignore[reportReturnType]


def predict(params: Params, x: Array, rate: Array, key: Key[Array, ""]) -> Float[Array, " n"]:
    """One pass with dropout before every layer."""
    for layer, (kernel, bias) in enumerate(params):
        x = jax.nn.relu(x) if layer else x
        x = jaxdrop.dropout(jax.random.fold_in(key, layer), x, rate) @ kernel + bias[None]
    return x[:, 0]


def predict_all(
    params: Params, x: Array, rate: Array, mean: Array, scale: Array, key: Key[Array, ""]
) -> Float[Array, "runs test"]:
    """One pass of every run, in the target's unit."""
    keys = jax.random.split(key, len(x))
    return mean + scale * jax.vmap(predict, (0, 0, None, 0))(params, x, rate, keys)


def _score(
    key: Key[Array, ""],
    params: Params,
    rows: Splits,
    chosen: Hyperparameters,
    shape: tuple[int, int],
    samples: int,
) -> Result:
    """Blocks of samples, whose means and likelihoods are merged in float64."""
    unit = (jnp.asarray(rows.mean, jnp.float32), jnp.asarray(rows.scale, jnp.float32))
    fn = Partial(predict_all, params, jnp.asarray(rows.x_test), jnp.float32(chosen.rate), *unit)
    targets = jnp.asarray(rows.y_test, jnp.float32)
    sizes = [min(BLOCK, samples - start) for start in range(0, samples, BLOCK)]
    total, summed, likelihoods = np.float64(0), np.float64(-np.inf), []
    for block, size in enumerate(sizes):
        own = jax.random.fold_in(jax.random.fold_in(key, _SAMPLING), block)
        drawn = montecarlo.sample(own, fn, size, chunk=20)
        found = montecarlo.regression(drawn, chosen.precision, targets)
        total = total + size * np.asarray(found.mean, np.float64)
        of_block = np.asarray(found.log_likelihood, np.float64) + np.log(size)
        summed = np.logaddexp(summed, of_block)
        likelihoods.append((summed - np.log(sum(sizes[: block + 1]))).mean(1).reshape(shape))
    rmse = np.sqrt(np.square(total / samples - rows.y_test).mean(1)).reshape(shape)
    return Result(rmse, np.stack(likelihoods), list(itertools.accumulate(sizes)))
