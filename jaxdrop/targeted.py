"""Dropout among the entries of least magnitude."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop import checks, shares
from jaxdrop.checks import Rate, Shape
from jaxdrop.dropout import redrawn
from jaxdrop.exact import smallest, undivided
from jaxdrop.lanes import explicit_sharding
from jaxdrop.masks import draw_for, select
from jaxdrop.probability import keep_probability, widen
from jaxdrop.shares import Count


def targeted_dropout(
    key: Key[Array, ""],
    x: Inexact[Array, "*shape"],
    rate: ArrayLike,
    *,
    target_share: ArrayLike,
    axis: int = -1,
    broadcast_dims: Sequence[int] = (),
    scale: bool = False,
) -> Inexact[Array, "*shape"]:
    r"""Drops at random among the entries of least magnitude, so that a network bears their pruning.

    $$y_i = m_i \, x_i, \qquad m_i \sim \mathrm{Bernoulli}(q)$$

    for the floor(target_share * n) entries of least |x| along the axis, and m = 1 for the others.
    With `broadcast_dims` an entry is a unit: its magnitude is the L2 norm over these axes, and it
    is dropped whole. Rate 1 prunes. The backward pass keeps `x`, from which the targets follow.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      x: weights or activations, floating-point, with at least one axis.
      rate: the probability to drop a target: a number, or an array that broadcasts to the shape of
        `x` with its tied axes at size 1.
      target_share: the share of the entries that are targets, one number in [0, 1]. A product that
        is within 1e-9 of a whole number, relative, counts as that number, so 13/22 of 22 is 13; a
        share in float32 or shorter, traced ones too, is given two units in its last place.
      axis: the axis along which entries compete.
      broadcast_dims: the axes that make up a unit.
      scale: True divides the targets that are kept by 1 - rate; the paper does not.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: a rate or share outside [0, 1] or of a shape that does not broadcast, an axis that
        `x` does not have or that belongs to a unit, several keys.
      TypeError: no key, no number as rate or share, or data that is not floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> weights = jnp.array([3.0, -0.1, 2.0, 0.2])
      >>> jaxdrop.targeted_dropout(jax.random.key(0), weights, 1.0, target_share=0.5).tolist()
      [3.0, 0.0, 2.0, 0.0]

    References:
      Gomez et al., Learning Sparse Networks Using Targeted Dropout, 2019.
    """
    key = checks.as_key(key, "targeted_dropout(key, x, rate, target_share=...)")
    x = checks.check_data(x)
    drawn = checks.drawn_shape(x.shape, broadcast_dims)
    axis = checks.check_apart("axis", axis, "broadcast_dims", broadcast_dims, x.shape)
    fix = "It is the part of the entries that may be dropped."
    share = checks.check_number("target_share", target_share, (), "in [0, 1]", checks.is_share, fix)
    targets = shares.count_if_known(share, drawn[axis], shares.whole)
    checked = checks.check_rate(rate, drawn)
    return _drop_targets(key, x, checked, targets, drawn=drawn, axis=axis, scale=bool(scale))


@redrawn("drawn", "axis", "scale")
def _drop_targets(
    key: Array, x: Array, rate: Rate, asked: Count, *, drawn: Shape, axis: int, scale: bool
) -> Array:
    targets = _targets(lax.stop_gradient(x), asked, drawn, axis)
    keep = jnp.where(targets, keep_probability(rate, x.ndim), 1)
    return select(draw_for(x, key, keep, drawn, 16), x, keep, 16, scale)


def _targets(x: Array, asked: Count, drawn: Shape, axis: int) -> Array:
    tied = tuple(i for i, size in enumerate(drawn) if size != x.shape[i])
    size = widen(jnp.abs(x))
    norms = jnp.sqrt(jnp.square(size).sum(tied, keepdims=True)) if tied else size
    sharding = explicit_sharding(norms)
    if sharding is not None:
        norms = jax.sharding.reshard(norms, undivided(sharding, drawn, axis))
    count = shares.count(asked, drawn[axis], shares.whole, 0)
    return smallest(norms, count, axis, sharding)
