"""Dropout of units in groups or grids: whole feature maps, and attention weights."""

from collections.abc import Sequence

from jax.typing import ArrayLike
from jaxtyping import Array, Float, Inexact, Key

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
      key: one key, see "Keys and rates" in `jaxdrop`.
      x: floating-point data with a channel axis and, unless `batch_dim` is None, a batch axis.
      rate: the probability to drop a map: a number, or an array that broadcasts to the shape of `x`
        with size 1 on the axes of a map.
      channel_dim: the axis of the maps; the last in JAX, 1 in data laid out for torch.
      batch_dim: the axis of the examples; None for a single one, as under `jax.vmap`.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: an axis that `x` does not have, one axis in both roles, a wrong rate, several
        keys.
      TypeError: no key, no number as rate, or data that is not floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> y = jaxdrop.spatial_dropout(jax.random.key(0), jnp.ones((2, 4, 4, 3)), 0.5)
      >>> y.sum((1, 2)).shape, sorted(set(y.sum((1, 2)).ravel().tolist()))
      ((2, 3), [0.0, 32.0])

    References:
      Tompson et al., Efficient Object Localization Using Convolutional Networks, 2015.
    """
    key = checks.as_key(key, "spatial_dropout(key, x, rate)")
    x = checks.check_data(x)
    dims = map_dims(x.shape, channel_dim, batch_dim)
    return dropout(key, x, rate, broadcast_dims=dims)


def map_dims(shape: tuple[int, ...], channel_dim: int, batch_dim: int | None) -> tuple[int, ...]:
    """The axes of one feature map: all but the channels' and the examples'."""
    batch = [] if batch_dim is None else [checks.check_axis("batch_dim", batch_dim, shape)]
    channel = checks.check_apart("channel_dim", channel_dim, "batch_dim", batch, shape)
    return tuple(axis for axis in range(len(shape)) if axis not in (channel, *batch))


def attention_dropout(
    key: Key[Array, ""],
    weights: Float[Array, "... queries keys"],
    rate: ArrayLike,
    *,
    broadcast_dims: Sequence[int] = (),
) -> Float[Array, "... queries keys"]:
    r"""Drops attention weights after the softmax, for each example, head, query and key alone.

    $$A'_{bhqk} = m_{bhqk} \, A_{bhqk} / q, \qquad m_{bhqk} \sim \mathrm{Bernoulli}(q)$$

    with `q` the keep probability. The weights of a query then sum to 1 in expectation, not in each
    draw, as in the Transformer. Flax by default shares one mask between all examples and heads;
    here this must be asked for: `broadcast_dims=(0, 1)`. Masking is untouched: what the softmax
    gave no weight keeps none.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      weights: floating-point, of shape (..., queries, keys), for instance (batch, heads, queries,
        keys).
      rate: the probability to drop: a number, or an array that broadcasts to the shape of `weights`
        with its tied axes at size 1, for instance one rate a head.
      broadcast_dims: the axes that share the mask.

    Returns:
      An array of the shape and dtype of `weights`.

    Raises:
      ValueError: weights of fewer than two axes, an axis that they do not have, a wrong rate,
        several keys.
      TypeError: no key, no number as rate, or weights that are not floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> weights = jax.nn.softmax(jnp.zeros((2, 4, 3, 8)))
      >>> dropped = jaxdrop.attention_dropout(jax.random.key(0), weights, 0.5)
      >>> sorted(set(dropped.ravel().tolist()))
      [0.0, 0.25]

    References:
      Vaswani et al., Attention Is All You Need, 2017.
    """
    key = checks.as_key(key, "attention_dropout(key, weights, rate)")
    weights = checks.check_data(weights)
    checks.check_rank("attention weights", weights, 2, "(..., queries, keys)")
    return dropout(key, weights, rate, broadcast_dims=broadcast_dims)
