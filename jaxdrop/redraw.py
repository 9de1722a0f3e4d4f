"""A mask drawn where it is used, and drawn again in backward, so that none is held in memory."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Key

from jaxdrop import checks
from jaxdrop.masks import draw_for
from jaxdrop.probability import keep_probability

Use = Callable[..., Array]  # (mask, *operands) -> y, a function of a module: it is a cache key


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
    keep = keep_probability(rate, operands[0].ndim)
    return use(draw_for(operands[0], key, keep, drawn, 16), *operands)
