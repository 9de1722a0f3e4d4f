"""Gaussian noise, multiplied or added."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Float32, Key

from jaxdrop import checks
from jaxdrop.bits import random_words
from jaxdrop.dropout import redrawn
from jaxdrop.lanes import explicit_sharding, untied
from jaxdrop.probability import align, keep_probability, widen


def gaussian_dropout(
    key: Key[Array, ""],
    x: Float[Array, "*shape"],
    rate: ArrayLike,
    *,
    broadcast_dims: Sequence[int] = (),
) -> Float[Array, "*shape"]:
    r"""Multiplies by Gaussian noise of the mean and the variance that `dropout` has.

    $$y_i = n_i \, x_i, \qquad n_i \sim \mathcal{N}(1, rate / (1 - rate))$$

    Nothing is dropped, and all is perturbed. At rate 1 the variance has no limit, so there is none.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      x: real floating-point data of any shape. The product is taken in at least float32.
      rate: the rate, below 1, of the `dropout` that it stands for: a number, or an array that
        broadcasts to the shape of `x` with its tied axes at size 1. A traced one is clipped to at
        most 1 - 2**-24, NaN too.
      broadcast_dims: the axes along which elements share their noise.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: a wrong rate, such as 1, an axis that `x` does not have, several keys.
      TypeError: no key, no number as rate, or data that is not real floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> y = jaxdrop.gaussian_dropout(jax.random.key(0), jnp.ones(100_000), 0.2)
      >>> print(f"{y.mean():.1f} {y.std():.1f}")
      1.0 0.5

    References:
      Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014.
    """
    key = checks.as_key(key, "gaussian_dropout(key, x, rate)")
    x = checks.check_real_data(x)
    drawn = checks.drawn_shape(x.shape, broadcast_dims)
    checked = check_noise_rate(rate, drawn)
    return x if checked.is_always(0) else _multiply(key, x, checked, drawn=drawn)


def check_noise_rate(rate: ArrayLike, drawn: tuple[int, ...]) -> checks.Rate:
    """Takes a rate whose noise has a variance."""
    checked = checks.check_rate(rate, drawn)
    if checked.keep is not None and not checked.keep.all():
        raise ValueError(
            "Expected a rate below 1; got 1. The variance rate / (1 - rate) has no bound there: "
            "lower the rate, or pass zeros on."
        )
    return checked


@redrawn("drawn")
def _multiply(key: Array, x: Array, rate: checks.Rate, *, drawn: tuple[int, ...]) -> Array:
    keep, wide = jnp.maximum(keep_probability(rate, x.ndim), 2**-24), widen(x)
    factor = 1 + jnp.sqrt((1 - keep) / keep) * normals(key, x, drawn)
    return jnp.where(keep == 1, x, (wide * factor.astype(wide.dtype)).astype(x.dtype))


def gaussian_noise(
    key: Key[Array, ""],
    x: Float[Array, "*shape"],
    stddev: ArrayLike,
    *,
    broadcast_dims: Sequence[int] = (),
) -> Float[Array, "*shape"]:
    r"""Adds Gaussian noise.

    $$y_i = x_i + n_i, \qquad n_i \sim \mathcal{N}(0, stddev^2)$$

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      x: real floating-point data of any shape. The sum is taken in at least float32.
      stddev: the standard deviation, finite and at least 0: a number, or an array that broadcasts
        to the shape of `x` with its tied axes at size 1. A traced one below 0 counts as 0, and so
        does NaN. With 0 `x` returns bit for bit. No gradient flows to it.
      broadcast_dims: the axes along which elements share their noise.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: a stddev that is negative, infinite or NaN, or of a shape that does not broadcast,
        an axis that `x` does not have, several keys.
      TypeError: no key, no number as stddev, or data that is not real floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> y = jaxdrop.gaussian_noise(jax.random.key(0), jnp.ones(100_000), 2.0)
      >>> print(f"{y.mean():.1f} {y.std():.1f}")
      1.0 2.0

    References:
      Bishop, Training with Noise is Equivalent to Tikhonov Regularization, 1995.
    """
    key = checks.as_key(key, "gaussian_noise(key, x, stddev)")
    x = checks.check_real_data(x)
    drawn = checks.drawn_shape(x.shape, broadcast_dims)
    return _add(key, x, check_stddev(stddev, drawn), drawn=drawn)


def check_stddev(stddev: ArrayLike, drawn: tuple[int, ...]) -> np.ndarray | Tracer:
    """Takes a standard deviation."""
    fix, is_valid = "It is the standard deviation of the noise.", lambda v: (v >= 0) & (v < np.inf)
    return checks.check_number("stddev", stddev, drawn, "in [0, inf)", is_valid, fix)


@redrawn("drawn")
def _add(key: Array, x: Array, stddev: Array, *, drawn: tuple[int, ...]) -> Array:
    stddev = align(jnp.asarray(lax.stop_gradient(stddev), jnp.float32), x.ndim)
    wide = widen(x)
    noise = stddev * normals(key, x, drawn)
    return jnp.where(stddev > 0, (wide + noise.astype(wide.dtype)).astype(x.dtype), x)


def normals(key: Key[Array, ""], x: Array, drawn: tuple[int, ...]) -> Float32[Array, "..."]:
    """Standard normal numbers of the drawn shape, broadcast to `x` and sharded like it."""
    return np.float32(np.sqrt(2)) * lax.erf_inv(2 * uniforms(key, x, drawn) - 1)


def uniforms(key: Key[Array, ""], x: Array, drawn: tuple[int, ...]) -> Float32[Array, "..."]:
    """Numbers in the open interval (0, 1), symmetric: `u` and `1 - u` are equally likely."""
    sharding = explicit_sharding(x)
    words = random_words(key, drawn, untied(sharding, drawn))
    middle = ((words >> 9).astype(jnp.float32) + 0.5) * 2**-23
    return jnp.broadcast_to(middle, x.shape, out_sharding=sharding)
