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
from experiments.training.fit import sampling_key
from jaxdrop import montecarlo

BLOCK = 500  # samples that are held at once
Predict = Callable[[Any, Array, Array, Key[Array, ""]], Array]


class Result(NamedTuple):
    """Of each split and seed; likelihoods after each block of samples."""

    rmse: Float[np.ndarray, "*networks"]
    log_likelihood: Float[np.ndarray, "blocks *networks"]
    samples: Int[np.ndarray, " blocks"]

    def of(self, splits: int, seeds: int) -> "Result":
        """The networks by split and seed."""
        shape = splits, seeds
        likelihoods = self.log_likelihood.reshape(-1, *shape)
        return Result(self.rmse.reshape(shape), likelihoods, self.samples)

    @property
    def of_splits(self) -> tuple[Float[np.ndarray, " splits"], Float[np.ndarray, " splits"]]:
        """RMSE and log-likelihood after all samples, seeds averaged."""
        return self.rmse.mean(1), self.log_likelihood[-1].mean(1)


def score(
    key: Key[Array, ""],
    predict: Predict,
    params: Any,
    splits: Splits,
    chosen: Hyperparameters,
    samples: int,
) -> Result:
    """Blocks of samples, whose means and likelihoods are merged in float64."""
    targets, precision = jnp.asarray(splits.y_test, jnp.float32), chosen.precision[:, None]
    sizes, total, summed, likelihoods = [], np.float64(0), np.float64(-np.inf), []
    for drawn in _draw(key, predict, params, splits, chosen.rate, samples):
        moments = montecarlo.regression(drawn, precision, targets)
        sizes.append(len(drawn))
        total = total + len(drawn) * np.asarray(moments.mean, np.float64)
        of_block = np.asarray(moments.log_likelihood, np.float64) + np.log(len(drawn))
        summed = np.logaddexp(summed, of_block)
        likelihoods.append((summed - np.log(sum(sizes))).mean(1))
    rmse = np.sqrt(np.square(total / sum(sizes) - splits.y_test).mean(1))
    return Result(rmse, np.stack(likelihoods), np.cumsum(sizes))


def blocks(samples: int) -> list[int]:
    """Their sizes; what would be a block of one sample goes to the one before it."""
    starts = range(0, samples - 1, BLOCK)
    return [min(BLOCK, samples - start) for start in starts[:-1]] + [samples - starts[-1]]


def _draw(
    key: Key[Array, ""],
    predict: Predict,
    params: Any,
    splits: Splits,
    rate: np.ndarray,
    samples: int,
) -> Iterator[Float[Array, "block networks test"]]:
    """The samples, block by block; without dropout two equal passes, which say what one would."""
    numbers = splits.x_test, rate, splits.mean, splits.scale
    arrays = params, *(jnp.asarray(array, jnp.float32) for array in numbers)
    if not rate.any():
        yield jnp.stack([partial(_pass, predict, *arrays)(key)] * 2)
        return
    for block, size in enumerate(blocks(samples)):
        yield _sampled(jax.random.fold_in(sampling_key(key), block), predict, size, *arrays)


@partial(jax.jit, static_argnames=("predict", "samples"))
def _sampled(
    key: Key[Array, ""], predict: Predict, samples: int, *arrays: Any
) -> Float[Array, "samples networks test"]:
    return montecarlo.sample(key, partial(_pass, predict, *arrays), samples, chunk=20)


def _pass(
    predict: Predict,
    params: Any,
    x: Array,
    rate: Array,
    mean: Array,
    scale: Array,
    key: Key[Array, ""],
) -> Float[Array, "networks test"]:
    """One of every network, in the target's unit."""
    keys = jax.random.split(key, len(x))
    return mean + scale * jax.vmap(predict)(params, x, rate, keys)
