"""Samples of trained networks, and how near they come to the targets."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Float64, Int, Key

from experiments.training.fit import sampling_key
from jaxdrop import montecarlo

Rng = Key[Array, ""]
BLOCK = 500  # samples that are held at once


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
    key: Rng,
    one_pass: Partial,
    targets: Float64[np.ndarray, "networks test"],
    precision: Float64[np.ndarray, " networks"],
    samples: int,
) -> Result:
    """Blocks of samples, whose means and likelihoods are merged in float64."""
    sizes, total, summed, likelihoods = [], np.float64(0), np.float64(-np.inf), []
    for drawn in _draw(key, one_pass, samples):
        near = jnp.asarray(targets, jnp.float32)
        moments = montecarlo.regression(drawn, precision[:, None], near)
        sizes.append(len(drawn))
        total = total + len(drawn) * np.asarray(moments.mean, np.float64)
        of_block = np.asarray(moments.log_likelihood, np.float64) + np.log(len(drawn))
        summed = np.logaddexp(summed, of_block)
        likelihoods.append((summed - np.log(sum(sizes))).mean(1))
    rmse = np.sqrt(np.square(total / sum(sizes) - targets).mean(1))
    return Result(rmse, np.stack(likelihoods), np.cumsum(sizes))


def blocks(samples: int) -> list[int]:
    """Their sizes; what would be a block of one sample goes to the one before it."""
    starts = range(0, samples - 1, BLOCK)
    return [min(BLOCK, samples - start) for start in starts[:-1]] + [samples - starts[-1]]


def _draw(
    key: Rng, one_pass: Partial, samples: int
) -> Iterator[Float[Array, "block networks test"]]:
    """The samples, block by block; of none two equal passes, which say what one would."""
    if not samples:
        yield jnp.stack([one_pass(key)] * 2)
        return
    for block, size in enumerate(blocks(samples)):
        yield _sampled(jax.random.fold_in(sampling_key(key), block), one_pass, size)


@partial(jax.jit, static_argnames="samples")
def _sampled(key: Rng, one_pass: Partial, samples: int) -> Float[Array, "samples networks test"]:
    return montecarlo.sample(key, one_pass, samples, chunk=20)
