"""Whole feature maps."""

from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop import checks
from jaxdrop.dropout import dropout


def spatial_dropout(
    key: Key[Array, ""],
    x: Inexact[Array, "*shape"],
    rate: ArrayLike,
    *,
    channel_dim: int = -1,
    batch_dim: int | None = 0,
) -> Inexact[Array, "*shape"]:
    r"""Drops whole feature maps, each example's own, and rescales the others.

    $$y_{n,s,c} = m_{n,c} \, x_{n,s,c} / q, \qquad m_{n,c} \sim \mathrm{Bernoulli}(q)$$

    with `s` all other axes: one for sequences, two for images, three for volumes. Neighbours in a
    map are so alike that dropping one alone hides nothing. It is `dropout` with `broadcast_dims`
    on every axis but these two.

    Args:
      key: one key, typed or legacy.
      x: floating-point data with a channel axis and, unless `batch_dim` is None, a batch axis.
      rate: the probability to drop a map, in [0, 1]: a number, or an array that broadcasts to the
        shape of `x` with size 1 on the axes of a map. A traced rate is clipped, and NaN drops
        everything.
      channel_dim: the axis of the maps; the last in JAX, 1 in data laid out for torch.
      batch_dim: the axis of the examples; None for a single one, as under `jax.vmap`.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: an axis that `x` does not have, one axis in both roles, a rate outside [0, 1] or
        of a shape that does not broadcast, several keys.
      TypeError: no key, no number as rate, or data that is not floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> y = jaxdrop.spatial_dropout(jax.random.key(0), jnp.ones((2, 4, 4, 3)), 0.5)
      >>> y.sum((1, 2)).shape, sorted(set(y.sum((1, 2)).ravel().tolist()))
      ((2, 3), [0.0, 32.0])

    References:
      Tompson et al., Efficient Object Localization Using Convolutional Networks, 2015.

    """
    key = checks.check_key(key, "spatial_dropout(key, x, rate)")
    x = checks.check_data(x)
    dims = map_dims(x.shape, channel_dim, batch_dim)
    return dropout(key, x, rate, broadcast_dims=dims)


def map_dims(shape: tuple[int, ...], channel_dim: int, batch_dim: int | None) -> tuple[int, ...]:
    """The axes of one feature map: all but the channels' and the examples'."""
    batch = [] if batch_dim is None else [checks.check_axis("batch_dim", batch_dim, shape)]
    channel = checks.check_apart("channel_dim", channel_dim, "batch_dim", batch, shape)
    return tuple(axis for axis in range(len(shape)) if axis not in (channel, *batch))
