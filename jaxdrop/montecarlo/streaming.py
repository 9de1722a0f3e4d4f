"""Mean and variance over thousands of samples, in the memory of one chunk."""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Key, PyTree

from jaxdrop import checks
from jaxdrop.montecarlo import devices, means, sampling
from jaxdrop.montecarlo.means import Spread
from jaxdrop.montecarlo.sampling import Predict
from jaxdrop.probability import widen

_CHUNK = 32  # wide enough for the vector units of a core, small enough for a large model


class Moments(NamedTuple):
    """Mean and population variance of each prediction, and over how many samples."""

    num_samples: int
    mean: PyTree[Float[Array, "..."]]
    variance: PyTree[Float[Array, "..."]]


class _Part(NamedTuple):
    """Of some of the samples: how many they are, and their spread."""

    number: Int[Array, ""]
    spreads: PyTree[Spread]


def moments(
    key: Key[Array, ""],
    predict: Predict,
    num_samples: int,
    *,
    chunk: int = _CHUNK,
    mesh: Mesh | None = None,
) -> Moments:
    r"""Mean and variance of the samples that `sample` draws, without holding them.

    $$\bar y = \frac{1}{T} \sum_t y_t, \qquad v = \frac{1}{T} \sum_t (y_t - \bar y)^2$$

    Chunks are merged by the update of Chan, with a mean held in two numbers and counts in integers,
    so that no digits are lost where the mean is large or the samples are many. What is a mean over
    samples can be streamed: let `predict` return it. The entropies of `classification` need
    `{"p": p, "entropy": entropy(p)}`, whose means are the predictive probabilities and the expected
    entropy. As `sample`, it is compiled at each call, unless your own `jax.jit` is around it.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      predict: takes a typed key, and returns an array or a pytree of them, real numbers all. It
        runs `num_samples` times.
      num_samples: how many, 2 or more.
      chunk: how many are computed at once, on each device.
      mesh: shares the samples out over all devices of this mesh; each holds all that `predict`
        needs.

    Returns:
      `Moments`: `num_samples`, and `mean` and `variance` as pytrees like what `predict` returns, in
      float32 or, where a prediction has more digits, its dtype.

    Raises:
      ValueError: less than two samples, a chunk below 1, several keys, or no result that depends on
        the key, as in `sample`.
      TypeError: no key, no function, no mesh, a count that is no integer, or predictions that are
        not real numbers.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> from jaxdrop import montecarlo
      >>> weights = jnp.array([1.0, 2.0, 3.0])
      >>> def predict(key):
      ...     return jaxdrop.dropout(key, jnp.ones(3), 0.5) @ weights
      >>> found = montecarlo.moments(jax.random.key(0), predict, 10_000)
      >>> round(float(found.mean)), round(float(found.variance))  # 0.5 / 0.5 * (1 + 4 + 9)
      (6, 14)

    References:
      Chan, Golub & LeVeque, Algorithms for Computing the Sample Variance, 1983.
    """
    key, count = sampling.check_call(key, predict, num_samples, mesh)
    size = checks.check_count("chunk", chunk, least=1)
    run = partial(_stream, partial(_of_chunk, predict), size)

    def program(key: Key[Array, ""]) -> tuple[PyTree[Array], PyTree[Array]]:
        if mesh is None:
            spreads = run(key, jnp.arange(count)).spreads
        else:
            spreads = devices.on_devices(run, mesh, key, count, _over_devices)
        return _each(Spread.mean, spreads), _each(partial(Spread.variance, number=count), spreads)

    return Moments(count, *jax.jit(program)(key))


def _stream(
    run: Callable[..., _Part], size: int, key: Key[Array, ""], indices: Int[Array, " share"]
) -> _Part:
    """Of the samples of these indices, `size` at once."""
    blocks, left = sampling.in_blocks(indices, min(size, len(indices)))

    def step(part: _Part, block: Int[Array, " size"]) -> tuple[_Part, None]:
        return _merge(part, run(key, block)), None

    part = run(key, blocks[0])
    if len(blocks) > 1:
        part, _ = lax.scan(step, part, blocks[1:])
    return _merge(part, run(key, left)) if len(left) else part


def _of_chunk(predict: Predict, key: Key[Array, ""], indices: Int[Array, " chunk"]) -> _Part:
    samples = jax.tree.map(_real, sampling.passes(predict, key, indices))
    return _Part(jnp.int32(len(indices)), jax.tree.map(means.spread_of, samples))


def _real(prediction: Array) -> Array:
    """Takes real numbers."""
    kinds = (jnp.floating, jnp.integer, jnp.bool_)
    if not any(jnp.issubdtype(prediction.dtype, kind) for kind in kinds):
        raise TypeError(
            f"Expected predictions that are real numbers; got {prediction.dtype}. Of complex ones, "
            "let predict return the real and the imaginary part."
        )
    return widen(prediction)


def _merge(a: _Part, b: _Part) -> _Part:
    """Of the samples of both."""
    spreads = _each(partial(means.merge, a.number, b.number), a.spreads, b.spreads)
    return _Part(a.number + b.number, spreads)


def _over_devices(parts: list[_Part]) -> PyTree[Spread]:
    """Of the samples of all devices, on each of them."""
    number, spreads = reduce(_merge, parts)
    return _each(partial(means.over_devices, devices.AXIS, number), spreads)


def _each(function: Callable[..., Any], *spreads: PyTree[Spread]) -> PyTree[Any]:
    return jax.tree.map(function, *spreads, is_leaf=lambda node: isinstance(node, Spread))
