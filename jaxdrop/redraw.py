"""A mask drawn where it is used, and drawn again in backward, so that none is held in memory."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float32, Inexact, Key

from jaxdrop import checks
from jaxdrop.dropout import dropout
from jaxdrop.lanes import explicit_sharding, untied
from jaxdrop.masks import draw
from jaxdrop.probability import keep_probability

Use = Callable[..., Array]  # (mask, *operands) -> y, a function of a module: it is a cache key


def drop(
    key: Key[Array, ""],
    x: Inexact[Array, "*shape"],
    rate: ArrayLike,
    *,
    broadcast_dims: Sequence[int] = (),
    scale: bool = True,
) -> Inexact[Array, "*shape"]:
    """`dropout`, or the same without its scale."""
    if scale:
        return dropout(key, x, rate, broadcast_dims=broadcast_dims)
    x = checks.check_data(x)
    return redraw(_zero, key, rate, x, drawn=checks.drawn_shape(x.shape, broadcast_dims))


def _zero(mask: Bool[Array, "..."], x: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
    return jnp.where(mask, x, jnp.zeros((), x.dtype))


def redraw(
    use: Use, key: Key[Array, ""], rate: ArrayLike, *operands: Array, drawn: tuple[int, ...]
) -> Array:
    """Calls `use(mask, *operands)` with a mask of the shape and sharding of the first operand."""
    checks.check_key(key)
    checked = checks.check_rate(rate, drawn)
    if checked.is_always(0):
        return use(jnp.ones_like(operands[0], bool), *operands)
    run = partial(_draw_and_use, use=use, drawn=drawn)
    return jax.checkpoint(run, prevent_cse=False)(key, checked, *operands)


@partial(jax.jit, static_argnames=("use", "drawn"))
def _draw_and_use(
    key: Key[Array, ""], rate: checks.Rate, *operands: Array, use: Use, drawn: tuple[int, ...]
) -> Array:
    like, sharding = operands[0], explicit_sharding(operands[0])
    keep: Float32[Array, ...] = keep_probability(rate, like.ndim)
    mask = draw(key, keep, shape=drawn, bits=16, sharding=untied(sharding, drawn))
    return use(jnp.broadcast_to(mask, like.shape, out_sharding=sharding), *operands)
