"""Keep masks as values: drawn, looked at, stored, applied again."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float32, Inexact, Key

from jaxdrop import checks
from jaxdrop.bits import is_threefry, random_words
from jaxdrop.lanes import Layout, explicit_sharding, untied
from jaxdrop.probability import keep_probability, realised, rescale, threshold


def keep_mask(
    key: Key[Array, ""],
    rate: ArrayLike,
    shape: int | Sequence[int],
    *,
    broadcast_dims: Sequence[int] = (),
    bits: int = 16,
) -> Bool[Array, "*shape"]:
    r"""Draws the mask that `dropout` applies: True where an element is kept.

    $$m_i = [u_i < t], \qquad t = \mathrm{round}((1 - rate) \cdot 2^{bits})$$

    with `u_i` uniform on the integers below 2^bits, and `t` at least 1 below rate 1. The mask is a
    function of the arguments alone, whatever compiles, maps or shards the call. Under one key masks
    nest: what is dropped at one rate is dropped at every higher one.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      rate: the probability to drop: a number, or an array that broadcasts to `shape` with its tied
        axes at size 1.
      shape: the shape of the mask.
      broadcast_dims: the axes along which elements share their fate.
      bits: 8, 16 or 32. At 8 the rate is a multiple of 1/256 (0.1 becomes 26/256). 32 gives the
        mask of `jax.random.bernoulli(key, 1 - rate, shape)`, Flax's own.

    Returns:
      A bool array of the full `shape`.

    Raises:
      ValueError: a wrong rate, an axis that `shape` does not have, several keys, another number of
        bits.
      TypeError: no key, or no number as rate.

    Example:
      >>> import jax, jaxdrop
      >>> mask = jaxdrop.keep_mask(jax.random.key(0), 0.25, (4, 10_000))
      >>> mask.shape, mask.dtype
      ((4, 10000), dtype('bool'))
      >>> print(f"{mask.mean():.2f}")
      0.75
    """
    key = checks.as_key(key, "keep_mask(key, rate, shape)")
    shape = checks.check_shape(shape)
    drawn = checks.drawn_shape(shape, broadcast_dims)
    keep = keep_probability(checks.check_rate(rate, drawn), len(drawn))
    mask = draw(key, keep, shape=drawn, bits=checks.check_bits(bits))
    return jnp.broadcast_to(mask, shape)


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
      key: one key, see "Keys and rates" in `jaxdrop`.
      rate: the probability to drop, as for `keep_mask`.
      shape: the shape of each mask.
      broadcast_dims: the axes along which elements share their fate.
      bits: 8, 16 or 32, as for `keep_mask`.

    Returns:
      Two bool arrays of the full `shape`, True where an element is kept. Apply them with
      `apply_mask`.

    Raises:
      ValueError: a wrong rate, an axis that `shape` does not have, several keys, another number of
        bits.
      TypeError: no key, or no number as rate.

    Example:
      >>> import jax, jaxdrop
      >>> first, second = jaxdrop.complementary_masks(jax.random.key(0), 0.5, (3, 4))
      >>> bool((first ^ second).all())
      True

    References:
      Hammersley and Morton, A New Monte Carlo Technique: Antithetic Variates, 1956.
    """
    key = checks.as_key(key, "complementary_masks(key, rate, shape)")
    shape = checks.check_shape(shape)
    drawn = checks.drawn_shape(shape, broadcast_dims)
    keep = keep_probability(checks.check_rate(rate, drawn), len(drawn))
    share = realised(keep, checks.check_bits(bits))
    first = draw(key, share, shape=drawn, bits=bits)
    second = ~draw(key, 1 - share, shape=drawn, bits=bits)
    return jnp.broadcast_to(first, shape), jnp.broadcast_to(second, shape)


def apply_mask(
    mask: Bool[Array, "..."],
    x: Inexact[Array, "..."],
    rate: ArrayLike,
    *,
    scale: bool = True,
    bits: int = 16,
) -> Inexact[Array, "..."]:
    r"""Applies a keep mask with the scale that `dropout` gives it.

    $$y_i = m_i \, x_i / q$$

    with `q` the keep probability that is realised at this number of bits. Elements are selected,
    not multiplied: a dropped one is 0 even where `x` is inf or NaN.

    Args:
      mask: bool, broadcastable to the shape of `x`.
      x: floating-point data.
      rate: the rate that the mask was drawn at, a number or an array that broadcasts to `x`.
      scale: False leaves what is kept as it is, the classical convention.
      bits: the bits that the mask was drawn with.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: a rate outside [0, 1], or shapes that do not broadcast to that of `x`.
      TypeError: a mask that is not bool, or data that is not floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> key, x = jax.random.key(0), jnp.arange(6.0)
      >>> mask = jaxdrop.keep_mask(key, 0.5, x.shape)
      >>> bool((jaxdrop.apply_mask(mask, x, 0.5) == jaxdrop.dropout(key, x, 0.5)).all())
      True
    """
    x = checks.check_data(x)
    mask = checks.check_mask(mask, x.shape)
    keep = keep_probability(checks.check_rate(rate, x.shape), x.ndim)
    return select(mask, x, keep, checks.check_bits(bits), scale)


@partial(jax.jit, static_argnames=("shape", "bits", "sharding"), inline=True)
def draw(
    key: Key[Array, ""],
    keep: Float32[Array, "..."],
    *,
    shape: tuple[int, ...],
    bits: int,
    sharding: NamedSharding | None = None,
) -> Bool[Array, "..."]:
    """The mask of the drawn shape, before it is broadcast."""
    limit = threshold(keep, bits)
    if sharding is not None and not is_threefry(key):
        return jax.sharding.reshard(draw(key, keep, shape=shape, bits=bits), sharding)
    if bits != 32 and not is_threefry(key) and any(map(checks.is_symbolic, shape)):
        raise ValueError(
            f"Expected a threefry2x32 key where a size is symbolic; got {key.dtype}. "
            "Pass one, or bits=32."
        )
    if bits == 32:
        mask = random_words(key, shape, sharding) >> 9 < limit
        # A TPU would hash again in every matrix product that reads the mask.
        return lax.platform_dependent(mask, tpu=lax.optimization_barrier, default=lambda mask: mask)
    return Layout(shape, sharding).keeps(key, limit, bits)


def draw_for(x: Array, key: Array, keep: Array, drawn: tuple[int, ...], bits: int) -> Array:
    """A mask of the drawn shape, broadcast to the shape of `x` and sharded like it."""
    sharding = explicit_sharding(x)
    mask = draw(key, keep, shape=drawn, bits=bits, sharding=untied(sharding, drawn))
    return jnp.broadcast_to(mask, x.shape, out_sharding=sharding)


def select(mask: Array, x: Array, keep: Array, bits: int, scale: bool = True) -> Array:
    """What is kept, rescaled (not so in the classical convention, without scale); 0 elsewhere."""
    kept = rescale(x, keep, bits) if scale else x
    return jnp.where(mask & (keep > 0), kept, jnp.zeros((), x.dtype))
