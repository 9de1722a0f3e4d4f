"""Samples of trained networks, and how near they come to the targets."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from experiments.studies.uci.data import Splits
from experiments.studies.uci.protocol import Hyperparameters
from jaxdrop import montecarlo

BLOCK = 500  # samples that are held at once
_SAMPLING = 0x5341_4D50  # "SAMP": keeps keys of samples apart from those of the training


class Result(NamedTuple):
    """Of each split and seed; likelihoods after each block of samples."""

    rmse: Float[np.ndarray, "splits seeds"]
    log_likelihood: Float[np.ndarray, "blocks splits seeds"]
    samples: Int[np.ndarray, " blocks"]


def score(
    key: Key[Array, ""],
    predict: Callable[..., Array],
    params: Any,
    rows: Splits,
    each: Hyperparameters,
    shape: tuple[int, int],
    samples: int,
) -> Result:
    """Blocks of samples, whose means and likelihoods are merged in float64."""
    targets, precision = jnp.asarray(rows.y_test, jnp.float32), each.precision[:, None]
    sizes, total, summed, likelihoods = [], np.float64(0), np.float64(-np.inf), []
    for drawn in _draw(key, predict, params, rows, each.rate, samples):
        found = montecarlo.regression(drawn, precision, targets)
        sizes.append(len(drawn))
        total = total + len(drawn) * np.asarray(found.mean, np.float64)
        of_block = np.asarray(found.log_likelihood, np.float64) + np.log(len(drawn))
        summed = np.logaddexp(summed, of_block)
        likelihoods.append((summed - np.log(sum(sizes))).mean(1).reshape(shape))
    rmse = np.sqrt(np.square(total / sum(sizes) - rows.y_test).mean(1)).reshape(shape)
    return Result(rmse, np.stack(likelihoods), np.cumsum(sizes))


def _draw(
    key: Key[Array, ""],
    predict: Callable[..., Array],
    params: Any,
    rows: Splits,
    rate: np.ndarray,
    samples: int,
) -> Iterator[Float[Array, "block runs test"]]:
    """The samples, block by block; without dropout two equal passes, which say what one would."""
    unit = (jnp.asarray(rows.mean, jnp.float32), jnp.asarray(rows.scale, jnp.float32))
    arrays = params, jnp.asarray(rows.x_test), jnp.asarray(rate, jnp.float32), *unit
    if not rate.any():
        yield jnp.stack([_predict_all(predict, *arrays, key)] * 2)
        return
    for block, size in enumerate(_blocks(samples)):
        own = jax.random.fold_in(jax.random.fold_in(key, _SAMPLING), block)
        yield _sampled(own, predict, size, *arrays)


@partial(jax.jit, static_argnames=("predict", "samples"))
def _sampled(
    key: Key[Array, ""], predict: Callable[..., Array], samples: int, *arrays: Any
) -> Float[Array, "samples runs test"]:
    return montecarlo.sample(key, partial(_predict_all, predict, *arrays), samples, chunk=20)


def _blocks(samples: int) -> list[int]:
    """Sizes of the blocks; what would be a block of one sample goes to the one before it."""
    starts = range(0, samples - 1, BLOCK)
    return [min(BLOCK, samples - start) for start in starts[:-1]] + [samples - starts[-1]]


def _predict_all(
    predict: Callable[..., Array],
    params: Any,
    x: Array,
    rate: Array,
    mean: Array,
    scale: Array,
    key: Key[Array, ""],
) -> Float[Array, "runs test"]:
    """One pass of every run, in the target's unit."""
    keys = jax.random.split(key, len(x))
    return mean + scale * jax.vmap(predict)(params, x, rate, keys)
