"""An exact count of what is dropped."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float32, Inexact, Key

from jaxdrop import checks
from jaxdrop.bits import random_words
from jaxdrop.lanes import explicit_sharding
from jaxdrop.masks import select
from jaxdrop.probability import align
from jaxdrop.ranks import smallest, undivided
from jaxdrop.redraw import redraw


def exact_dropout(
    key: Key[Array, ""], x: Inexact[Array, "*shape"], rate: ArrayLike, *, axis: int = -1
) -> Inexact[Array, "*shape"]:
    r"""Drops exactly round(rate * n) of the n elements along an axis, and rescales the others.

    $$y_i = m_i \, x_i \, n / (n - k), \qquad k = \mathrm{round}(rate \cdot n)$$

    with every set of k elements equally likely (ties round to even, as Python's `round` has it).
    The count does not vary, and so neither does the scale's error: the output varies less than
    under `dropout`. Each element alone is still dropped with probability k / n. Nothing is dropped
    where k is 0, all where it is n. The elements are ranked by 32-bit draws; that sorts, and on a
    mesh each device ranks the whole axis for itself.

    Args:
      key: one key, typed or legacy.
      x: floating-point data with at least one axis.
      rate: the share to drop, in [0, 1]: a number, or an array that broadcasts to the shape of `x`
        with size 1 on `axis`. A traced rate is clipped, NaN drops everything, and its product with
        n is rounded to float32 first.
      axis: the axis along which the count is exact.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: a rate outside [0, 1] or of a shape that does not broadcast, an axis that `x` does
        not have, several keys.
      TypeError: no key, no number as rate, or data that is not floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> y = jaxdrop.exact_dropout(jax.random.key(0), jnp.ones((3, 8)), 0.25)
      >>> (y == 0).sum(-1).tolist()
      [2, 2, 2]

    """
    x = checks.check_data(x)
    checks.check_key(key)
    axis = checks.check_axis("axis", axis, x.shape)
    checked = checks.check_rate(rate, checks.drawn_shape(x.shape, (axis,)))
    share = rate if checked.keep is None else _whole(np.asarray(rate), x.shape[axis])
    run = partial(_drop_exactly, axis=axis)
    return x if checked.is_always(0) else redraw(run, key, x, checked, share)


def _whole(rate: np.ndarray, size: int) -> Float32[np.ndarray, "..."]:
    """The share of `size` that is dropped, found where the rate has all its digits."""
    precise = rate.astype(np.promote_types(rate.dtype, np.float32))
    return np.asarray(np.round(precise * size) / max(size, 1), np.float32)


@partial(jax.jit, static_argnames="axis")
def _drop_exactly(
    key: Key[Array, ""],
    x: Inexact[Array, "*shape"],
    rate: checks.Rate,
    share: ArrayLike,
    *,
    axis: int,
) -> Inexact[Array, "*shape"]:
    del rate  # 1 - rate has lost digits that decide a tie
    sharding, size = explicit_sharding(x), x.shape[axis]
    asked = align(jnp.asarray(share, jnp.float32), x.ndim)
    count = jnp.round(jnp.where(asked <= 1, jnp.clip(asked, 0, 1), 1) * size)
    words = random_words(checks.check_key(key), x.shape, undivided(sharding, x.shape, axis))
    mask = ~smallest(words, count, axis, sharding)
    return select(mask, x, (size - count) / max(size, 1), 32)
