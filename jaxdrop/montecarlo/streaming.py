"""Mean and variance over thousands of samples, in the memory of one chunk."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Key, PyTree

from jaxdrop import checks
from jaxdrop.montecarlo import predictions, sampling
from jaxdrop.montecarlo.sampling import Predict

_CHUNK = 32  # wide enough for the vector units of a core, small enough for a large model


class Moments(NamedTuple):
    """Mean and population variance of each prediction, and over how many samples."""

    num_samples: int
    mean: PyTree[Float[Array, "..."]]
    variance: PyTree[Float[Array, "..."]]


class _Sums(NamedTuple):
    """Of a set of samples: how many, their mean, the sum of squared distances from it."""

    weight: Float[Array, ""]
    mean: PyTree[Array]
    squares: PyTree[Array]


def moments(
    key: Key[Array, ""],
    fn: Predict,
    num_samples: int,
    *,
    chunk: int = _CHUNK,
    mesh: Mesh | None = None,
) -> Moments:
    r"""Mean and variance of the samples that `sample` draws, without holding them.

    $$\bar y = \frac{1}{T} \sum_t y_t, \qquad v = \frac{1}{T} \sum_t (y_t - \bar y)^2$$

    Chunks are merged by the update of Chan, which loses no digits where the mean is large. What is
    a mean over samples can be streamed: let `fn` return it. The entropies of `classification` need
    `{"p": p, "entropy": entropy(p)}`, whose means are the predictive probabilities and the expected
    entropy.

    Args:
      key: one key, typed or legacy.
      fn: takes a typed key, and returns an array or a pytree of them, real numbers all.
      num_samples: how many, 2 or more.
      chunk: how many are computed at once, on each device.
      mesh: shares the samples out over all devices of this mesh; each holds all that `fn` needs.

    Returns:
      `Moments`: `num_samples`, and `mean` and `variance` as pytrees like what `fn` returns, in
      float32 or, where a prediction has more digits, its dtype.

    Raises:
      ValueError: less than two samples, a chunk below 1, several keys, or samples that are all
        equal, as in `sample`.
      TypeError: no key, or a count that is no integer.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> from jaxdrop import montecarlo
      >>> weights = jnp.array([1.0, 2.0, 3.0])
      >>> def fn(key):
      ...     return jaxdrop.dropout(key, jnp.ones(3), 0.5) @ weights
      >>> found = montecarlo.moments(jax.random.key(0), fn, 10_000)
      >>> round(float(found.mean)), round(float(found.variance))  # 0.5 / 0.5 * (1 + 4 + 9)
      (6, 14)

    References:
      Chan, Golub & LeVeque, Algorithms for Computing the Sample Variance, 1983.

    """
    key, count = checks.check_key(key), sampling.check_samples(num_samples)
    size = min(sampling.check_positive("chunk", chunk), count)
    shares = 1 if mesh is None else mesh.size
    indices = jnp.arange(count + -count % (size * shares))
    sums = sampling.compiled(_stream, fn, key, _Counted(indices, jnp.int32(count)), size, mesh)
    variance = jax.tree.map(lambda squares: squares / count, sums.squares)
    sampling.check_spread(key, fn, count, size, mesh, _vary(sums.mean, variance))
    return Moments(count, sums.mean, variance)


class _Counted(NamedTuple):
    """Indices of samples; those from `stop` on fill the last chunk, and weigh nothing."""

    indices: Int[Array, " samples"]
    stop: Int[Array, ""]


def _stream(
    fn: Predict, key: Key[Array, ""], counted: _Counted, size: int, mesh: Mesh | None
) -> _Sums:
    sampling.check_key_is_used(fn, key)

    def run(key: Key[Array, ""], indices: Int[Array, " share"]) -> _Sums:
        def step(sums: _Sums, chunk: Int[Array, " size"]) -> tuple[_Sums, None]:
            values = jax.vmap(partial(sampling.at, fn, key))(chunk)
            return _merge(sums, _sums(values, chunk < counted.stop)), None

        empty = jax.tree.map(_zeros, jax.eval_shape(fn, key))
        start = _Sums(jnp.float32(0), empty, empty)
        sums = lax.scan(step, start, indices.reshape(-1, size))[0]
        return sums if mesh is None else _over_devices(sums)

    return sampling.share(run, mesh, gather=False)(key, counted.indices)


def _zeros(leaf: Any) -> Array:
    return jnp.zeros(leaf.shape, predictions.wide(leaf.dtype))


def _sums(values: PyTree[Array], counts: Array) -> _Sums:
    count = counts.sum(dtype=jnp.float32)

    def total(leaf: Array) -> Array:
        weights = counts.reshape(-1, *[1] * (leaf.ndim - 1))
        return jnp.where(weights, leaf, jnp.zeros_like(leaf)).sum(0)

    values = jax.tree.map(predictions.widen, values)
    mean = jax.tree.map(lambda leaf: _over(total(leaf), count), values)
    squares = jax.tree.map(lambda leaf, mean: total(jnp.square(leaf - mean[None])), values, mean)
    return _Sums(count, mean, squares)


def _over(total: Array, count: Array) -> Array:
    return total / jnp.maximum(count, 1).astype(total.dtype)


def _merge(a: _Sums, b: _Sums) -> _Sums:
    """The sums of both sets together."""
    count = a.weight + b.weight

    def mean(of_a: Array, of_b: Array) -> Array:
        return of_a + _over((of_b - of_a) * b.weight.astype(of_a.dtype), count)

    def squares(of_a: Array, of_b: Array, mean_a: Array, mean_b: Array) -> Array:
        apart = jnp.square(mean_b - mean_a) * (a.weight * b.weight).astype(of_a.dtype)
        return of_a + of_b + _over(apart, count)

    means = jax.tree.map(mean, a.mean, b.mean)
    return _Sums(count, means, jax.tree.map(squares, a.squares, b.squares, a.mean, b.mean))


def _over_devices(sums: _Sums) -> _Sums:
    """The sums of the shares of all devices together, on each of them."""
    everywhere = partial(lax.psum, axis_name=sampling.AXIS)
    count = everywhere(sums.weight)

    def weighted(leaf: Array) -> Array:
        return leaf * sums.weight.astype(leaf.dtype)

    def squares(own: Array, mean: Array, whole: Array) -> Array:
        return everywhere(own + weighted(jnp.square(mean - whole)))

    mean = jax.tree.map(lambda leaf: _over(everywhere(weighted(leaf)), count), sums.mean)
    return _Sums(count, mean, jax.tree.map(squares, sums.squares, sums.mean, mean))


def _vary(means: PyTree[Array], variances: PyTree[Array]) -> bool:
    pairs = list(zip(jax.tree.leaves(means), jax.tree.leaves(variances), strict=True))
    if not pairs or any(isinstance(variance, Tracer) for _, variance in pairs):
        return True
    return any(sampling.deviates(mean, variance) for mean, variance in pairs)
