"""Pairs of masks that make up for one another."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Key

from jaxdrop import checks
from jaxdrop.masks import draw
from jaxdrop.probability import keep_probability, realised


def complementary_masks(
    key: Key[Array, ""],
    rate: ArrayLike,
    shape: int | Sequence[int],
    *,
    broadcast_dims: Sequence[int] = (),
    bits: int = 16,
) -> tuple[Bool[Array, "*shape"], Bool[Array, "*shape"]]:
    r"""Draws two keep masks that are as unlike as their rate allows.

    $$m_i = [u_i < q], \qquad m'_i = [1 - u_i < q]$$

    Each alone is a mask of `keep_mask` (the first is that of the same key). At rate 0.5 one keeps
    what the other drops; below, no element is dropped by both; above, none is kept by both. The
    mean over a pair varies less than over two independent masks, at rate 0.5 not at all for a
    linear function: an antithetic pair, for training on both or for Monte-Carlo samples.

    Args:
      key: one key, typed or legacy.
      rate: the probability to drop, in [0, 1]: a number, or an array that broadcasts to `shape`
        with its tied axes at size 1. A traced rate is clipped, and NaN drops everything.
      shape: the shape of each mask.
      broadcast_dims: the axes along which elements share their fate.
      bits: 8, 16 or 32, as for `keep_mask`.

    Returns:
      Two bool arrays of the full `shape`, True where an element is kept. Apply them with
      `apply_mask`.

    Raises:
      ValueError: a rate outside [0, 1] or of a shape that does not broadcast, an axis that `shape`
        does not have, several keys, another number of bits.
      TypeError: no key, or no number as rate.

    Example:
      >>> import jax, jaxdrop
      >>> first, second = jaxdrop.complementary_masks(jax.random.key(0), 0.5, (3, 4))
      >>> bool((first ^ second).all())
      True

    References:
      Hammersley and Morton, A New Monte Carlo Technique: Antithetic Variates, 1956.

    """
    key = checks.check_key(key, "complementary_masks(key, rate, shape)")
    shape = checks.check_shape(shape)
    drawn = checks.drawn_shape(shape, broadcast_dims)
    keep = keep_probability(checks.check_rate(rate, drawn), len(drawn))
    share = realised(keep, checks.check_bits(bits))
    first = draw(key, share, shape=drawn, bits=bits)
    second = ~draw(key, 1 - share, shape=drawn, bits=bits)
    return jnp.broadcast_to(first, shape), jnp.broadcast_to(second, shape)
