"""Dropout of whole tokens or patches."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key

from jaxdrop import checks, shares
from jaxdrop.bits import positions, random_words
from jaxdrop.checks import Rate, Shape
from jaxdrop.dropout import dropout, redrawn
from jaxdrop.exact import undivided
from jaxdrop.lanes import explicit_sharding
from jaxdrop.masks import draw_for, select
from jaxdrop.probability import keep_probability


def token_dropout(
    key: Key[Array, ""],
    x: Float[Array, "... tokens features"],
    rate: ArrayLike,
    *,
    keep_first: int = 0,
    mode: Literal["mask", "remove"] = "mask",
) -> Float[Array, "... kept features"]:
    r"""Drops whole tokens or patches: sets them to 0, or takes them out of the sequence.

    $$y_{bt} = m_{bt} \, x_{bt} / q, \qquad m_{bt} \sim \mathrm{Bernoulli}(q)$$

    with `q` the keep probability, in mode "mask". In mode "remove" (PatchDropout) each sequence
    keeps `n - round(rate * n)` of its `n` tokens, at least one below rate 1, chosen uniformly, in
    their order and unscaled: the layers that follow work on a shorter sequence. Position
    embeddings must be added before; what belongs to the tokens goes the same way under the same
    key. On an explicit mesh every device ends with whole sequences; shards of them are gathered.

    Args:
      key: one key, see "Keys and rates" in `jaxdrop`.
      x: floating-point, of shape (..., tokens, features).
      rate: the probability to drop a token: a number, or in mode "mask" an array of size 1 on the
        feature axis. In mode "remove" it decides a shape, so it may not be traced.
      keep_first: how many first tokens (class token, registers) stay as they are. They do not count
        in `n`.
      mode: "mask" keeps the shape, "remove" shortens the token axis.

    Returns:
      An array of the dtype of `x`, and of its shape but for the tokens removed.

    Raises:
      ValueError: a wrong rate, data of fewer than two axes, keep_first that is not between 0 and
        the number of tokens, several keys.
      TypeError: no key, no number as rate, a traced rate in mode "remove", or data that is not
        floating-point.

    Example:
      >>> import jax, jax.numpy as jnp, jaxdrop
      >>> key, x = jax.random.key(2), jnp.arange(1.0, 6.0)[:, None]
      >>> jaxdrop.token_dropout(key, x, 0.5, keep_first=1).ravel().tolist()
      [1.0, 4.0, 0.0, 8.0, 0.0]
      >>> jaxdrop.token_dropout(key, x, 0.5, keep_first=1, mode="remove").ravel().tolist()
      [1.0, 3.0, 5.0]

    References:
      Liu et al., PatchDropout: Economizing Vision Transformers Using Patch Dropout, 2023.
    """
    key = checks.as_key(key, "token_dropout(key, x, rate)")
    x = checks.check_data(x)
    checks.check_rank("tokens", x, 2, "(..., tokens, features)")
    checks.check_count("keep_first", keep_first, most=x.shape[-2])
    if checks.check_choice("mode", mode, ("mask", "remove")) == "mask":
        return _mask_tokens(key, x, rate, keep_first)
    return _remove_tokens(key, x, rate, keep_first)


def _mask_tokens(key: Array, x: Array, rate: ArrayLike, keep_first: int) -> Array:
    if keep_first == 0:
        return dropout(key, x, rate, broadcast_dims=(-1,))
    drawn = checks.drawn_shape(x.shape, (-1,))
    checked = checks.check_rate(rate, drawn)
    if checked.is_always(0):
        return x
    return _spare_first(key, x, checked, np.uint32(keep_first), drawn=drawn)


@redrawn("drawn")
def _spare_first(key: Array, x: Array, rate: Rate, keep_first: Array, *, drawn: Shape) -> Array:
    keep = keep_probability(rate, x.ndim)
    dropped = select(draw_for(x, key, keep, drawn, 16), x, keep, 16)
    token = positions(x.shape, explicit_sharding(x))[-2]
    return jnp.where(token < keep_first, x, dropped)


def _remove_tokens(key: Array, x: Array, rate: ArrayLike, keep_first: int) -> Array:
    count = _kept_count(rate, x.shape[-2] - keep_first)
    return _take_some(key, x, keep_first=keep_first, count=count)


def _kept_count(rate: ArrayLike, tokens: int) -> int:
    if isinstance(rate, Tracer):
        raise TypeError(
            f"Expected a concrete rate, because it decides a shape; got {rate}. "
            'Close over it, make it static, or use mode="mask".'
        )
    checked = checks.check_rate(rate, ())
    kept = tokens - int(shares.count_known(rate, tokens, shares.nearest))
    return kept if checked.is_always(1) else max(kept, min(tokens, 1))


@redrawn("keep_first", "count")
def _take_some(key: Array, x: Array, *, keep_first: int, count: int) -> Array:
    words = random_words(key, x.shape[:-1], None)
    least = jnp.argsort(words[..., keep_first:], axis=-1)[..., :count]
    chosen = jnp.sort(least + keep_first, axis=-1)
    first = jnp.broadcast_to(jnp.arange(keep_first), (*chosen.shape[:-1], keep_first))
    return _take(x, jnp.concatenate([first, chosen], axis=-1))


def _take(x: Float[Array, "... tokens features"], kept: Int[Array, "... kept"]) -> Array:
    """These tokens of each sequence; on an explicit mesh every device takes of whole sequences."""
    whole = undivided(explicit_sharding(x), x.shape, x.ndim - 2)
    if whole is None:
        return jnp.take_along_axis(x, kept[..., None], axis=-2)
    # Where features are sharded, each has its index: else JAX 0.12 cannot shard the gradient.
    shape = (*kept.shape, x.shape[-1] if whole.spec[-1] else 1)
    index = jnp.broadcast_to(kept[..., None], shape, out_sharding=whole)
    return jnp.take_along_axis(jax.sharding.reshard(x, whole), index, axis=-2)
