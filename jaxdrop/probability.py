"""From a checked rate to what a mask needs, in float32: keep probability, threshold, scale."""

import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float32, Inexact, UInt32

from jaxdrop.checks import Rate


def keep_probability(rate: Rate, rank: int) -> Float32[Array, "..."]:
    """The keep probability in [0, 1]: one, or an array of this rank.

    A rate that could not be read is clipped, and NaN keeps nothing.
    """
    if rate.unread is None:
        keep = jnp.asarray(rate.keep)
    else:
        unread = jnp.asarray(lax.stop_gradient(rate.unread), jnp.float32)
        keep = jnp.where(unread <= 1, jnp.clip(1 - unread, 0, 1), 0)
    return lax.expand_dims(keep, range(rank - keep.ndim)) if keep.ndim else keep


def levels(bits: int) -> int:
    """How many draws are equally likely: at 32 bits as many as `jax.random.uniform` has."""
    return 2 ** (23 if bits == 32 else bits)


def threshold(keep: Float32[Array, "..."], bits: int) -> UInt32[Array, "..."]:
    """Draws below it are kept: 0 only where nothing may be kept, `levels(bits)` where all is."""
    exact = keep * levels(bits)
    nearest = jnp.ceil(exact) if bits == 32 else jnp.round(exact)
    return jnp.where(keep > 0, jnp.maximum(nearest, 1), 0).astype(jnp.uint32)


def rescale(
    x: Inexact[Array, "..."], keep: Float32[Array, "..."], bits: int
) -> Inexact[Array, "..."]:
    """Divides by the realised keep probability; at 32 bits, as Flax does, by the one asked for."""
    if jnp.iscomplexobj(x):
        return lax.complex(rescale(x.real, keep, bits), rescale(x.imag, keep, bits))
    wide = at_least_float32(x.dtype)
    if bits == 32:
        scaled = x.astype(wide) / jnp.where(keep > 0, keep, 1).astype(wide)
    else:
        realised = jnp.maximum(threshold(keep, bits), 1).astype(jnp.float32) / levels(bits)
        scaled = x.astype(wide) * (1 / realised).astype(wide)
    return jnp.where(keep == 1, x, scaled.astype(x.dtype))  # the CPU flushes subnormals


def at_least_float32(dtype: DTypeLike) -> DTypeLike:
    """The dtype in which arithmetic on this one is done."""
    return jnp.float32 if jnp.finfo(dtype).bits < 32 else dtype
