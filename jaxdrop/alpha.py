"""Dropout that keeps the mean and the variance, for self-normalising networks."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from jaxdrop import checks
from jaxdrop.checks import Rate, Shape
from jaxdrop.dropout import redrawn
from jaxdrop.masks import draw_for
from jaxdrop.probability import keep_probability, realised, widen
from jaxdrop.units import map_dims

SATURATION = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717  # SELU(-inf)


def alpha_dropout(
    key: Key[Array, ""],
    x: Float[Array, "*shape"],
    rate: ArrayLike,
    *,
    broadcast_dims: Sequence[int] = (),
    bits: int = 16,
) -> Float[Array, "*shape"]:
    r"""Drops elements to where SELU saturates, and keeps mean 0 and variance 1.

    $$y_i = a \, (m_i \, x_i + (1 - m_i) \, \alpha') + b$$

    with $\alpha' = -\lambda\alpha \approx -1.7581$, $a = (q + \alpha'^2 q (1 - q))^{-1/2}$,
    $b = -a (1 - q) \alpha'$ and `q` the keep probability that is realised. The two constants are
    SELU's, and there is no option for others: behind another activation use `dropout`.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      x: real floating-point data of any shape, of mean 0 and variance 1.
      rate: the probability to drop: a number, or an array that broadcasts to the shape of `x` with
        its tied axes at size 1. At rate 1 the limit, zeros.
      broadcast_dims: the axes along which elements share their fate.
      bits: 8, 16 or 32, as for `dropout`.

    Returns:
      An array of the shape and dtype of `x`. A dropped element is $a\alpha' + b$, whatever it was.

    Raises:
      ValueError: a wrong rate, an axis that `x` does not have, several keys, another number of
        bits.
      TypeError: no key, no number as rate, or data that is not real floating-point.

    Example:
      >>> import jax, jaxdrop
      >>> x = jax.random.normal(jax.random.key(0), (100_000,))
      >>> y = jaxdrop.alpha_dropout(jax.random.key(1), x, 0.2)
      >>> print(f"{abs(y.mean()):.1f} {y.std():.1f}")
      0.0 1.0

    References:
      Klambauer et al., Self-Normalizing Neural Networks, 2017.
    """
    key, x = checks.as_key(key, "alpha_dropout(key, x, rate)"), checks.check_real_data(x)
    drawn = checks.drawn_shape(x.shape, broadcast_dims)
    checked, bits = checks.check_rate(rate, drawn), checks.check_bits(bits)
    return x if checked.is_always(0) else _saturate(key, x, checked, drawn=drawn, bits=bits)


@redrawn("drawn", "bits")
def _saturate(key: Array, x: Array, rate: Rate, *, drawn: Shape, bits: int) -> Array:
    keep, wide = keep_probability(rate, x.ndim), widen(x)
    mask = draw_for(x, key, keep, drawn, bits)
    share = jnp.where(keep > 0, realised(keep, bits), 1)
    slope = 1 / jnp.sqrt(share * (1 + SATURATION**2 * (1 - share)))
    dropped = (slope * share * SATURATION).astype(wide.dtype)
    kept = slope.astype(wide.dtype) * (wide - ((1 - share) * SATURATION).astype(wide.dtype))
    y = jnp.where(mask, kept, dropped).astype(x.dtype)
    return jnp.where(keep == 1, x, jnp.where(keep > 0, y, jnp.zeros((), x.dtype)))


def feature_alpha_dropout(
    key: Key[Array, ""],
    x: Float[Array, "*shape"],
    rate: ArrayLike,
    *,
    channel_dim: int = -1,
    batch_dim: int | None = 0,
) -> Float[Array, "*shape"]:
    r"""Drops whole feature maps to where SELU saturates, and keeps mean 0 and variance 1.

    $$y_{n,s,c} = a \, (m_{n,c} \, x_{n,s,c} + (1 - m_{n,c}) \, \alpha') + b$$

    with the constants of `alpha_dropout` and the axes of `spatial_dropout`.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      x: real floating-point data with a channel axis and, unless `batch_dim` is None, a batch axis.
      rate: the probability to drop a map: a number, or an array that broadcasts to the shape of `x`
        with size 1 on the axes of a map.
      channel_dim: the axis of the maps.
      batch_dim: the axis of the examples; None for a single one.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: an axis that `x` does not have, one axis in both roles, a wrong rate, several
        keys.
      TypeError: no key, no number as rate, or data that is not real floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> y = jaxdrop.feature_alpha_dropout(jax.random.key(0), jnp.ones((2, 4, 4, 3)), 0.5)
      >>> print(sorted({f"{v:.3f}" for v in y.ravel().tolist()}))
      ['-0.779', '1.666']

    References:
      Klambauer et al., Self-Normalizing Neural Networks, 2017.
    """
    key = checks.as_key(key, "feature_alpha_dropout(key, x, rate)")
    x = checks.check_real_data(x)
    dims = map_dims(x.shape, channel_dim, batch_dim)
    return alpha_dropout(key, x, rate, broadcast_dims=dims)
