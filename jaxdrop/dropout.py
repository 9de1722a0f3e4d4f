"""Element dropout."""

from collections.abc import Callable, Sequence

from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop import checks
from jaxdrop.masks import convention, draw_for
from jaxdrop.probability import keep_probability
from jaxdrop.redraw import redrawn


def dropout(
    key: Key[Array, ""],
    x: Inexact[Array, "*shape"],
    rate: ArrayLike,
    *,
    broadcast_dims: Sequence[int] = (),
    scale: bool = True,
    bits: int = 16,
) -> Inexact[Array, "*shape"]:
    r"""Drops elements at random and rescales the others, so that the mean stays.

    $$y_i = m_i \, x_i / q, \qquad m_i \sim \mathrm{Bernoulli}(q)$$

    with `q = round((1 - rate) * 2**bits) / 2**bits`, the keep probability that is realised. There
    is no mode flag: a function that is called drops. The backward pass keeps the key and draws the
    mask again, so no mask is held in memory.

    A sharded `x` costs no communication where every shard holds whole groups of lanes, mostly
    eight elements along the second-last axis (`jaxdrop.lanes.Layout` has the rule). Others give the
    same result. On an explicit mesh they hash up to eight times as much; on an automatic one, where
    XLA alone sees the shards, powers of two are free, and counts such as 24 rows on 8 devices make
    every device draw the mask of all rows, or pass a few rows on: give each device a multiple of
    eight rows, or use an explicit mesh. At 32 bits no shard needs another.

    A program can be exported for a symbolic batch: it draws the mask of each concrete shape, with
    the hash of a word for every element.

    Args:
      key: one key, typed or legacy, of any PRNG implementation; threefry2x32 is the fast one.
      x: floating-point data of any shape. The product is taken in at least float32.
      rate: the probability to drop, in [0, 1]: a number, or an array that broadcasts to the shape
        of `x` with its tied axes at size 1. A traced rate cannot be checked; it is clipped, and NaN
        drops everything. Rate 0 returns `x` bit for bit, rate 1 zeros. No gradient flows to it.
      broadcast_dims: the axes along which elements share their fate.
      scale: False leaves what is kept as it is, the classical convention; then the mean shrinks,
        and inference calls `classical_inference`.
      bits: 8, 16 or 32. At 8 the rate is a multiple of 1/256 (0.1 becomes 26/256). 32 gives Flax's
        own mask and, in float32, its output to the bit, at some three times the cost.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: a rate outside [0, 1] or of a shape that does not broadcast, an axis that `x` does
        not have, several keys, another number of bits.
      TypeError: no key, no number as rate, or data that is not floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> y = jaxdrop.dropout(jax.random.key(0), jnp.ones((2, 4)), 0.5)
      >>> sorted(set(y.ravel().tolist()))
      [0.0, 2.0]

    References:
      Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014.

    """
    key = checks.check_key(key, "dropout(key, x, rate)")
    return drop(key, checks.check_data(x), rate, convention(scale), broadcast_dims, bits)


def drop(
    key: Key[Array, ""],
    x: Inexact[Array, "*shape"],
    rate: ArrayLike,
    apply: Callable[..., Inexact[Array, "..."]],
    broadcast_dims: Sequence[int],
    bits: int,
    *others: ArrayLike,
) -> Inexact[Array, "*shape"]:
    """Checks what every operator with a Bernoulli mask takes; then draws and applies the mask.

    What `apply` needs besides (mask, x, keep probability, bits) comes last.
    """
    drawn = checks.drawn_shape(x.shape, broadcast_dims)
    checked, bits = checks.check_rate(rate, drawn), checks.check_bits(bits)
    if checked.is_always(0):
        return x
    return _drop(key, x, checked, *others, apply=apply, drawn=drawn, bits=bits)


def draw_and_apply(
    key: Key[Array, ""],
    x: Inexact[Array, "*shape"],
    rate: checks.Rate,
    *others: ArrayLike,
    apply: Callable[..., Inexact[Array, "..."]],
    drawn: tuple[int, ...],
    bits: int,
) -> Inexact[Array, "*shape"]:
    """The function itself, of a checked rate."""
    keep = keep_probability(rate, x.ndim)
    return apply(draw_for(x, key, keep, drawn, bits), x, keep, bits, *others)


_drop = redrawn("apply", "drawn", "bits")(draw_and_apply)
