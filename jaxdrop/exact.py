"""An exact count of what is dropped: the least of random numbers along an axis."""

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop import checks, shares
from jaxdrop.bits import random_words
from jaxdrop.dropout import redrawn
from jaxdrop.lanes import explicit_sharding, untied
from jaxdrop.masks import select


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
      key: one key, see "Keys and rates" in `jaxdrop`.
      x: floating-point data with at least one axis.
      rate: the share to drop: a number, or an array that broadcasts to the shape of `x` with size 1
        on `axis`. Its product with n has its own dtype, float32 at least: a Python number gives
        `round(rate * n)`.
      axis: the axis along which the count is exact.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: a wrong rate, an axis that `x` does not have, several keys.
      TypeError: no key, no number as rate, or data that is not floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> y = jaxdrop.exact_dropout(jax.random.key(0), jnp.ones((3, 8)), 0.25)
      >>> (y == 0).sum(-1).tolist()
      [2, 2, 2]
    """
    key = checks.as_key(key, "exact_dropout(key, x, rate)")
    x = checks.check_data(x)
    axis = checks.check_axis("axis", axis, x.shape)
    checked = checks.check_rate(rate, checks.drawn_shape(x.shape, (axis,)))
    asked = shares.count_if_known(rate, x.shape[axis], shares.nearest)
    return x if checked.is_always(0) else _drop_exactly(key, x, asked, axis=axis)


@redrawn("axis")
def _drop_exactly(key: Array, x: Array, asked: shares.Count, *, axis: int) -> Array:
    sharding, size = explicit_sharding(x), x.shape[axis]
    dropped = shares.count(asked, size, shares.nearest, x.ndim)
    words = random_words(key, x.shape, undivided(sharding, x.shape, axis))
    mask = ~smallest(words, dropped, axis, sharding)
    return select(mask, x, (size - dropped) / max(size, 1), 32)


def undivided(
    sharding: NamedSharding | None, shape: tuple[int, ...], axis: int
) -> NamedSharding | None:
    """The sharding of `shape` with one axis whole on every device, as ranking needs it."""
    return untied(sharding, checks.drawn_shape(shape, (axis,)))


def smallest(values: Array, count: Array, axis: int, sharding: NamedSharding | None) -> Array:
    """True at the `count` smallest along an axis that no shard divides; the first of equals."""
    ranks = jnp.argsort(jnp.argsort(values, axis), axis)
    chosen = ranks < count.astype(ranks.dtype)
    return chosen if sharding is None else jax.sharding.reshard(chosen, sharding)
