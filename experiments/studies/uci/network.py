"""The network of the protocol, with dropout before every layer; and the one that learns its rates.

Rate, precision and regulariser are traced, and can differ from split to split. Then their samples,
and how near these come to the targets.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Float64, Int, Key

import jaxdrop
from experiments.models import layers
from experiments.models.layers import Layers, forward
from experiments.training.fit import Batch, sampling_key
from jaxdrop import montecarlo

BLOCK = 500  # samples that are held at once


class Numbers(NamedTuple):
    """Of each network the rate, and what stands before the parts of its penalty."""

    rate: Float[Array, "*networks"]
    decay: Float[Array, "*networks"]
    entropy: Float[Array, "*networks"]


class Concrete(NamedTuple):
    """Weights, and log(p / (1 - p)) of each layer's rate p."""

    layers: Layers
    logits: Float[Array, " layers"]


class Network(NamedTuple):
    """How to begin, to predict, and what weights cost."""

    init: Callable[[Key[Array, ""], tuple[int, ...], Numbers], Any]
    predict: Callable[[Any, Array, Array, Key[Array, ""]], Array]
    penalty: Callable[[Any, Numbers], Array]

    def loss(
        self, params: Any, numbers: Numbers, batch: Batch, key: Key[Array, ""]
    ) -> Float[Array, ""]:
        """Mean squared error of the examples that are there, and the penalty."""
        errors = self.predict(params, batch.x, numbers.rate, key) - batch.y
        squares = (batch.present @ jnp.square(errors)) / batch.present.sum()
        return squares + self.penalty(params, numbers)

    def one_pass(
        self, params: Any, x: Array, rate: Array, mean: Array, scale: Array, key: Key[Array, ""]
    ) -> Float[Array, "networks test"]:
        """Of every network, in the target's unit."""
        keys = jax.random.split(key, len(x))
        return mean + scale * jax.vmap(self.predict)(params, x, rate, keys)


def _init(key: Key[Array, ""], sizes: tuple[int, ...], numbers: Numbers) -> Layers:
    del numbers
    return layers.init(jax.nn.initializers.glorot_uniform(), key, sizes)


def _predict(params: Layers, x: Array, rate: Array, key: Key[Array, ""]) -> Float[Array, " n"]:
    of = partial(jax.random.fold_in, key)
    return forward(params, x, lambda layer, x: jaxdrop.dropout(of(layer), x, rate))[:, 0]


def _penalty(params: Layers, numbers: Numbers) -> Float[Array, ""]:
    return numbers.decay * sum(jnp.square(kernel).sum() for kernel, _ in params)


def _init_rates(key: Key[Array, ""], sizes: tuple[int, ...], numbers: Numbers) -> Concrete:
    """Weights as without learned rates; all rates begin at the one given."""
    params = _init(key, sizes, numbers)
    return Concrete(params, jnp.full(len(params), jax.scipy.special.logit(numbers.rate)))


def _predict_by_rates(
    params: Concrete, x: Array, rate: Array, key: Key[Array, ""]
) -> Float[Array, " n"]:
    """One pass; the rates stand in the parameters."""
    del rate
    of, drop = partial(jax.random.fold_in, key), jaxdrop.concrete_dropout
    outputs = forward(params.layers, x, lambda at, x: drop(of(at), x, params.logits[at]))
    return outputs[:, 0]


def _penalty_of_rates(params: Concrete, numbers: Numbers) -> Float[Array, ""]:
    """Of each layer what its weights and its certainty cost."""
    costs = [
        jaxdrop.concrete_regularizer(
            logit, kernel, input_dim=len(kernel),
            weight_regularizer=numbers.decay, dropout_regularizer=numbers.entropy,
        )
        for logit, (kernel, _) in zip(params.logits, params.layers, strict=True)
    ]  # fmt: skip
    return jnp.stack(costs).sum()


DROPOUT = Network(_init, _predict, _penalty)
CONCRETE = Network(_init_rates, _predict_by_rates, _penalty_of_rates)


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
    one_pass: Partial,
    targets: Float64[np.ndarray, "networks test"],
    precision: Float64[np.ndarray, " networks"],
    samples: int,
) -> Result:
    """Blocks of samples, whose means and likelihoods are merged in float64."""
    sizes, total, summed, likelihoods = [], np.float64(0), np.float64(-np.inf), []
    near = jnp.asarray(targets, jnp.float32)
    for drawn in _draw(key, one_pass, samples):
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
    key: Key[Array, ""], one_pass: Partial, samples: int
) -> Iterator[Float[Array, "block networks test"]]:
    """The samples, block by block; of none two equal passes, which say what one would."""
    if not samples:
        yield jnp.stack([one_pass(key)] * 2)
        return
    for block, size in enumerate(blocks(samples)):
        yield _sampled(jax.random.fold_in(sampling_key(key), block), one_pass, size)


@partial(jax.jit, static_argnames="samples")
def _sampled(
    key: Key[Array, ""], one_pass: Partial, samples: int
) -> Float[Array, "samples networks test"]:
    return montecarlo.sample(key, one_pass, samples, chunk=20)
