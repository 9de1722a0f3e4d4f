"""The least of the entries along an axis."""

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jaxtyping import Array, Bool, Int32

from jaxdrop import checks
from jaxdrop.lanes import untied


def undivided(
    sharding: NamedSharding | None, shape: tuple[int, ...], axis: int
) -> NamedSharding | None:
    """The sharding of `shape` with one axis whole on every device, as ranking needs it."""
    return untied(sharding, checks.drawn_shape(shape, (axis,)))


def smallest(
    values: Array, count: Int32[Array, "..."], axis: int, sharding: NamedSharding | None
) -> Bool[Array, "..."]:
    """True at the `count` smallest along an axis that no shard divides; the first of equals."""
    ranks = jnp.argsort(jnp.argsort(values, axis), axis)
    chosen = ranks < count.astype(ranks.dtype)
    return chosen if sharding is None else jax.sharding.reshard(chosen, sharding)
