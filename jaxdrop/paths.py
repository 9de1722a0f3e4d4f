"""Dropout of whole residual branches, and of blocks of feature maps."""

from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Key

from jaxdrop import checks
from jaxdrop.blocks import Blocks, plan_blocks
from jaxdrop.dropout import dropout, redrawn
from jaxdrop.lanes import explicit_sharding, untied
from jaxdrop.masks import draw, select
from jaxdrop.probability import keep_probability


def drop_path(
    key: Key[Array, ""],
    x: Inexact[Array, "*shape"],
    rate: ArrayLike,
    *,
    mode: Literal["row", "batch"] = "row",
    scale: bool = True,
    batch_dim: int = 0,
) -> Inexact[Array, "*shape"]:
    r"""Drops a residual branch whole, for each example or for the batch: stochastic depth.

    $$y_b = m_b \, x_b / q, \qquad m_b \sim \mathrm{Bernoulli}(q)$$

    with `q` the keep probability. Put it at the end of the branch, before the sum with the
    shortcut. `rates.linear_depth` gives the paper's rates over the depth of a network.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      x: the branch's output, floating-point, of any shape that has a batch axis.
      rate: the probability to drop the branch: a number, or in mode "row" an array of one rate an
        example, of size 1 on all axes but `batch_dim`.
      mode: "row" draws for each example, "batch" once for all.
      scale: divide by `q`, so that the mean stays. The paper does not, and multiplies by `q` at
        inference instead.
      batch_dim: the axis of the examples. In mode "batch" it has no effect.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: a wrong rate, an axis that `x` does not have, several keys, another mode.
      TypeError: no key, no number as rate, or data that is not floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> y = jaxdrop.drop_path(jax.random.key(2), jnp.ones((4, 2)), 0.5)
      >>> y.tolist()
      [[2.0, 2.0], [2.0, 2.0], [0.0, 0.0], [2.0, 2.0]]

    References:
      Huang et al., Deep Networks with Stochastic Depth, 2016.
    """
    key = checks.as_key(key, "drop_path(key, x, rate)")
    x = checks.check_data(x)
    tied = set(range(x.ndim))
    if checks.check_choice("mode", mode, ("row", "batch")) == "row":
        tied.remove(checks.check_axis("batch_dim", batch_dim, x.shape))
    return dropout(key, x, rate, broadcast_dims=sorted(tied), scale=scale)


def drop_block(
    key: Key[Array, ""],
    x: Inexact[Array, "*shape"],
    rate: ArrayLike,
    *,
    block_size: int | Sequence[int],
    batch_dim: int = 0,
    channel_dim: int = -1,
    shared_channels: bool = False,
) -> Inexact[Array, "*shape"]:
    r"""Drops contiguous blocks of feature maps in one, two or three spatial dimensions.

    $$y_{bp} = x_{bp} \, \frac{m_{bp}}{\overline{m_b}}, \qquad
    m_{bp} = \prod_{s \,\in\, S(p)} [u_{bs} \ge \gamma]$$

    where `S(p)` holds the starts of the blocks that cover position `p`; all blocks lie inside the
    map. The seed probability is not the paper's approximation but solves
    `mean_p (1 - gamma)**|S(p)| = 1 - rate`, so that the expected dropped share is `rate`. Each
    example is rescaled by its own kept share, and is 0 where nothing is kept. Positions near the
    border are kept more often than others, so the mean holds per example, not per position.

    On a mesh, shards along the batch need no communication; shards along the other axes exchange
    kept counts, and each draws the seeds of whole maps.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      x: floating-point, with a batch axis, a channel axis and one to three spatial axes.
      rate: the expected dropped share: a number, or an array of one rate an example, of size 1 on
        all axes but `batch_dim`.
      block_size: the side of a block, or one side for each spatial axis. A side longer than the map
        is cut to it.
      batch_dim: the axis of the examples.
      channel_dim: the axis of the channels.
      shared_channels: drop the same blocks in all channels of an example.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      ValueError: a wrong rate, a block size below 1, axes that `x` does not have or no room for one
        to three spatial ones, several keys.
      TypeError: no key, no number as rate, sizes that are no integers, data that is not
        floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> y = jaxdrop.drop_block(jax.random.key(0), jnp.ones((1, 8, 1)), 0.4, block_size=3)
      >>> y.ravel().tolist()
      [0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0]

    References:
      Ghiasi et al., DropBlock: A regularization method for convolutional networks, 2018.
    """
    key = checks.as_key(key, "drop_block(key, x, rate, block_size=...)")
    x = checks.check_data(x)
    blocks = plan_blocks(x.shape, block_size, batch_dim, channel_dim, shared_channels)
    checked = checks.check_rate(rate, blocks.rate_shape)
    if checked.is_always(0) or x.size == 0:
        return x
    return _drop_blocks(key, x, checked, blocks=blocks)


@redrawn("blocks")
def _drop_blocks(key: Array, x: Array, rate: checks.Rate, *, blocks: Blocks) -> Array:
    sharding = explicit_sharding(x)
    unseeded = blocks.unseeded_probability(keep_probability(rate, x.ndim))
    whole_maps = untied(sharding, blocks.channel_shape)
    seeds = draw(key, unseeded, shape=blocks.starts_shape, bits=32, sharding=whole_maps)
    mask = blocks.grow(seeds)
    share = blocks.kept_share(mask)
    return select(jnp.broadcast_to(mask, x.shape, out_sharding=sharding), x, share, bits=32)
