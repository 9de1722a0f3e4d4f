"""Element dropout, and how every operator forgets its mask: it is drawn again in backward."""

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop import checks
from jaxdrop.checks import Rate, Shape
from jaxdrop.masks import draw_for, select
from jaxdrop.probability import keep_probability, shrink


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
    eight rows. At 32 bits no shard needs another. In a program that is exported for a symbolic
    batch every element hashes its own word.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      x: floating-point data of any shape. The product is taken in at least float32.
      rate: the probability to drop: a number, or an array that broadcasts to the shape of `x` with
        its tied axes at size 1.
      broadcast_dims: the axes along which elements share their fate.
      scale: False leaves what is kept as it is, the classical convention; then the mean shrinks,
        and inference calls `classical_inference`.
      bits: 8, 16 or 32. At 8 the rate is a multiple of 1/256 (0.1 becomes 26/256). 32 gives Flax's
        own mask and, in float32, its output to the bit, at some three times the cost.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: a wrong rate, an axis that `x` does not have, several keys, another number of
        bits.
      TypeError: no key, no number as rate, or data that is not floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> y = jaxdrop.dropout(jax.random.key(0), jnp.ones((2, 4)), 0.5)
      >>> sorted(set(y.ravel().tolist()))
      [0.0, 2.0]

    References:
      Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014.
    """
    key, x = checks.as_key(key, "dropout(key, x, rate)"), checks.check_data(x)
    drawn = checks.drawn_shape(x.shape, broadcast_dims)
    checked, bits = checks.check_rate(rate, drawn), checks.check_bits(bits)
    if checked.is_always(0):
        return x
    return _drop(key, x, checked, drawn=drawn, scale=bool(scale), bits=bits)


def redrawn(*static: str) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Compiles a function, of a key and data, whose backward keeps its arguments alone.

    The names are those of its keyword-only options. The outer `jit` is there for eager calls: JAX
    remembers what differentiating and mapping make of a compiled function, so none is traced twice.
    The inner one holds the function's constants, which backward would keep, too. `prevent_cse` is
    off: no barrier may stand between the draw and what it fuses with.
    """

    def decorate(run: Callable[..., Array]) -> Callable[..., Array]:
        inner = jax.jit(run, static_argnames=static)

        @partial(jax.jit, static_argnames=static)
        @wraps(run)
        def compiled(*arguments: Any, **options: Any) -> Array:
            return jax.checkpoint(partial(inner, **options), prevent_cse=False)(*arguments)

        return compiled

    return decorate


@redrawn("drawn", "scale", "bits")
def _drop(key: Array, x: Array, rate: Rate, *, drawn: Shape, scale: bool, bits: int) -> Array:
    keep = keep_probability(rate, x.ndim)
    return select(draw_for(x, key, keep, drawn, bits), x, keep, bits, scale)


def classical_inference(x: Inexact[Array, "*shape"], rate: ArrayLike) -> Inexact[Array, "*shape"]:
    r"""Shrinks activations to their mean under `dropout(..., scale=False)`.

    $$y_i = (1 - rate) \, x_i$$

    Today's convention is inverted: training divides by 1 - rate, and inference does nothing. Both
    agree in expectation; only one of them may be used at a time.

    Args:
      x: floating-point data of any shape.
      rate: the rate of training (see `jaxdrop`): a number, or an array that broadcasts to the shape
        of `x`.

    Returns:
      An array of the shape and dtype of `x`; zeros where the rate is 1, even for inf and NaN.

    Raises:
      ValueError: a wrong rate.
      TypeError: no number as rate, or data that is not floating-point.

    Example:
      A dense layer of three units in a classroom, at rate 0.5, with the mask [1, 0, 1]:

      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> weights = jnp.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
      ...                      [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
      ...                      [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]])
      >>> h = jax.nn.relu(weights @ jnp.arange(1.0, 9.0) + jnp.array([0.1, 0.2, 0.3]))
      >>> mask = jnp.array([True, False, True])
      >>> def show(y):
      ...     print([f"{value:.2f}" for value in y])
      >>> show(jaxdrop.apply_mask(mask, h, 0.5, scale=False))  # classical, training
      ['20.50', '0.00', '27.90']
      >>> show(jaxdrop.classical_inference(h, 0.5))  # classical, inference
      ['10.25', '12.10', '13.95']
      >>> show(jaxdrop.apply_mask(mask, h, 0.5))  # inverted, training
      ['41.00', '0.00', '55.80']
      >>> show(h)  # inverted, inference
      ['20.50', '24.20', '27.90']

    References:
      Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014.
    """
    x = checks.check_data(x)
    keep = keep_probability(checks.check_rate(rate, x.shape), x.ndim)
    return jnp.where(keep > 0, shrink(x, keep), jnp.zeros((), x.dtype))
